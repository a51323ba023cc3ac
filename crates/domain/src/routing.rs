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
        let mut keys = [
            ("late", 0, 9, Valid),
            ("bad", -5, 1, Invalid),
            ("second", 1, 1, Valid),
            ("early", 0, 2, Unverified),
        ]
        .map(|(id, priority, at, status)| {
            (ProviderKeyId::new(id), priority, Timestamp::from_millis(at), status)
        });
        keys.sort_by(|a, b| {
            let candidate = |(id, priority, created_at, status): &'_ (_, _, _, _)| {
                (id, *priority, *created_at, *status)
            };
            let (a, b) = (candidate(a), candidate(b));
            let of =
                |(id, priority, created_at, status)| Candidate { id, priority, created_at, status };
            compare(&of(a), &of(b))
        });
        let ids: Vec<_> = keys.iter().map(|(id, ..)| id.as_str()).collect();
        assert_eq!(ids, ["early", "late", "second", "bad"]);
    }
}
