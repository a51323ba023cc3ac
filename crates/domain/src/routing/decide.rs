//! Who pays for a call.

use super::{FallbackReason, Mode};
use crate::KeyStatus;

/// What a customer's keys for a provider are good for: the state of the best of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeysState {
    /// There is none.
    None,
    /// The provider rejected each of them.
    Invalid,
    /// None is usable, but one waits only for its circuit to close.
    CircuitOpen,
    /// One can be used.
    Usable,
}

impl KeysState {
    /// The state of the best of `keys`, each told by its status and whether its circuit is open.
    pub fn of(keys: impl IntoIterator<Item = (KeyStatus, bool)>) -> Self {
        let state = |(status, open)| match (status, open) {
            (KeyStatus::Invalid, _) => Self::Invalid,
            (KeyStatus::Valid | KeyStatus::Unverified, true) => Self::CircuitOpen,
            (KeyStatus::Valid | KeyStatus::Unverified, false) => Self::Usable,
        };
        keys.into_iter().map(state).max().unwrap_or(Self::None)
    }
}

/// What there is to pay with credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditsSide {
    /// The project has no platform key at all: it does not sell credits.
    NoPlatformKeys,
    /// It has platform keys, but none for this provider.
    OtherProviders,
    /// It has one for this provider, and the customer has no credits left.
    Empty,
    /// It has one for this provider, and the customer has credits.
    Available,
}

impl CreditsSide {
    /// From what is known of the project and of the customer.
    pub fn of(project_has_platform_keys: bool, platform_key: bool, has_credits: bool) -> Self {
        match (project_has_platform_keys || platform_key, platform_key, has_credits) {
            (false, ..) => Self::NoPlatformKeys,
            (true, false, _) => Self::OtherProviders,
            (true, true, false) => Self::Empty,
            (true, true, true) => Self::Available,
        }
    }
}

/// What decides who pays for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Whether the project lets customers' own keys pay.
    pub byok_enabled: bool,
    /// Whether the customer's plan does.
    pub byok_allowed: bool,
    /// Which of the two goes first.
    pub mode: Mode,
    /// What the customer's keys for the provider are good for.
    pub keys: KeysState,
    /// Whether the project falls back to credits on what is wrong with them; of no matter while a
    /// key is usable or there is none.
    pub falls_back: bool,
    /// What there is to pay with credits.
    pub credits: CreditsSide,
}

/// Who pays, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The customer's own keys, and nobody else.
    Byok,
    /// The customer's own keys; if they fail, credits, where the failure allows it
    /// ([`after_failure`](super::after_failure)) and a hold succeeds.
    ByokThenCredits,
    /// Credits; because of this, where the customer's own key goes first.
    Credits {
        /// Why not the customer's own key.
        because: Option<FallbackReason>,
    },
    /// Credits; the customer's own keys if the hold finds nothing left.
    CreditsThenByok,
}

/// Nobody pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Credits would pay, and there are none.
    InsufficientCredits,
    /// Only the customer's own key may pay, and there is none that works.
    ByokRequired,
    /// The customer has no key, and nothing else can pay.
    KeyNotConnected,
    /// The customer has a plan without own keys, and nothing else can pay.
    ByokNotInPlan,
}

/// Who pays for a call.
///
/// # Errors
/// [`Refusal`] when nobody does.
pub fn decide(inputs: Inputs) -> Result<Plan, Refusal> {
    let Inputs { byok_enabled, byok_allowed, mode, keys, falls_back, credits } = inputs;
    let has_credits = credits == CreditsSide::Available;
    if !(byok_enabled && byok_allowed) {
        return match credits {
            CreditsSide::Available => Ok(Plan::Credits { because: None }),
            CreditsSide::NoPlatformKeys if byok_enabled => Err(Refusal::ByokNotInPlan),
            _ => Err(Refusal::InsufficientCredits),
        };
    }
    match mode {
        Mode::ByokOnly if keys == KeysState::None => Err(Refusal::ByokRequired),
        Mode::ByokOnly => Ok(Plan::Byok),
        Mode::CreditFirst if has_credits && keys == KeysState::None => {
            Ok(Plan::Credits { because: None })
        }
        Mode::CreditFirst if has_credits => Ok(Plan::CreditsThenByok),
        Mode::ByokFirst if has_credits => Ok(match keys {
            KeysState::Usable => Plan::ByokThenCredits,
            KeysState::None => Plan::Credits { because: Some(FallbackReason::NoKey) },
            KeysState::Invalid if falls_back => {
                Plan::Credits { because: Some(FallbackReason::KeyRejected) }
            }
            KeysState::CircuitOpen if falls_back => {
                Plan::Credits { because: Some(FallbackReason::CircuitOpen) }
            }
            KeysState::Invalid | KeysState::CircuitOpen => Plan::Byok,
        }),
        Mode::CreditFirst | Mode::ByokFirst => match (keys, credits) {
            (KeysState::None, CreditsSide::NoPlatformKeys) => Err(Refusal::KeyNotConnected),
            (KeysState::None, _) => Err(Refusal::InsufficientCredits),
            // Credits may have come since the balance was looked at: the hold will tell.
            (KeysState::Usable, CreditsSide::Empty) if mode == Mode::ByokFirst => {
                Ok(Plan::ByokThenCredits)
            }
            // With nowhere else to go, a key that failed is tried all the same.
            _ => Ok(Plan::Byok),
        },
    }
}
