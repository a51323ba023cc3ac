//! When a request is sent again.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode};

use crate::error::Error;

/// The pause before the first repetition; it doubles with each.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause of our own choosing.
const LONGEST: Duration = Duration::from_secs(8);
/// Whoever asks for more patience is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before the next attempt, after `attempt` (from 0) has failed; `None` when there
/// is to be none. `repeatable`: sending it twice does what sending it once does.
pub(crate) fn pause(error: &Error, attempt: u32, most: u32, repeatable: bool) -> Option<Duration> {
    if attempt >= most || !(error.nothing_was_sent() || repeatable && is_passing(error)) {
        return None;
    }
    match error.retry_after() {
        Some(asked) => (asked <= PATIENCE).then_some(asked),
        None => Some(jittered(FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST))),
    }
}

fn is_passing(error: &Error) -> bool {
    match error {
        Error::RateLimited(_) | Error::Network(_) => true,
        Error::Server(refusal) => {
            let gateway = [
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            refusal.status.is_some_and(|status| gateway.contains(&status))
        }
        _ => false,
    }
}

/// Up to a quarter shorter or longer, so that those who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// What a `Retry-After` says: seconds, or a date. `None` for nonsense.
pub(crate) fn after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn refused(status: u16, retry_after: Option<&str>) -> Error {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert("retry-after", HeaderValue::from_str(text).expect("a header"));
        }
        Error::answered(StatusCode::from_u16(status).expect("a status"), &headers, b"")
    }

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_not() {
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let read = |text: &str| after(&HeaderValue::from_str(text).expect("a header"));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = read(&later).expect("a date");
        assert!(date > Duration::from_secs(85) && date <= Duration::from_secs(90), "{date:?}");
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999999", "NaN"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn only_what_passes_is_tried_again_and_only_what_may_be_sent_twice() {
        for (status, repeatable, again) in [
            (429, true, true),
            (502, true, true),
            (503, true, true),
            (504, true, true),
            (500, true, false),
            (400, true, false),
            (401, true, false),
            (404, true, false),
            (429, false, false),
            (503, false, false),
        ] {
            let paused = pause(&refused(status, None), 0, 2, repeatable);
            assert_eq!(paused.is_some(), again, "{status} {repeatable}");
        }
        assert_eq!(pause(&refused(503, None), 2, 2, true), None);
    }

    #[test]
    fn the_server_is_heard_unless_it_asks_for_too_much() {
        let asked = |text| pause(&refused(429, Some(text)), 0, 2, true);
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        assert_eq!(asked("3600"), None);
        let own = asked("soon").expect("a pause of our own");
        assert!(own >= FIRST.mul_f64(0.75) && own <= FIRST.mul_f64(1.25), "{own:?}");
        let late = pause(&refused(503, None), 30, 40, true).expect("a pause");
        assert!(late <= LONGEST.mul_f64(1.25), "{late:?}");
    }
}
