//! Notices to customers: the events that they are told of by e-mail.

use async_trait::async_trait;
use byok_domain::events::EventType;
use byok_domain::time::DAY_MS;
use byok_domain::{EventId, ProjectId, RefId, Timestamp};
use byok_webhooks::{About, Notice, NoticeBox, OutboxError, Recipients};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde::Deserialize;

use super::unavailable;
use crate::column::{BACKEND, from_json, ref_id};
use crate::entity::webhook_events::{Column, Entity, Model};
use crate::{Store, StoreError, projects};

const TABLE: &str = "webhook_events";

/// What is older is no news: e-mail may just have been set up.
const NEWS_MS: i64 = DAY_MS;

#[async_trait]
impl Recipients for Store {
    async fn address(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<Option<String>, OutboxError> {
        let customer = self.customer(project, ref_id).await.map_err(unavailable)?;
        Ok(customer.and_then(|customer| customer.email))
    }
}

#[async_trait]
impl NoticeBox for Store {
    async fn claim_notices(
        &self,
        now: Timestamp,
        leased_until: Timestamp,
        most: u64,
    ) -> Result<Vec<Notice>, OutboxError> {
        self.lease_notices(now, leased_until, most).await.map_err(unavailable)
    }

    async fn settle_notice(
        &self,
        notice: &Notice,
        again: Option<Timestamp>,
    ) -> Result<(), OutboxError> {
        let sql = "UPDATE webhook_events SET notice_due_at = $1, notice_tries = notice_tries + 1 \
                   WHERE id = $2 AND project_id = $3 AND notice_lease = $4";
        let values = [
            again.map(Timestamp::as_millis).into(),
            notice.event.as_str().into(),
            notice.project.as_str().into(),
            notice.lease.into(),
        ];
        let statement = Statement::from_sql_and_values(BACKEND, sql, values);
        let settled = self.database().writer().execute_raw(statement).await;
        settled.map(drop).map_err(|error| unavailable(error.into()))
    }
}

impl Store {
    async fn lease_notices(
        &self,
        now: Timestamp,
        leased_until: Timestamp,
        most: u64,
    ) -> Result<Vec<Notice>, StoreError> {
        let due = Entity::find()
            .filter(Column::NoticeDueAt.lte(now.as_millis()))
            .filter(Column::CreatedAt.gt(now.plus_millis(-NEWS_MS).as_millis()))
            .order_by_asc(Column::NoticeDueAt)
            .limit(most)
            .all(self.database().reader())
            .await?;
        let mut notices = Vec::new();
        for mut row in due {
            let sql = "UPDATE webhook_events SET notice_lease = notice_lease + 1, \
                       notice_due_at = $1 WHERE id = $2 AND notice_lease = $3 \
                       AND notice_due_at <= $4";
            let values = [
                leased_until.as_millis().into(),
                row.id.as_str().into(),
                row.notice_lease.into(),
                now.as_millis().into(),
            ];
            let statement = Statement::from_sql_and_values(BACKEND, sql, values);
            if self.database().writer().execute_raw(statement).await?.rows_affected() > 0 {
                row.notice_lease += 1;
                notices.extend(self.notice(row).await?);
            }
        }
        Ok(notices)
    }

    /// The notice that a row is about; none when its project is gone.
    async fn notice(&self, row: Model) -> Result<Option<Notice>, StoreError> {
        let project = ProjectId::new(row.project_id.as_str());
        let found = projects::find(self.database().reader(), &project).await?;
        let (Some(of), Some(customer)) = (found, &row.ref_id) else { return Ok(None) };
        let Body { data } = from_json(TABLE, &row.body)?;
        let about = match EventType::parse(&row.event) {
            Some(EventType::KeyInvalid) => {
                About::KeyInvalid { provider: data.provider, key_hint: data.key_hint }
            }
            Some(EventType::Fallback) => {
                About::Fallback { provider: data.provider, reason: data.reason }
            }
            // Of a later version, for which there are no words here.
            _ => return Ok(None),
        };
        Ok(Some(Notice {
            event: EventId::new(row.id),
            lease: row.notice_lease,
            project,
            project_name: of.name,
            ref_id: ref_id(TABLE, customer)?,
            about,
            tries: u32::try_from(row.notice_tries).unwrap_or(u32::MAX),
        }))
    }
}

#[derive(Deserialize)]
struct Body {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Data {
    provider: String,
    key_hint: String,
    reason: String,
}
