//! The plans that a project sells: whether a customer's own keys may pay, and the limits of what
//! credits pay for.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// Tiers that a project may have.
const MOST_TIERS: usize = 50;
/// The most that a limit may be: what is above is no limit, and is written as `null`.
const MOST: u64 = 1_000_000_000_000;

/// One plan. In JSON an object; a limit that is missing or `null` is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// What customers are put on it by.
    pub name: String,
    /// Whether the customer's own keys may pay.
    pub byok_allowed: bool,
    /// Calls on credits in a minute.
    #[serde(default)]
    pub requests_per_minute: Option<u64>,
    /// Tokens on credits in a UTC day.
    #[serde(default)]
    pub tokens_per_day: Option<u64>,
    /// Calls on credits at the same time.
    #[serde(default)]
    pub concurrent_requests: Option<u64>,
    /// Whether customers who were put on no tier are on this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
}

/// All plans of a project: at least one, no two of a name, exactly one the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tiers(Vec<Tier>);

impl Tiers {
    /// The plans of a project that has set none.
    pub fn built_in() -> Self {
        let tier = |name: &str, byok_allowed, [minute, day, at_once]: [u64; 3]| Tier {
            name: name.to_owned(),
            byok_allowed,
            requests_per_minute: Some(minute),
            tokens_per_day: Some(day),
            concurrent_requests: Some(at_once),
            default: name == DEFAULT,
        };
        Self(vec![
            tier("free", false, [10, 100_000, 3]),
            tier(DEFAULT, true, [100, 2_000_000, 10]),
            tier("lifetime", true, [100, 2_000_000, 10]),
        ])
    }

    /// Checks what a project sets; of nothing are the built-in plans made. When no tier is marked
    /// as the default, `premium` is it, or else the first.
    ///
    /// # Errors
    /// What is wrong with which field, all of it.
    pub fn parse(mut tiers: Vec<Tier>) -> Result<Self, Vec<FieldError>> {
        if tiers.is_empty() {
            return Ok(Self::built_in());
        }
        let errors = faults(&tiers);
        if !errors.is_empty() {
            return Err(errors);
        }
        if !tiers.iter().any(|tier| tier.default) {
            let at = tiers.iter().position(|tier| tier.name == DEFAULT).unwrap_or(0);
            tiers[at].default = true;
        }
        Ok(Self(tiers))
    }

    /// The tier of that name.
    pub fn find(&self, name: &str) -> Option<&Tier> {
        self.0.iter().find(|tier| tier.name == name)
    }

    /// The tier of a customer who was put on `name`, or on none. One that there is no more leaves
    /// its customers on the default.
    pub fn of(&self, name: Option<&str>) -> &Tier {
        let default = || self.0.iter().find(|tier| tier.default).unwrap_or(&self.0[0]);
        name.and_then(|name| self.find(name)).unwrap_or_else(default)
    }

    /// The tiers, in the project's order.
    pub fn iter(&self) -> impl Iterator<Item = &Tier> {
        self.0.iter()
    }
}

const DEFAULT: &str = "premium";

impl Default for Tiers {
    fn default() -> Self {
        Self::built_in()
    }
}

fn faults(tiers: &[Tier]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if tiers.len() > MOST_TIERS {
        errors.push(FieldError::new("tiers", format!("may be at most {MOST_TIERS}")));
    }
    let mut names = HashSet::new();
    for (at, tier) in tiers.iter().enumerate() {
        let mut reject = |field: &str, message: &str| {
            errors.push(FieldError::new(format!("tiers[{at}].{field}"), message));
        };
        if !is_name(&tier.name) {
            reject("name", "must be 1 to 50 letters, digits, dots, dashes or underscores");
        } else if !names.insert(&tier.name) {
            reject("name", "is another tier's name too; use each name once");
        }
        for (field, limit) in [
            ("requestsPerMinute", tier.requests_per_minute),
            ("tokensPerDay", tier.tokens_per_day),
            ("concurrentRequests", tier.concurrent_requests),
        ] {
            if limit.is_some_and(|limit| limit == 0 || limit > MOST) {
                reject(
                    field,
                    "must be a whole number from 1 to 1000000000000, or null for no limit",
                );
            }
        }
    }
    if tiers.iter().filter(|tier| tier.default).count() > 1 {
        errors.push(FieldError::new("tiers", "may have one default; mark a single tier"));
    }
    errors
}

fn is_name(name: &str) -> bool {
    (1..=50).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests;
