//! A span of time as whole hours and the pieces of hours at its ends.

use byok_domain::Timestamp;
use byok_domain::time::HOUR_MS;

/// A span of time as whole hours and the pieces of hours at its ends. Milliseconds; the upper
/// bound of a pair is outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hours {
    /// Whole hours; an open end has no bound.
    pub(super) whole: Option<(Option<i64>, Option<i64>)>,
    /// Pieces, each inside one hour.
    pub(super) edges: Vec<(i64, i64)>,
}

impl Hours {
    pub(super) fn between(since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        let (since, until) = (since.map(Timestamp::as_millis), until.map(Timestamp::as_millis));
        let mut hours = Self::default();
        // The first hour that begins inside, the last that ends inside.
        let first = since.map(|at| at.saturating_add(HOUR_MS - 1)).map(floor);
        let end = until.map(floor);
        if let (Some(since), Some(until)) = (since, until) {
            if since >= until {
                return hours;
            }
            if first > end {
                hours.edges.push((since, until));
                return hours;
            }
        }
        if let (Some(since), Some(first)) = (since, first)
            && since < first
        {
            hours.edges.push((since, first));
        }
        if first.is_none() || end.is_none() || first < end {
            hours.whole = Some((first, end));
        }
        if let (Some(end), Some(until)) = (end, until)
            && end < until
        {
            hours.edges.push((end, until));
        }
        hours
    }
}

fn floor(millis: i64) -> i64 {
    Timestamp::from_millis(millis).hour().as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = HOUR_MS;

    #[test]
    fn spans_fall_into_whole_hours_and_pieces() {
        let whole = |from, to| Some((from, to));
        for (since, until, expected_whole, edges) in [
            (None, None, whole(None, None), vec![]),
            (Some(H), Some(3 * H), whole(Some(H), Some(3 * H)), vec![]),
            (Some(H + 1), None, whole(Some(2 * H), None), vec![(H + 1, 2 * H)]),
            (None, Some(3 * H + 7), whole(None, Some(3 * H)), vec![(3 * H, 3 * H + 7)]),
            (
                Some(H + 1),
                Some(3 * H + 7),
                whole(Some(2 * H), Some(3 * H)),
                vec![(H + 1, 2 * H), (3 * H, 3 * H + 7)],
            ),
            (Some(H + 1), Some(2 * H + 7), None, vec![(H + 1, 2 * H), (2 * H, 2 * H + 7)]),
            (Some(H + 1), Some(2 * H), None, vec![(H + 1, 2 * H)]),
            (Some(H), Some(H + 7), None, vec![(H, H + 7)]),
            (Some(H + 1), Some(H + 7), None, vec![(H + 1, H + 7)]),
            (Some(5), Some(5), None, vec![]),
            (Some(9), Some(5), None, vec![]),
        ] {
            let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
            let hours = Hours::between(time(since), time(until));
            assert_eq!(hours, Hours { whole: expected_whole, edges }, "{since:?}..{until:?}");
        }
    }
}
