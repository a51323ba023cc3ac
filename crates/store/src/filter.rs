//! Which calls a question is about.

use byok_domain::{KeySource, ProviderId, RefId, RequestId, Timestamp};

use crate::statement::Sql;

/// Which calls a question about usage is about; all parts have to fit.
///
/// A call's time is the one its id carries. Whole UTC hours are answered from the roll-ups; where
/// `since` or `until` cuts an hour, the calls of that hour are read one by one, so a bound that
/// lies on the hour is much cheaper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this customer.
    pub ref_id: Option<RefId>,
    /// At this provider.
    pub provider: Option<ProviderId>,
    /// Of this model.
    pub model: Option<String>,
    /// Paid by this side.
    pub source: Option<KeySource>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Which calls of the request log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// The calls that fit this.
    pub usage: UsageFilter,
    /// Only those that succeeded, or only those that did not.
    pub success: Option<bool>,
}

impl UsageFilter {
    /// Adds the conditions on columns that the log and the roll-ups both have.
    pub(crate) fn push_conditions(&self, sql: &mut Sql) {
        if let Some(ref_id) = &self.ref_id {
            sql.push(" AND ref_id = ").bind(ref_id.as_str());
        }
        if let Some(provider) = &self.provider {
            sql.push(" AND provider = ").bind(provider.as_str());
        }
        if let Some(model) = &self.model {
            sql.push(" AND model = ").bind(model.as_str());
        }
        if let Some(source) = self.source {
            sql.push(" AND source = ").bind(source.as_str());
        }
    }
}

/// The smallest id that a call of this millisecond can have.
pub(crate) fn first_id_at(millis: i64) -> Vec<u8> {
    let millis = u64::try_from(millis).unwrap_or(0).min((1 << 48) - 1);
    let mut id = vec![0; 16];
    id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    id
}

/// When the call of this id came in: the milliseconds that a version 7 UUID starts with.
pub(crate) fn time_of(id: &RequestId) -> Timestamp {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&id.as_bytes()[..6]);
    Timestamp::from_millis(i64::from_be_bytes(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_millisecond_is_below_all_others_of_it_and_above_those_before() {
        for millis in [0, 1, 1_700_000_000_000, (1 << 48) - 1] {
            let at = Timestamp::from_millis(millis);
            let first = first_id_at(millis);
            let smallest = RequestId::from_parts(at, [0; 10]);
            assert!(first.as_slice() <= smallest.as_bytes().as_slice());
            assert_eq!(time_of(&smallest), at);
            let before = RequestId::from_parts(at.plus_millis(-1), [255; 10]);
            assert!(millis == 0 || before.as_bytes().as_slice() < first.as_slice());
        }
        assert_eq!(first_id_at(-5), first_id_at(0));
        assert_eq!(first_id_at(i64::MAX), first_id_at((1 << 48) - 1));
    }
}
