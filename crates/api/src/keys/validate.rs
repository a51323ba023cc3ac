//! `POST /keys/validate`: asks the provider whether it still accepts a stored key.

use byok_domain::{KeyStatus, ProviderKeyId, Timestamp};
use byok_store::Verdict;
use serde::Serialize;

use super::{vaulted, verdict};
use crate::answer::{self, Answer, shown};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use byok_gateway::Checked;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Validated<'a> {
    key_id: &'a ProviderKeyId,
    valid: bool,
    status: KeyStatus,
    message: &'a str,
    #[serde(serialize_with = "shown")]
    checked_at: Timestamp,
}

pub(crate) async fn validate(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let provider = fields.provider();
    let wanted = fields.text("keyId").map(ProviderKeyId::new);
    let ref_id = fields.ref_id()?;
    let provider = fields.finish(provider)?;

    let keys = super::in_order(&state, &scope, &provider, &ref_id).await?;
    if keys.is_empty() {
        return Err(super::not_connected(&provider));
    }
    let key = match &wanted {
        None => keys.first(),
        Some(id) => keys.iter().find(|key| key.id == *id),
    };
    let key = key.ok_or_else(|| ApiError::not_found("key"))?;

    let project = super::opened(&state, &scope).await?;
    let forbidden = Checked {
        status: KeyStatus::Unverified,
        message: "The key's baseUrl leads to an address that may not be called; connect the key \
                  with another one."
            .into(),
    };
    let allowed = key.config.base_url().is_none_or(|text| state.egress.parse(text).is_ok());
    let checked = if allowed {
        let secret = vaulted::open(&state.egress, &project.data_key, key)?;
        let asked = verdict::ask(&state, scope.id(), &provider, &key.config, &secret).await?;
        asked.unwrap_or(forbidden)
    } else {
        forbidden
    };
    let checked_at = state.ambient.now();
    // A provider that could not be asked has said nothing that would be worth more than what it
    // said before.
    if checked.status != KeyStatus::Unverified {
        let verdict = Verdict {
            version: key.version,
            status: checked.status,
            error: checked.error(),
            validated_at: Some(checked_at),
        };
        state.store.set_key_status(scope.id(), &key.id, verdict, &scope.by(at)).await?;
        state.gateway.forget_provider_keys(scope.id(), &provider, &ref_id);
    }
    answer::json(&Validated {
        key_id: &key.id,
        valid: checked.status == KeyStatus::Valid,
        status: checked.status,
        message: &checked.message,
        checked_at,
    })
}
