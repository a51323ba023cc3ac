//! Asks the provider of a key that is connected, stored or validated.

use byok_domain::{ProjectId, ProviderConfig, ProviderId};
use byok_gateway::{CallError, Checked};
use byok_providers::Verdict;
use byok_vault::ProviderSecret;

use crate::error::ApiError;
use crate::state::AppState;

/// Asks the provider.
///
/// # Errors
/// [`CallError::Blocked`] alone: the key's address may not be called. Whatever else keeps the
/// provider from being asked leaves the key unverified.
pub(super) async fn ask(
    state: &AppState,
    project: &ProjectId,
    provider: &ProviderId,
    config: &ProviderConfig,
    secret: &ProviderSecret,
) -> Result<Result<Checked, CallError>, ApiError> {
    let provider = byok_providers::find(provider.as_str())
        .ok_or_else(|| ApiError::internal("a stored key names a provider that is gone"))?;
    let verdict = match state.gateway.validate_key(project, provider, config, secret).await {
        Ok(verdict) => verdict,
        Err(blocked @ CallError::Blocked) => return Ok(Err(blocked)),
        Err(error) => {
            tracing::warn!(%project, provider = provider.id(), %error, "a key was not validated");
            Verdict::Unreachable
        }
    };
    Ok(Ok(Checked::new(verdict, provider, secret)))
}
