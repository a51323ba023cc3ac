//! Who pays for a call, with which key, and what a failed attempt leads to.

mod decide;
mod fallback;
mod settings;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use decide::{CreditsSide, Inputs, KeysState, Plan, Refusal, decide};
pub use fallback::{Failed, FallbackReason, NextKey, Step, after_failure};
pub use settings::{FallbackOn, Mode, RoutingChange, RoutingSettings};

use crate::{KeyStatus, ProviderKeyId, Timestamp};

/// What routing needs to know of a stored key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The key.
    pub id: &'a ProviderKeyId,
    /// Lower goes first.
    pub priority: i32,
    /// Older goes first among equals.
    pub created_at: Timestamp,
    /// What the provider last said of it.
    pub status: KeyStatus,
}

/// The order in which a customer's keys for one provider are tried: usable ones by priority, then
/// by age; keys marked invalid last, since with nothing better they are tried all the same.
pub fn compare(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let rank = |c: &Candidate<'_>| (c.status == KeyStatus::Invalid, c.priority, c.created_at);
    rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(b.id))
}
