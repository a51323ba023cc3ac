//! Credits: what a customer pays the platform with, in whole numbers.

mod estimate;
mod rate;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use estimate::{Asked, estimate};
pub use rate::{BadRate, CreditRate, CreditRateChange};

/// A number of credits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Credits(u64);

impl Credits {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The most that one grant, hold or charge may be of: no sum of a million of them passes what
    /// a database keeps in an integer.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// So many.
    pub const fn new(credits: u64) -> Self {
        Self(credits)
    }

    /// How many.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What is left after `other` is taken; none when that is more.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a customer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The sum of all that was granted and charged.
    pub balance: Credits,
    /// Set aside for calls under way.
    pub held: Credits,
}

impl Balance {
    /// What a new call can count on.
    pub fn available(self) -> Credits {
        self.balance.less(self.held)
    }
}

/// A kind of entry in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Given to the customer.
    Grant,
    /// Set aside for a call.
    Hold,
    /// Charged for a call.
    Settle,
    /// No longer set aside.
    Release,
    /// Given back.
    Refund,
}

impl EntryKind {
    /// Every kind there is.
    pub const ALL: [Self; 5] = [Self::Grant, Self::Hold, Self::Settle, Self::Release, Self::Refund];

    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Refund => "refund",
        }
    }

    /// The kind that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A charge, as far as the balance goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What is taken from the balance.
    pub charged: Credits,
    /// What the call cost beyond the balance, which nobody pays.
    pub shortfall: Credits,
}

/// Charges `cost` against `balance`, which never falls below nothing.
pub fn settle(cost: Credits, balance: Credits) -> Settlement {
    Settlement { charged: cost.min(balance), shortfall: cost.less(balance) }
}

/// What is set aside for a call that may cost `estimate`: that, or all there is; `None` when there
/// is nothing. A call that is estimated to cost nothing sets one credit aside, so that a customer
/// without credits does not make it.
pub fn hold(estimate: Credits, available: Credits) -> Option<Credits> {
    let held = estimate.max(Credits(1)).min(available);
    (held > Credits::ZERO).then_some(held)
}

/// How the customer's credits passed a line that they are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossed {
    /// They fell below what the project calls low.
    Low,
    /// They ran out.
    Exhausted,
}

/// The line that credits fell past from `before` to `after`, if they did; the lower one of two.
pub fn crossed(before: Credits, after: Credits, low: Credits) -> Option<Crossed> {
    if before > Credits::ZERO && after == Credits::ZERO {
        Some(Crossed::Exhausted)
    } else if before >= low && after < low {
        Some(Crossed::Low)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
