//! `DELETE /keys/revoke`: one of a customer's keys, or all of them for a provider.

use byok_domain::ProviderKeyId;

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};

pub(crate) async fn revoke(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let provider = fields.provider();
    let only = fields.text("keyId").map(ProviderKeyId::new);
    let ref_id = fields.ref_id()?;
    let provider = fields.finish(provider)?;
    let removed = state
        .store
        .revoke_keys(scope.id(), &provider, &ref_id, only.as_ref(), &scope.by(at))
        .await?;
    state.gateway.forget_provider_keys(scope.id(), &provider, &ref_id);
    if removed.is_empty() {
        return Err(super::not_connected(&provider));
    }
    answer::json(&serde_json::json!({ "revoked": true }))
}
