//! Why credits pay although the customer's own key goes first, and what a failure allows.

use serde::{Deserialize, Serialize};

use super::{CreditsSide, FallbackOn, Mode, Plan, Refusal};
use crate::circuit::Cause;
use crate::{ErrorClass, KeySource};

/// Why credits pay although the customer's own key goes first: `x-byo-fallback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackReason {
    /// The provider does not accept the customer's key.
    KeyRejected,
    /// The customer's account has no money or quota left.
    QuotaExhausted,
    /// The provider failed.
    ProviderDown,
    /// It failed before, and the key's circuit is still open.
    CircuitOpen,
    /// The customer has no key for the provider.
    NoKey,
}

impl FallbackReason {
    /// Every reason there is.
    pub const ALL: [Self; 5] = [
        Self::KeyRejected,
        Self::QuotaExhausted,
        Self::ProviderDown,
        Self::CircuitOpen,
        Self::NoKey,
    ];

    /// As written in the API, headers and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyRejected => "key_rejected",
            Self::QuotaExhausted => "quota_exhausted",
            Self::ProviderDown => "provider_down",
            Self::CircuitOpen => "circuit_open",
            Self::NoKey => "no_key",
        }
    }

    /// The reason that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl From<Cause> for FallbackReason {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::ProviderDown => Self::ProviderDown,
            Cause::QuotaExhausted => Self::QuotaExhausted,
        }
    }
}

/// The customer's key that would be tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextKey {
    /// There is none.
    None,
    /// One that goes to the same address as the one that failed.
    SameBase,
    /// One that goes to another address.
    OtherBase,
}

/// A failed attempt, nothing of whose answer has been passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Why it failed.
    pub class: ErrorClass,
    /// Who would have paid for it.
    pub source: KeySource,
    /// The customer's key that would be tried next.
    pub next_key: NextKey,
    /// The plan of the call. Once a hold was refused, go on with [`Plan::Byok`].
    pub plan: Plan,
    /// The project's mode.
    pub mode: Mode,
    /// What the project falls back to credits on.
    pub fallback_on: FallbackOn,
    /// What there is of credits.
    pub credits: CreditsSide,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try the customer's next key.
    NextKey,
    /// Try the platform's key, paid in credits.
    Credits(FallbackReason),
    /// Pass on what the provider said, or tell that it said nothing.
    Answer,
    /// Refuse the call in our own name.
    Refuse(Refusal),
}

/// What to do after a failed attempt: the customer's next key, then credits, then the refusal that
/// says what is missing. Only failures of the key or of the provider lead on; those of the request
/// and of the pace are the caller's to know, and so is what credits were to pay for.
pub fn after_failure(failed: Failed) -> Step {
    let (reason, mends) = match failed.class {
        ErrorClass::KeyRejected => (FallbackReason::KeyRejected, true),
        ErrorClass::QuotaExhausted => (FallbackReason::QuotaExhausted, true),
        ErrorClass::ProviderDown => (FallbackReason::ProviderDown, false),
        ErrorClass::RateLimited
        | ErrorClass::RequestRejected
        | ErrorClass::Truncated
        | ErrorClass::ClientClosed => return Step::Answer,
    };
    if failed.source == KeySource::Credits {
        return Step::Answer;
    }
    // What is down for one key is down for the other, unless that goes elsewhere.
    if failed.next_key == NextKey::OtherBase || (mends && failed.next_key == NextKey::SameBase) {
        return Step::NextKey;
    }
    let falls_back = failed.mode == Mode::ByokFirst && failed.fallback_on.contains(reason);
    if falls_back && failed.plan == Plan::ByokThenCredits {
        return Step::Credits(reason);
    }
    // The customer can do something about a key: mend it, or buy credits where they may take over.
    match failed.mode {
        _ if !mends || failed.credits == CreditsSide::NoPlatformKeys => Step::Answer,
        Mode::ByokOnly => Step::Refuse(Refusal::ByokRequired),
        Mode::ByokFirst if !falls_back => Step::Answer,
        Mode::ByokFirst | Mode::CreditFirst => Step::Refuse(Refusal::InsufficientCredits),
    }
}
