//! `GET /webhooks/{id}/deliveries`, and sending one of them again.

use byok_domain::{DeliveryId, EventId, Timestamp, WebhookId};
use byok_store::{Delivery, DeliveryAttempt};
use serde::Serialize;

use crate::answer::{self, Answer, shown, shown_if_any};
use crate::dispatch::{Ask, Scope};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a DeliveryId,
    event_id: &'a EventId,
    event: &'a str,
    status: &'a str,
    #[serde(serialize_with = "shown_if_any")]
    next_attempt_at: Option<Timestamp>,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    attempts: Vec<ShownAttempt<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAttempt<'a> {
    #[serde(serialize_with = "shown")]
    at: Timestamp,
    duration_ms: u64,
    status_code: Option<u16>,
    error: Option<&'a str>,
}

impl<'a> From<&'a Delivery> for Shown<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            id: &delivery.id,
            event_id: &delivery.event_id,
            event: &delivery.event,
            status: delivery.status.as_str(),
            next_attempt_at: delivery.next_attempt_at,
            created_at: delivery.created_at,
            attempts: delivery.attempts.iter().map(ShownAttempt::from).collect(),
        }
    }
}

impl<'a> From<&'a DeliveryAttempt> for ShownAttempt<'a> {
    fn from(attempt: &'a DeliveryAttempt) -> Self {
        Self {
            at: attempt.at,
            duration_ms: attempt.duration_ms,
            status_code: attempt.status,
            error: attempt.error.as_deref(),
        }
    }
}

pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["limit", "offset"])?;
    let page = query.page()?;
    let id = WebhookId::new(ask.param("id"));
    let rows = ask.state.store.webhook_deliveries(scope.id(), &id, page).await?;
    let data = rows.data.iter().map(Shown::from).collect();
    answer::list(data, rows.total, page)
}

/// `POST /webhooks/{id}/deliveries/{deliveryId}/resend`, and the same without `{id}`.
pub(crate) async fn resend(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let webhook = Some(ask.param("id")).filter(|id| !id.is_empty()).map(WebhookId::new);
    let id = DeliveryId::new(ask.param("deliveryId"));
    let store = &ask.state.store;
    let delivery = store.resend_delivery(scope.id(), webhook.as_ref(), &id, ask.at).await?;
    answer::json(&Shown::from(&delivery))
}
