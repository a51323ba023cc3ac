//! What follows from a call beside its own row: what is charged, who was tried before, what became
//! known of keys.

use serde::{Deserialize, Serialize};

use super::{ErrorClass, KeySource};
use crate::circuit::Cause;
use crate::credits::Credits;
use crate::routing::FallbackReason;
use crate::{ProviderKeyId, Timestamp};

/// What follows from a call. Whoever applies the record applies all of it in the same transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Aftermath {
    /// Credits that were held before the call, under the call's id.
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    pub held: Option<Credits>,
    /// Credits to charge; `None` when the call did not pay with credits.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    /// Why credits paid, although the customer's own key goes first.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackReason>,
    /// The attempts that failed before the one that the record is of, in their order.
    #[serde(rename = "a", skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// Circuits that the call opened or closed.
    #[serde(rename = "o", skip_serializing_if = "Vec::is_empty")]
    pub circuits: Vec<CircuitChange>,
    /// How little is left of the key's quota, where the provider says that it is little.
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaWarning>,
}

impl Aftermath {
    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An attempt that failed, after which another was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The customer's key it was made with; `None` for the platform's.
    #[serde(rename = "k", skip_serializing_if = "Option::is_none", default)]
    pub key: Option<ProviderKeyId>,
    /// Who would have paid.
    #[serde(rename = "s")]
    pub source: KeySource,
    /// Why it failed.
    #[serde(rename = "e")]
    pub class: ErrorClass,
    /// The provider's status, or the one that its silence would have been told as.
    #[serde(rename = "st")]
    pub status: u16,
}

/// A customer's key whose circuit opened or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitChange {
    /// The key.
    #[serde(rename = "k")]
    pub key: ProviderKeyId,
    /// Until when it is passed over, and why; `None` when it closed.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none", default)]
    pub open: Option<OpenUntil>,
}

/// How long an open circuit keeps calls away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUntil {
    /// When a probe may go.
    #[serde(rename = "at")]
    pub until: Timestamp,
    /// What opened it.
    #[serde(rename = "w")]
    pub cause: Cause,
}

/// A key's quota of which at most a tenth is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaWarning {
    /// What is counted, in the provider's own words: `requests`, `tokens`, ….
    #[serde(rename = "k")]
    pub kind: Box<str>,
    /// How many there may be in the provider's window.
    #[serde(rename = "l")]
    pub limit: u64,
    /// How many of them are left.
    #[serde(rename = "r")]
    pub remaining: u64,
    /// When the window ends, where the provider says.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none", default)]
    pub resets_at: Option<Timestamp>,
}

impl QuotaWarning {
    /// A warning, if `remaining` of `limit` is little: a tenth or less.
    pub fn of(
        kind: &str,
        limit: u64,
        remaining: u64,
        resets_at: Option<Timestamp>,
    ) -> Option<Self> {
        let little = limit > 0 && u128::from(remaining) * 10 <= u128::from(limit);
        little.then(|| Self { kind: kind.into(), limit, remaining, resets_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_or_less_of_a_quota_is_little() {
        for (limit, remaining, little) in [
            (100, 11, false),
            (100, 10, true),
            (100, 0, true),
            (9, 1, false),
            (9, 0, true),
            (1, 1, false),
            (0, 0, false),
            (u64::MAX, u64::MAX, false),
            (u64::MAX, u64::MAX / 10, true),
        ] {
            let warning = QuotaWarning::of("requests", limit, remaining, None);
            assert_eq!(warning.is_some(), little, "{remaining} of {limit}");
        }
    }
}
