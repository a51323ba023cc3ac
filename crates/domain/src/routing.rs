//! Which key a call is made with.

use crate::{KeyStatus, ProviderKeyId, Timestamp};

/// What routing needs to know of a stored key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The key.
    pub id: ProviderKeyId,
    /// Lower goes first.
    pub priority: i32,
    /// Older goes first among equals.
    pub created_at: Timestamp,
    /// What the provider last said of it.
    pub status: KeyStatus,
}

/// The order in which a customer's keys for one provider are tried: usable ones by priority, then
/// by age; keys marked invalid last, since with nothing better they are tried all the same.
pub fn order(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| {
        let rank = |c: &Candidate| (c.status == KeyStatus::Invalid, c.priority, c.created_at);
        rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_tried_by_priority_then_age_and_invalid_ones_last() {
        let key = |id: &str, priority, created, status| Candidate {
            id: ProviderKeyId::new(id),
            priority,
            created_at: Timestamp::from_millis(created),
            status,
        };
        use KeyStatus::{Invalid, Unverified, Valid};
        let mut keys = vec![
            key("late", 0, 9, Valid),
            key("bad", -5, 1, Invalid),
            key("second", 1, 1, Valid),
            key("early", 0, 2, Unverified),
        ];
        order(&mut keys);
        let ids: Vec<_> = keys.iter().map(|k| k.id.as_str()).collect();
        assert_eq!(ids, ["early", "late", "second", "bad"]);
    }
}
