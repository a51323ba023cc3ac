//! `POST /webhooks/{id}/rotate-secret`: a new secret, shown this once; the one before signs beside it
//! for a day.

use byok_domain::WebhookId;

use super::{NewSecret, Shown};
use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};

pub(crate) async fn rotate(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let (state, at) = (&ask.state, ask.at);
    let id = WebhookId::new(ask.param("id"));
    let project = crate::keys::opened(state, &scope).await?;
    let secret = NewSecret::random();
    let seal = |version| secret.seal(&project.data_key, &scope, &id, version);
    let (webhook, until) =
        state.store.rotate_webhook_secret(scope.id(), &id, seal, &scope.by(at)).await?;
    let text = secret.text();
    answer::json(&Shown {
        secret: Some(text.as_str()),
        previous_secret_expires_at: Some(until),
        ..Shown::from(&webhook)
    })
}
