//! `PATCH /webhooks/{id}` and `DELETE /webhooks/{id}`.

use byok_domain::WebhookId;
use byok_store::WebhookChange;

use super::{Shown, fields};
use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};

pub(crate) async fn update(scope: Scope, ask: Ask) -> Answer {
    let id = WebhookId::new(ask.param("id"));
    let (state, at, mut body) = ask.fields().await?;
    let url = body.text("url");
    let events = fields::events(&mut body);
    let description = fields::description(&mut body);
    let enabled = body.flag("enabled");
    if url.is_none() && events.is_none() && description.is_none() && enabled.is_none() {
        body.nothing_to_change("url");
    }
    body.finish(Some(()))?;
    let url = match url {
        Some(url) => Some(fields::settled_url(&state, &scope, &url).await?),
        None => None,
    };
    let change = WebhookChange { url, events, description, enabled };
    let webhook = state.store.update_webhook(scope.id(), &id, change, &scope.by(at)).await?;
    answer::json(&Shown::from(&webhook))
}

pub(crate) async fn delete(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let id = WebhookId::new(ask.param("id"));
    ask.state.store.delete_webhook(scope.id(), &id, &scope.by(ask.at)).await?;
    answer::json(&serde_json::json!({ "deleted": true }))
}
