//! The platform's own key for a provider, which credits pay for: stored, shown without the key,
//! removed.

use byok_domain::{KeyHint, KeyStatus, ProviderConfig, ProviderId, ProviderKeyId, Timestamp};
use byok_store::{NewPlatformKey, PlatformKeyRow};
use serde::Serialize;

use super::connect::order::{Sent, config, secret, settle_address, with_session_token};
use super::vaulted::Place;
use super::verdict;
use crate::answer::{self, Answer, shown, shown_if_any};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: ProviderKeyId,
    provider: ProviderId,
    key_hint: KeyHint,
    status: KeyStatus,
    last_error: Option<String>,
    #[serde(serialize_with = "shown_if_any")]
    last_validated_at: Option<Timestamp>,
    provider_config: ProviderConfig,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    #[serde(serialize_with = "shown")]
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct Stored {
    #[serde(flatten)]
    key: Shown,
    updated: bool,
}

impl From<PlatformKeyRow> for Shown {
    fn from(row: PlatformKeyRow) -> Self {
        Self {
            id: row.id,
            provider: row.provider,
            key_hint: row.hint,
            status: row.status,
            last_error: row.last_error,
            last_validated_at: row.last_validated_at,
            provider_config: row.config.shown(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// `GET /platform-keys/{provider}`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let provider = named(&ask)?;
    let key = ask.state.store.platform_key(scope.id(), &provider).await?;
    answer::json(&Shown::from(key.ok_or_else(none)?))
}

/// `PUT /platform-keys/{provider}`.
pub(crate) async fn put(scope: Scope, ask: Ask) -> Answer {
    let id = named(&ask)?;
    let (state, at, mut fields) = ask.fields().await?;
    // First of all: from here on the key's text lies where it will be wiped.
    let sent = secret(&mut fields);
    let mut config = config(&mut fields);
    let secret = match sent {
        Sent::Key(secret) => Some(secret),
        Sent::Nothing | Sent::Nonsense => fields.required("providerKey", None),
    };
    let require_valid = fields.flag("requireValid").unwrap_or(false);
    if let Some(provider) = byok_providers::find(id.as_str()) {
        for error in provider.check_config(&config) {
            fields.reject(error.field, error.message);
        }
    }
    let secret = with_session_token(&id, &mut config, fields.finish(secret)?)?;
    let origin = settle_address(&mut config, &state.egress)?;
    let asked = verdict::ask(&state, scope.id(), &id, &config, &secret).await?;
    let checked = asked.map_err(|_| {
        ApiError::blocked_at_save("providerConfig.baseUrl", byok_net::Blocked::Host)
    })?;
    if require_valid && checked.status != KeyStatus::Valid {
        return Err(ApiError::field("providerKey", checked.message));
    }
    let project = super::opened(&state, &scope).await?;
    let was_asked = checked.status != KeyStatus::Unverified;
    let key = NewPlatformKey {
        id: ProviderKeyId::new(format!(
            "plk_{:032x}",
            u128::from_be_bytes(byok_vault::random_bytes())
        )),
        provider: id.clone(),
        hint: secret.hint(),
        config,
        status: checked.status,
        last_error: checked.error(),
        validated_at: was_asked.then(|| state.ambient.now()),
    };
    let place = Place { project: scope.id(), provider: &id, ref_id: None, origin: &origin };
    let seal =
        |row: &ProviderKeyId, version: u32| place.seal(&project.data_key, row, version, &secret);
    let (row, updated) = state.store.set_platform_key(scope.id(), key, seal, &scope.by(at)).await?;
    state.gateway.forget_platform_key(scope.id(), &id);
    answer::json(&Stored { key: row.into(), updated })
}

/// `DELETE /platform-keys/{provider}`.
pub(crate) async fn remove(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let provider = named(&ask)?;
    let by = scope.by(ask.at);
    let there = ask.state.store.remove_platform_key(scope.id(), &provider, &by).await?;
    ask.state.gateway.forget_platform_key(scope.id(), &provider);
    if !there {
        return Err(none());
    }
    answer::json(&serde_json::json!({ "deleted": true }))
}

/// The provider that the path names.
fn named(ask: &Ask) -> Result<ProviderId, ApiError> {
    let found = byok_providers::find(ask.param("provider"));
    found.map(|provider| ProviderId::new(provider.id())).ok_or_else(|| {
        ApiError::parameter(format!(
            "There is no such provider; name one of: {}.",
            crate::fields::providers()
        ))
    })
}

fn none() -> ApiError {
    ApiError::not_found("platform key")
}
