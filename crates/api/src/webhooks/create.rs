//! `POST /webhooks`: makes an endpoint, and shows its secret this once.

use byok_domain::WebhookId;
use byok_store::NewWebhook;
use byok_vault::random_bytes;

use super::{NewSecret, Shown, fields};
use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};

pub(crate) async fn create(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut body) = ask.fields().await?;
    let url = body.text("url");
    let url = body.required("url", url);
    let events = fields::events(&mut body).unwrap_or_else(|| vec!["*".to_owned()]);
    let description = fields::description(&mut body).unwrap_or_default();
    let url = body.finish(url)?;
    let url = fields::settled_url(&state, &scope, &url).await?;

    let project = crate::keys::opened(&state, &scope).await?;
    let id = WebhookId::from_random(u128::from_be_bytes(random_bytes()));
    let secret = NewSecret::random();
    let sealed = secret.seal(&project.data_key, &scope, &id, 1);
    let new = NewWebhook { id, url, events, description, sealed };
    let webhook = state.store.create_webhook(scope.id(), new, &scope.by(at)).await?;
    let text = secret.text();
    answer::json(&Shown { secret: Some(text.as_str()), ..Shown::from(&webhook) })
}
