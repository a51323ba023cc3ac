//! Leasing deliveries that are due.

use byok_domain::{DeliveryId, EventId, ProjectId, Timestamp, WebhookId};
use byok_webhooks::{Claimed, Lane, SealedSecrets, Wanted};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter,
    Statement,
};

use crate::column::{BACKEND, optional_time, time};
use crate::entity::{webhook_deliveries, webhook_endpoints, webhook_events};
use crate::statement::Sql;
use crate::webhooks::{TABLE, sealed_secrets};
use crate::{Store, StoreError};

/// Candidates looked at in one go, and how often. Each look leaves out the endpoints that have all
/// they may have, so that what waits for one does not hide what waits for the others.
const LOOK: usize = 64;
const LOOKS: usize = 8;

#[derive(FromQueryResult)]
struct Candidate {
    id: String,
    lease: i64,
    endpoint_id: String,
    failing_since: Option<i64>,
}

impl Store {
    pub(super) async fn claim_deliveries(
        &self,
        mut wanted: Wanted,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut picked = Vec::new();
        for _ in 0..LOOKS {
            let seen: Vec<String> = picked.iter().map(|c: &Candidate| c.id.clone()).collect();
            let candidates = self.candidates(&wanted, &seen).await?;
            let last = candidates.len() < LOOK;
            for candidate in candidates {
                let endpoint = WebhookId::new(candidate.endpoint_id.as_str());
                let lane = Lane::of(optional_time(candidate.failing_since));
                if wanted.take(&endpoint, lane) {
                    picked.push(candidate);
                }
            }
            if last || !wanted.has_room() {
                break;
            }
        }
        // Most looks find nothing, and then nothing waits for the one writer.
        if picked.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = self.database().begin().await?;
        let mut claimed = Vec::with_capacity(picked.len());
        for candidate in picked {
            if take(&transaction, &candidate, &wanted).await?
                && let Some(delivery) = load(&transaction, &candidate, wanted.now()).await?
            {
                claimed.push(delivery);
            }
        }
        transaction.commit().await?;
        Ok(claimed)
    }

    async fn candidates(
        &self,
        wanted: &Wanted,
        seen: &[String],
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut sql = Sql::new(
            "SELECT d.id, d.lease, d.endpoint_id, e.failing_since FROM webhook_deliveries AS d \
             JOIN webhook_endpoints AS e ON e.id = d.endpoint_id \
             WHERE e.disabled_at IS NULL AND d.due_at <= ",
        );
        sql.bind(wanted.now().as_millis());
        if !wanted.has_room_for_failing() {
            sql.push(" AND e.failing_since IS NULL");
        }
        for (column, values) in [
            ("d.endpoint_id", wanted.full().map(ToString::to_string).collect::<Vec<_>>()),
            ("d.id", seen.to_vec()),
        ] {
            for (n, value) in values.iter().enumerate() {
                if n == 0 {
                    sql.push(" AND ").push(column).push(" NOT IN (");
                } else {
                    sql.push(",");
                }
                sql.bind(value.as_str());
            }
            sql.push(if values.is_empty() { "" } else { ")" });
        }
        sql.push(&format!(" ORDER BY d.due_at, d.id LIMIT {LOOK}"));
        let statement = sql.into_statement();
        Ok(Candidate::find_by_statement(statement).all(self.database().reader()).await?)
    }

    pub(super) async fn oldest_pending_delivery(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MIN(created_at) FROM webhook_deliveries WHERE due_at IS NOT NULL";
        let statement = Statement::from_string(BACKEND, sql);
        let row = self.database().reader().query_one_raw(statement).await?;
        let oldest: Option<i64> = match row {
            Some(row) => row.try_get_by_index(0)?,
            None => None,
        };
        Ok(optional_time(oldest))
    }
}

/// Leases a candidate, unless somebody was faster: the condition decides, not the look before it.
async fn take(
    transaction: &DatabaseTransaction,
    candidate: &Candidate,
    wanted: &Wanted,
) -> Result<bool, StoreError> {
    let sql = "UPDATE webhook_deliveries SET lease = lease + 1, due_at = $1 \
               WHERE id = $2 AND lease = $3 AND due_at <= $4";
    let values = [
        wanted.leased_until().as_millis().into(),
        candidate.id.as_str().into(),
        candidate.lease.into(),
        wanted.now().as_millis().into(),
    ];
    let statement = Statement::from_sql_and_values(BACKEND, sql, values);
    Ok(transaction.execute_raw(statement).await?.rows_affected() > 0)
}

async fn load(
    transaction: &DatabaseTransaction,
    candidate: &Candidate,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let delivery = webhook_deliveries::Entity::find_by_id(candidate.id.as_str());
    let Some(delivery) = delivery.one(transaction).await? else { return Ok(None) };
    claimed(transaction, delivery, now).await
}

/// A delivery with all that an attempt takes.
pub(crate) async fn claimed(
    transaction: &DatabaseTransaction,
    delivery: webhook_deliveries::Model,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let endpoint = webhook_endpoints::Entity::find_by_id(delivery.endpoint_id.as_str())
        .filter(webhook_endpoints::Column::ProjectId.eq(delivery.project_id.as_str()))
        .one(transaction)
        .await?;
    let event = webhook_events::Entity::find_by_id(delivery.event_id.as_str())
        .filter(webhook_events::Column::ProjectId.eq(delivery.project_id.as_str()))
        .one(transaction)
        .await?;
    let (Some(endpoint), Some(event)) = (endpoint, event) else { return Ok(None) };
    let secrets: SealedSecrets = sealed_secrets(&endpoint, now)?;
    Ok(Some(Claimed {
        delivery: DeliveryId::new(delivery.id),
        lease: delivery.lease,
        project: ProjectId::new(delivery.project_id),
        endpoint: WebhookId::new(endpoint.id),
        url: endpoint.url,
        secrets,
        failing_since: endpoint.failing_since.map(time),
        event: EventId::new(event.id),
        body: event.body.into(),
        tries: u32::try_from(delivery.tries)
            .map_err(|_| StoreError::damaged(TABLE, "a count of attempts is out of range"))?,
    }))
}
