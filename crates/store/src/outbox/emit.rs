//! Writing an event, in the transaction of what it tells of.

use byok_domain::events::{Event, EventFilter};
use byok_domain::{DeliveryId, EventId, ProjectId, Timestamp};
use byok_vault::random_bytes;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder,
};

use super::{debounce, status};
use crate::StoreError;
use crate::column::from_json;
use crate::entity::{webhook_deliveries, webhook_endpoints, webhook_events};
use crate::webhooks::TABLE;

/// Writes an event for everybody who is to be told: the project's endpoints that want it, and the
/// customer where it is one for a notice. It goes out if `transaction` is committed, and only then.
/// Events that repeat are left out: see [`Event::debounce`] and, for the customer,
/// [`Event::notice_debounce`].
pub(crate) async fn emit(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    event: &Event,
    at: Timestamp,
) -> Result<(), StoreError> {
    let endpoints = wanting(transaction, project, event).await?;
    if endpoints.is_empty() && !event.is_noticed() {
        return Ok(());
    }
    if let Some(debounce) = event.debounce(at)
        && !debounce::passes(transaction, project, debounce, at).await?
    {
        return Ok(());
    }
    let noticed = match event.notice_debounce(at) {
        Some(debounce) => debounce::passes(transaction, project, debounce, at).await?,
        None => false,
    };
    if endpoints.is_empty() && !noticed {
        return Ok(());
    }
    let event_id = insert_event(transaction, project, event, noticed, at).await?;
    for endpoint in endpoints {
        webhook_deliveries::ActiveModel {
            id: Set(DeliveryId::from_random(new_id()).to_string()),
            project_id: Set(project.as_str().to_owned()),
            endpoint_id: Set(endpoint),
            event_id: Set(event_id.as_str().to_owned()),
            status: Set(status::PENDING.to_owned()),
            tries: Set(0),
            due_at: Set(Some(at.as_millis())),
            lease: Set(0),
            created_at: Set(at.as_millis()),
            updated_at: Set(at.as_millis()),
        }
        .insert(transaction)
        .await?;
    }
    Ok(())
}

/// The project's endpoints that an event goes to.
async fn wanting(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    event: &Event,
) -> Result<Vec<String>, StoreError> {
    let rows = webhook_endpoints::Entity::find()
        .filter(webhook_endpoints::Column::ProjectId.eq(project.as_str()))
        .filter(webhook_endpoints::Column::DisabledAt.is_null())
        .order_by_asc(webhook_endpoints::Column::Id)
        .all(transaction)
        .await?;
    let mut wanting = Vec::new();
    for row in rows {
        let filters: Vec<String> = from_json(TABLE, &row.events)?;
        // A filter that a later version wrote passes nothing here.
        let mut filters = filters.iter().filter_map(|text| EventFilter::parse(text));
        if filters.any(|filter| filter.passes(event.kind())) {
            wanting.push(row.id);
        }
    }
    Ok(wanting)
}

/// Writes the event alone, for the customer too if it is to be `noticed`.
pub(crate) async fn insert_event(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    event: &Event,
    noticed: bool,
    at: Timestamp,
) -> Result<EventId, StoreError> {
    let id = EventId::from_random(new_id());
    webhook_events::ActiveModel {
        id: Set(id.as_str().to_owned()),
        project_id: Set(project.as_str().to_owned()),
        event: Set(event.kind().as_str().to_owned()),
        ref_id: Set(event.ref_id().map(|ref_id| ref_id.as_str().to_owned())),
        body: Set(event.body(id.as_str(), project, at)),
        created_at: Set(at.as_millis()),
        notice_due_at: Set(noticed.then_some(at.as_millis())),
        notice_tries: Set(0),
        notice_lease: Set(0),
    }
    .insert(transaction)
    .await?;
    Ok(id)
}

/// The random part of an id. Like keys' ids it comes from the vault's randomness: an event's id is
/// what a receiver tells repeats by.
pub(crate) fn new_id() -> u128 {
    u128::from_be_bytes(random_bytes())
}
