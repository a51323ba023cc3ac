//! What a provider says of a key when asked, in words of our own.

use std::borrow::Cow;

use byok_domain::{KeyStatus, ProjectId, ProviderConfig, ProviderId};
use byok_gateway::CallError;
use byok_providers::Verdict;
use byok_vault::ProviderSecret;

use crate::error::ApiError;
use crate::state::AppState;

/// The status a key has, and one sentence on it. Nothing of what the address answered is in it:
/// otherwise a key with a `baseUrl` would be a way to read what stands there.
pub(super) struct Checked {
    pub(super) status: KeyStatus,
    pub(super) message: Cow<'static, str>,
}

impl Checked {
    /// What is kept as the reason why a key is not valid.
    pub(super) fn error(&self) -> Option<String> {
        (self.status != KeyStatus::Valid).then(|| self.message.to_string())
    }
}

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
    let mut checked = judged(verdict);
    if checked.status == KeyStatus::Invalid
        && let Some(hint) = byok_providers::misplaced(provider.id(), secret)
    {
        checked.message = format!("The provider rejects the key. {hint}").into();
    }
    Ok(Ok(checked))
}

fn judged(verdict: Verdict) -> Checked {
    let (status, message) = match verdict {
        Verdict::Valid => (KeyStatus::Valid, "The provider accepts the key."),
        Verdict::NoPermission => (
            KeyStatus::Valid,
            "The provider knows the key, but it is restricted; calls beyond its permissions fail.",
        ),
        Verdict::NoQuota => (
            KeyStatus::Valid,
            "The provider knows the key, but its account has no quota or credit left.",
        ),
        Verdict::Invalid => {
            (KeyStatus::Invalid, "The provider rejects the key; check it and connect it again.")
        }
        Verdict::Unreachable | Verdict::Inconclusive(_) => (
            KeyStatus::Unverified,
            "The provider could not be asked about the key; it counts as usable meanwhile.",
        ),
    };
    Checked { status, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rejected_key_is_invalid_and_what_an_address_answers_stays_untold() {
        use KeyStatus::{Invalid, Unverified, Valid};
        for (verdict, status) in [
            (Verdict::Valid, Valid),
            (Verdict::NoPermission, Valid),
            (Verdict::NoQuota, Valid),
            (Verdict::Invalid, Invalid),
            (Verdict::Unreachable, Unverified),
            (Verdict::Inconclusive(200), Unverified),
        ] {
            assert_eq!(judged(verdict).status, status, "{verdict:?}");
            assert_eq!(judged(verdict).error().is_none(), status == Valid, "{verdict:?}");
        }
        let untold = [200, 404, 500].map(|status| judged(Verdict::Inconclusive(status)).message);
        assert!(untold.iter().all(|message| *message == judged(Verdict::Unreachable).message));
    }
}
