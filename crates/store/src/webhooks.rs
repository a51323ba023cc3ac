//! Webhook endpoints: made with their secrets sealed, changed, listed, removed; their deliveries.

mod change;
mod create;
mod deliveries;
mod rotate;

use byok_domain::{ProjectId, Timestamp, WebhookId};
use byok_webhooks::{Sealed, SealedSecrets};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

pub use change::WebhookChange;
pub(crate) use change::remove_all;
pub use create::NewWebhook;
pub use deliveries::{Delivery, DeliveryAttempt, DeliveryStatus};

use crate::column::{from_json, optional_time, storable, time};
use crate::entity::webhook_endpoints::{Column, Entity, Model};
use crate::listing::in_order;
use crate::{Listing, Page, Store, StoreError};

pub(crate) const TABLE: &str = "webhook_endpoints";

/// An endpoint as it is listed: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where events are delivered to.
    pub url: String,
    /// Which events it wants, each a filter.
    pub events: Vec<String>,
    /// For people; empty when nothing was said.
    pub description: String,
    /// Since when nothing has succeeded there.
    pub failing_since: Option<Timestamp>,
    /// Since when nothing is sent to it.
    pub disabled_at: Option<Timestamp>,
    /// Why: `gone`, `failing`, or `request`.
    pub disabled_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// A project's endpoints, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn webhooks(
        &self,
        project: &ProjectId,
        page: Page,
    ) -> Result<Listing<Webhook>, StoreError> {
        let query = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        let order = [Column::CreatedAt, Column::Id];
        in_order(self.database().reader(), query, order, page).await?.try_map(read)
    }
}

fn read(row: Model) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: WebhookId::new(row.id),
        url: row.url,
        events: from_json(TABLE, &row.events)?,
        description: row.description,
        failing_since: optional_time(row.failing_since),
        disabled_at: optional_time(row.disabled_at),
        disabled_reason: row.disabled_reason,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}

/// An endpoint's row, which has to be there, in that project.
async fn require(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    id: &WebhookId,
) -> Result<Model, StoreError> {
    if !storable(id.as_str()) {
        return Err(StoreError::NotFound("webhook"));
    }
    Entity::find_by_id(id.as_str())
        .filter(Column::ProjectId.eq(project.as_str()))
        .one(connection)
        .await?
        .ok_or(StoreError::NotFound("webhook"))
}

/// What deliveries to an endpoint are signed with at `now`.
pub(crate) fn sealed_secrets(row: &Model, now: Timestamp) -> Result<SealedSecrets, StoreError> {
    let version = version(row.version)?;
    let rotating = row.previous_until.is_some_and(|until| now.as_millis() < until);
    let previous = row.previous_sealed.clone().filter(|_| rotating);
    Ok(SealedSecrets {
        current: Sealed { bytes: row.sealed.clone(), version },
        previous: previous.map(|bytes| Sealed { bytes, version: version.saturating_sub(1) }),
    })
}

fn version(version: i64) -> Result<u32, StoreError> {
    u32::try_from(version).map_err(|_| StoreError::damaged(TABLE, "a version is out of range"))
}
