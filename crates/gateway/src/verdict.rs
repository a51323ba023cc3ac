//! What a provider says of a key when asked, in words of our own.

use std::borrow::Cow;

use byok_domain::KeyStatus;
use byok_providers::{Provider, Verdict};
use byok_vault::ProviderSecret;

/// The status a key has, and one sentence on it. Nothing of what the address answered is in it:
/// otherwise a key with a `baseUrl` would be a way to read what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The status.
    pub status: KeyStatus,
    /// The sentence.
    pub message: Cow<'static, str>,
}

impl Checked {
    /// What a verdict on `secret` comes to.
    pub fn new(verdict: Verdict, provider: &dyn Provider, secret: &ProviderSecret) -> Self {
        let mut checked = judged(verdict);
        if checked.status == KeyStatus::Invalid
            && let Some(hint) = byok_providers::misplaced(provider.id(), secret)
        {
            checked.message = format!("The provider rejects the key. {hint}").into();
        }
        checked
    }

    /// What is kept as the reason why a key is not valid.
    pub fn error(&self) -> Option<String> {
        (self.status != KeyStatus::Valid).then(|| self.message.to_string())
    }
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
