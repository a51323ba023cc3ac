//! Webhooks: endpoints made, changed, tried out and removed, and what was delivered to them.

mod change;
mod create;
mod deliveries;
mod fields;
mod rotate;
mod test;

pub(crate) use change::{delete, update};
pub(crate) use create::create;
pub(crate) use deliveries::{list as deliveries, resend};
pub(crate) use rotate::rotate;
pub(crate) use test::test;

use byok_domain::{Timestamp, WebhookId};
use byok_store::Webhook;
use byok_vault::{DataKey, SealedSecret, WebhookBinding, random_bytes};
use byok_webhooks::Secret;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::answer::{self, Answer, shown, shown_if_any};
use crate::dispatch::{Ask, Scope};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a WebhookId,
    url: &'a str,
    events: &'a [String],
    description: &'a str,
    enabled: bool,
    disabled_reason: Option<&'a str>,
    #[serde(serialize_with = "shown_if_any")]
    disabled_at: Option<Timestamp>,
    #[serde(serialize_with = "shown_if_any")]
    failing_since: Option<Timestamp>,
    /// The secret itself, in the answer that makes it and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// Until when the secret before signs too, in the answer that replaces it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_if_any")]
    previous_secret_expires_at: Option<Timestamp>,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    #[serde(serialize_with = "shown")]
    updated_at: Timestamp,
}

impl<'a> From<&'a Webhook> for Shown<'a> {
    fn from(webhook: &'a Webhook) -> Self {
        Self {
            id: &webhook.id,
            url: &webhook.url,
            events: &webhook.events,
            description: &webhook.description,
            enabled: webhook.disabled_at.is_none(),
            disabled_reason: webhook.disabled_reason.as_deref(),
            disabled_at: webhook.disabled_at,
            failing_since: webhook.failing_since,
            secret: None,
            previous_secret_expires_at: None,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// `GET /webhooks`.
pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["limit", "offset"])?;
    let page = query.page()?;
    let rows = ask.state.store.webhooks(scope.id(), page).await?;
    let data = rows.data.iter().map(Shown::from).collect();
    answer::list(data, rows.total, page)
}

/// A new secret for an endpoint.
struct NewSecret(Zeroizing<[u8; 32]>);

impl NewSecret {
    fn random() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    fn seal(
        &self,
        data_key: &DataKey,
        scope: &Scope,
        id: &WebhookId,
        version: u32,
    ) -> SealedSecret {
        let binding = WebhookBinding { project: scope.id(), endpoint: id, version };
        data_key.seal_webhook_secret(&binding, &self.0)
    }

    /// As its receiver is shown it.
    fn text(self) -> Zeroizing<String> {
        Secret::new(self.0).text()
    }
}
