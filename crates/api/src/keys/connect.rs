//! `POST /keys/connect`: checks a customer's key, seals it and stores it.

pub(super) mod order;

use byok_domain::{KeyHint, KeyStatus, ProviderId, ProviderKeyId, RefId};
use byok_store::{ConnectKey, Replace};
use serde::Serialize;

use self::order::Order;
use super::vaulted::Place;
use super::verdict;
use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::state::AppState;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connected<'a> {
    id: &'a ProviderKeyId,
    provider: &'a ProviderId,
    ref_id: &'a RefId,
    label: Option<&'a str>,
    status: KeyStatus,
    message: &'a str,
    updated: bool,
    key_hint: &'a KeyHint,
}

pub(crate) async fn connect(scope: Scope, ask: Ask) -> Answer {
    let (state, at, fields) = ask.fields().await?;
    let order = Order::read(fields, &state.egress, scope.is_public())?;
    if scope.is_public() {
        // Before the provider is asked: whoever may not store a key learns nothing of it.
        refuse_a_working_key(&state, &scope, &order).await?;
    }
    let asked =
        verdict::ask(&state, scope.id(), &order.provider, &order.config, &order.secret).await?;
    let checked = asked.map_err(|_| {
        ApiError::blocked_at_save("providerConfig.baseUrl", byok_net::Blocked::Host)
    })?;
    if order.require_valid && checked.status != KeyStatus::Valid {
        return Err(ApiError::field("providerKey", checked.message));
    }

    let project = super::opened(&state, &scope).await?;
    let hint = order.secret.hint();
    let asked = checked.status != KeyStatus::Unverified;
    let key = ConnectKey {
        id: ProviderKeyId::from_random(u128::from_be_bytes(byok_vault::random_bytes())),
        provider: order.provider.clone(),
        ref_id: order.ref_id.clone(),
        label: order.label.clone(),
        priority: order.priority,
        hint: hint.clone(),
        config: order.config.clone(),
        status: checked.status,
        last_error: checked.error(),
        validated_at: asked.then(|| state.ambient.now()),
        replace: if scope.is_public() { Replace::OnlyInvalid } else { Replace::Any },
    };
    let place = Place {
        project: scope.id(),
        provider: &order.provider,
        ref_id: Some(&order.ref_id),
        origin: &order.origin,
    };
    let seal = |id: &ProviderKeyId, version: u32| {
        place.seal(&project.data_key, id, version, &order.secret)
    };
    let stored = state.store.connect_key(scope.id(), key, seal, &scope.by(at)).await?;
    state.gateway.forget_provider_keys(scope.id(), &order.provider, &order.ref_id);
    answer::json(&Connected {
        id: &stored.id,
        provider: &order.provider,
        ref_id: &order.ref_id,
        label: Some(order.label.as_str()).filter(|label| !label.is_empty()),
        status: checked.status,
        message: &checked.message,
        updated: stored.updated,
        key_hint: &hint,
    })
}

/// A public key may not put another key beside a working one either: calls might take that first.
async fn refuse_a_working_key(
    state: &AppState,
    scope: &Scope,
    order: &Order,
) -> Result<(), ApiError> {
    let keys = super::in_order(state, scope, &order.provider, &order.ref_id).await?;
    if keys.iter().any(|key| key.status != KeyStatus::Invalid) {
        return Err(ApiError::key_exists());
    }
    Ok(())
}
