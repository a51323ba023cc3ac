//! Moments, as the API writes them.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in RFC 3339, or a date where the API takes one: `2026-01-31T12:00:00.000Z`.
///
/// It is made from such a text or from a [`SystemTime`]. What a caller writes is sent as it is, and
/// the server says what it cannot read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The moment; `None` for a text that names none.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        OffsetDateTime::parse(&self.0, &Rfc3339).ok().map(SystemTime::from)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        // To the millisecond, as the API counts. A year that has more than four digits is no RFC
        // 3339; the server says so.
        let since = match at.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => time::Duration::try_from(after),
            Err(before) => time::Duration::try_from(before.duration()).map(|before| -before),
        };
        let at = since.ok().and_then(|since| OffsetDateTime::UNIX_EPOCH.checked_add(since));
        let Some(at) = at else { return Self(String::new()) };
        let at = at.replace_millisecond(at.millisecond()).unwrap_or(at);
        Self(at.format(&Rfc3339).unwrap_or_default())
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_system_time_is_written_in_utc_to_the_millisecond_and_read_back() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        let text = Timestamp::from(at);
        assert_eq!(text.as_str(), "2023-11-14T22:13:20.123Z");
        let back = text.to_system_time().expect("a moment");
        assert_eq!(at.duration_since(back).expect("not later"), Duration::from_nanos(456_789));
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(Timestamp::from(far).as_str(), "", "no year of four digits");
        assert_eq!(Timestamp::from("yesterday").to_system_time(), None);
    }
}
