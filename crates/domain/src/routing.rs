//! Which key a call is made with.

use std::cmp::Ordering;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_tried_by_priority_then_age_and_invalid_ones_last() {
        use KeyStatus::{Invalid, Unverified, Valid};
        let ids = ["late", "bad", "second", "early"].map(ProviderKeyId::new);
        let key = |at: usize, priority, created, status| Candidate {
            id: &ids[at],
            priority,
            created_at: Timestamp::from_millis(created),
            status,
        };
        let mut keys = [
            key(0, 0, 9, Valid),
            key(1, -5, 1, Invalid),
            key(2, 1, 1, Valid),
            key(3, 0, 2, Unverified),
        ];
        keys.sort_by(compare);
        assert_eq!(keys.map(|key| key.id.as_str()), ["early", "late", "second", "bad"]);
    }
}
