//! What follows from an attempt: nothing, another one later, or none ever.

use std::time::{Duration, SystemTime};

use byok_domain::Timestamp;
use byok_domain::time::DAY_MS;

use crate::Attempt;

/// The waits between attempts. One jitters by up to a tenth of itself, later and never earlier.
pub const RETRIES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(10 * 3600),
];

/// An endpoint's own wish is heard up to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// An endpoint that fails for so long is disabled.
const PATIENCE_MS: i64 = 5 * DAY_MS;

/// How long attempts are kept.
pub const KEPT_MS: i64 = 30 * DAY_MS;

/// For how long a secret that was replaced signs beside the new one.
pub const ROTATION_MS: i64 = DAY_MS;

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The event is delivered.
    Delivered,
    /// It is tried again, not before this.
    Again(Timestamp),
    /// It was tried often enough.
    GiveUp,
    /// Nothing is sent to the endpoint any more.
    Disable(Reason),
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It answered 410.
    Gone,
    /// It failed for five days.
    Failing,
}

impl Reason {
    /// As written in the API, the audit log and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// Decides what follows from an attempt that had `tries` before it since the delivery was made or
/// sent again, at an endpoint where nothing has succeeded since `failing_since`. `random` is any
/// number, for the jitter.
pub fn next(attempt: &Attempt, tries: u32, failing_since: Option<Timestamp>, random: u32) -> Next {
    if attempt.outcome.is_success() {
        return Next::Delivered;
    }
    if attempt.outcome.is_gone() {
        return Next::Disable(Reason::Gone);
    }
    if failing_since.is_some_and(|since| attempt.at >= since.plus_millis(PATIENCE_MS)) {
        return Next::Disable(Reason::Failing);
    }
    let Some(wait) = wait(tries, random) else { return Next::GiveUp };
    let wait = wait.max(attempt.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
    let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Next::Again(attempt.ended().plus_millis(millis))
}

/// The wait after a failure that had `tries` before it; `None` after the last.
pub fn wait(tries: u32, random: u32) -> Option<Duration> {
    let wait = *RETRIES.get(usize::try_from(tries).ok()?)?;
    let jitter = wait.as_millis() / 10 * u128::from(random) / u128::from(u32::MAX);
    Some(wait + Duration::from_millis(u64::try_from(jitter).unwrap_or_default()))
}

/// Reads a `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).ok()?);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    const T0: i64 = 1_700_000_000_000;

    fn attempt(outcome: Outcome, retry_after: Option<u64>) -> Attempt {
        Attempt {
            at: Timestamp::from_millis(T0),
            duration: Duration::from_secs(1),
            outcome,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    /// Seconds from the attempt's end to the next one.
    fn again(next: Next) -> Option<i64> {
        match next {
            Next::Again(at) => Some((at.as_millis() - T0) / 1000 - 1),
            _ => None,
        }
    }

    #[test]
    fn waits_are_those_of_the_schedule_and_a_tenth_more_at_most() {
        let minutes = 60;
        let hours = 3600;
        for (tries, least, most) in [
            (0, 5, 5),
            (1, 5 * minutes, 5 * minutes + 30),
            (2, 30 * minutes, 33 * minutes),
            (3, 2 * hours, 2 * hours + 12 * minutes),
            (4, 5 * hours, 5 * hours + 30 * minutes),
            (5, 10 * hours, 11 * hours),
            (6, 10 * hours, 11 * hours),
        ] {
            let refused = attempt(Outcome::Refused(500), None);
            assert_eq!(again(next(&refused, tries, None, 0)), Some(least), "{tries}");
            assert_eq!(again(next(&refused, tries, None, u32::MAX)), Some(most), "{tries}");
        }
        for tries in [7, 8, u32::MAX] {
            assert_eq!(next(&attempt(Outcome::TimedOut, None), tries, None, 0), Next::GiveUp);
        }
        assert_eq!(wait(0, u32::MAX), Some(Duration::from_millis(5500)));
    }

    #[test]
    fn each_outcome_is_followed_by_what_the_contract_says() {
        for (outcome, expected) in [
            (Outcome::Delivered(200), Next::Delivered),
            (Outcome::Delivered(204), Next::Delivered),
            (Outcome::Refused(410), Next::Disable(Reason::Gone)),
        ] {
            assert_eq!(next(&attempt(outcome, None), 0, None, 0), expected, "{outcome:?}");
        }
        for outcome in [
            Outcome::Refused(400),
            Outcome::Refused(404),
            Outcome::Refused(429),
            Outcome::Refused(500),
            Outcome::Redirected(301),
            Outcome::Redirected(308),
            Outcome::TimedOut,
            Outcome::Unreachable,
            Outcome::Broken,
            Outcome::Unsigned,
        ] {
            assert_eq!(again(next(&attempt(outcome, None), 0, None, 0)), Some(5), "{outcome:?}");
        }
    }

    #[test]
    fn an_endpoints_wish_is_heard_up_to_a_day_and_never_hastens() {
        for (asked, tries, waited) in [
            (0, 0, 5),
            (3, 0, 5),
            (60, 0, 60),
            (60, 1, 300),
            (86_400, 0, 86_400),
            (86_401, 0, 86_400),
            (u64::MAX / 1000, 0, 86_400),
        ] {
            let refused = attempt(Outcome::Refused(429), Some(asked));
            assert_eq!(again(next(&refused, tries, None, 0)), Some(waited), "{asked} {tries}");
        }
        assert_eq!(next(&attempt(Outcome::Refused(429), Some(60)), 7, None, 0), Next::GiveUp);
    }

    #[test]
    fn five_days_of_failures_are_enough() {
        let since = |ago: i64| Some(Timestamp::from_millis(T0 - ago));
        let refused = attempt(Outcome::Refused(500), None);
        assert_eq!(again(next(&refused, 0, since(5 * DAY_MS - 1), 0)), Some(5));
        for ago in [5 * DAY_MS, 9 * DAY_MS] {
            assert_eq!(next(&refused, 0, since(ago), 0), Next::Disable(Reason::Failing));
        }
        let delivered = attempt(Outcome::Delivered(200), None);
        assert_eq!(next(&delivered, 0, since(9 * DAY_MS), 0), Next::Delivered);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2026-11-22T08:00:00Z").expect("a time");
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("Sun, 22 Nov 2026 08:02:00 GMT", Some(120)),
            ("Sun, 22 Nov 2026 07:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }
}
