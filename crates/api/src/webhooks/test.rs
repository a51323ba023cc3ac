//! `POST /webhooks/{id}/test`: delivers a `webhook.test` at once, and tells what came of it.

use byok_domain::{DeliveryId, EventId, WebhookId};
use byok_webhooks::{Next, Outbox};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested<'a> {
    delivered: bool,
    status_code: Option<u16>,
    error: Option<&'a str>,
    duration_ms: i64,
    event_id: &'a EventId,
    delivery_id: &'a DeliveryId,
}

pub(crate) async fn test(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let state = &ask.state;
    let id = WebhookId::new(ask.param("id"));
    let claimed = state.store.test_webhook(scope.id(), &id, ask.at).await?;
    let attempt = state.webhooks.attempt(&claimed).await;
    let delivered = attempt.outcome.is_success();
    // Whoever tests looks at the answer: nothing is tried again behind it, and nothing disabled.
    let next = if delivered { Next::Delivered } else { Next::GiveUp };
    state.store.settle(&claimed, &attempt, next).await.map_err(ApiError::unavailable)?;
    answer::json(&Tested {
        delivered,
        status_code: attempt.outcome.status(),
        error: attempt.outcome.error(),
        duration_ms: attempt.duration_ms(),
        event_id: &claimed.event,
        delivery_id: &claimed.delivery,
    })
}
