//! An endpoint's deliveries: listed with their attempts, sent again, made for a test.

use std::collections::HashMap;

use byok_domain::events::Event;
use byok_domain::{DeliveryId, EventId, ProjectId, Timestamp, WebhookId};
use byok_webhooks::Claimed;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::require;
use crate::column::{count, optional_time, parsed, storable, time};
use crate::entity::{webhook_attempts, webhook_deliveries, webhook_events};
use crate::outbox::{claimed, insert_event, new_id, status};
use crate::{Listing, Page, Store, StoreError};

const TABLE: &str = "webhook_deliveries";

/// What has become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// An attempt is to come.
    Pending,
    /// It succeeded.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryStatus {
    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => status::PENDING,
            Self::Delivered => status::DELIVERED,
            Self::Failed => status::FAILED,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed].into_iter().find(|s| s.as_str() == text)
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// The event's type.
    pub event: String,
    /// What has become of it.
    pub status: DeliveryStatus,
    /// When the next attempt may be made.
    pub next_attempt_at: Option<Timestamp>,
    /// When the event was made.
    pub created_at: Timestamp,
    /// The attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// The status that the endpoint answered with.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
}

impl Store {
    /// An endpoint's deliveries, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn webhook_deliveries(
        &self,
        project: &ProjectId,
        webhook: &WebhookId,
        page: Page,
    ) -> Result<Listing<Delivery>, StoreError> {
        use webhook_deliveries::Column;
        let reader = self.database().reader();
        require(reader, project, webhook).await?;
        let query = webhook_deliveries::Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::EndpointId.eq(webhook.as_str()));
        let total = query.clone().count(reader).await?;
        let rows = query
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(page.limit)
            .offset(page.offset)
            .all(reader)
            .await?;
        Ok(Listing { data: read_all(reader, rows).await?, total })
    }

    /// Has a delivery made again, from the start of its schedule: the same event under the same
    /// id. `webhook` is the endpoint that it belongs to, where the caller names one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Disabled`] when its endpoint is,
    /// [`StoreError::Database`].
    pub async fn resend_delivery(
        &self,
        project: &ProjectId,
        webhook: Option<&WebhookId>,
        id: &DeliveryId,
        at: Timestamp,
    ) -> Result<Delivery, StoreError> {
        use webhook_deliveries::Column;
        if ![Some(id.as_str()), webhook.map(WebhookId::as_str)].into_iter().flatten().all(storable)
        {
            return Err(StoreError::NotFound("delivery"));
        }
        let transaction = self.database().begin().await?;
        let mut query = webhook_deliveries::Entity::find_by_id(id.as_str())
            .filter(Column::ProjectId.eq(project.as_str()));
        if let Some(webhook) = webhook {
            query = query.filter(Column::EndpointId.eq(webhook.as_str()));
        }
        let row = query.one(&transaction).await?.ok_or(StoreError::NotFound("delivery"))?;
        let endpoint = WebhookId::new(row.endpoint_id.as_str());
        if require(&transaction, project, &endpoint).await?.disabled_at.is_some() {
            return Err(StoreError::Disabled("webhook"));
        }
        let lease = row.lease + 1;
        let mut row = row.into_active_model();
        row.status = Set(status::PENDING.to_owned());
        row.tries = Set(0);
        row.due_at = Set(Some(at.as_millis()));
        // An attempt that is under way decides nothing any more.
        row.lease = Set(lease);
        row.updated_at = Set(at.as_millis());
        let row = row.update(&transaction).await?;
        let delivery = read_all(&transaction, vec![row]).await?.pop();
        transaction.commit().await?;
        delivery.ok_or(StoreError::NotFound("delivery"))
    }

    /// Makes a `webhook.test` for one endpoint, whatever events it wants and whether it is enabled,
    /// leased to the caller, who attempts it once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn test_webhook(
        &self,
        project: &ProjectId,
        webhook: &WebhookId,
        at: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let transaction = self.database().begin().await?;
        require(&transaction, project, webhook).await?;
        let event = insert_event(&transaction, project, &Event::WebhookTest, false, at).await?;
        let row = webhook_deliveries::ActiveModel {
            id: Set(DeliveryId::from_random(new_id()).to_string()),
            project_id: Set(project.as_str().to_owned()),
            endpoint_id: Set(webhook.as_str().to_owned()),
            event_id: Set(event.as_str().to_owned()),
            status: Set(status::PENDING.to_owned()),
            tries: Set(0),
            due_at: Set(None),
            lease: Set(1),
            created_at: Set(at.as_millis()),
            updated_at: Set(at.as_millis()),
        }
        .insert(&transaction)
        .await?;
        let claimed = claimed(&transaction, row, at).await?;
        transaction.commit().await?;
        claimed.ok_or(StoreError::NotFound("webhook"))
    }
}

/// Deliveries with what belongs to them.
async fn read_all(
    connection: &impl ConnectionTrait,
    rows: Vec<webhook_deliveries::Model>,
) -> Result<Vec<Delivery>, StoreError> {
    use webhook_attempts::Column;
    let ids = rows.iter().map(|row| row.id.as_str());
    let attempts = webhook_attempts::Entity::find()
        .filter(Column::DeliveryId.is_in(ids))
        .order_by_asc(Column::DeliveryId)
        .order_by_asc(Column::Number)
        .all(connection)
        .await?;
    let mut of_delivery: HashMap<String, Vec<DeliveryAttempt>> = HashMap::new();
    for row in attempts {
        let attempt = DeliveryAttempt {
            at: time(row.at),
            duration_ms: count(row.duration_ms),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            error: row.error,
        };
        of_delivery.entry(row.delivery_id).or_default().push(attempt);
    }
    let events = rows.iter().map(|row| row.event_id.as_str());
    let kinds: HashMap<String, String> = webhook_events::Entity::find()
        .filter(webhook_events::Column::Id.is_in(events))
        .all(connection)
        .await?
        .into_iter()
        .map(|row| (row.id, row.event))
        .collect();
    let read = |row: webhook_deliveries::Model| {
        Ok(Delivery {
            event: kinds.get(&row.event_id).cloned().unwrap_or_default(),
            attempts: of_delivery.remove(&row.id).unwrap_or_default(),
            id: DeliveryId::new(row.id),
            event_id: EventId::new(row.event_id),
            status: parsed(TABLE, &row.status, DeliveryStatus::parse)?,
            next_attempt_at: optional_time(row.due_at),
            created_at: time(row.created_at),
        })
    };
    rows.into_iter().map(read).collect()
}
