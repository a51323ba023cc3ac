//! What came of one attempt to deliver.

use std::time::Duration;

use byok_domain::Timestamp;

/// What came of one attempt. Nothing that the endpoint said is in it but a status: otherwise a
/// webhook would be a way to read what stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx.
    Delivered(u16),
    /// Another status.
    Refused(u16),
    /// A 3xx, which is not followed.
    Redirected(u16),
    /// No whole answer in time.
    TimedOut,
    /// No connection, for whatever reason: policy forbids the address, nobody is there, or the
    /// certificate is wrong.
    Unreachable,
    /// What came is no HTTP, or broke off.
    Broken,
    /// The endpoint's secret does not open, so nothing was sent.
    Unsigned,
}

/// The status by which an endpoint says that it wants nothing any more.
const GONE: u16 = 410;

impl Outcome {
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered(status),
            300..=399 => Self::Redirected(status),
            _ => Self::Refused(status),
        }
    }

    /// Whether the event is delivered.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Delivered(_))
    }

    /// Whether the endpoint wants nothing any more.
    pub fn is_gone(self) -> bool {
        self == Self::Refused(GONE)
    }

    /// The status that the endpoint answered with.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Delivered(status) | Self::Refused(status) | Self::Redirected(status) => {
                Some(status)
            }
            Self::TimedOut | Self::Unreachable | Self::Broken | Self::Unsigned => None,
        }
    }

    /// What went wrong, in a sentence of ours.
    pub fn error(self) -> Option<&'static str> {
        Some(match self {
            Self::Delivered(_) => return None,
            Self::Refused(_) => "the endpoint answered with a status other than 2xx",
            Self::Redirected(_) => "the endpoint answered with a redirect, which is not followed",
            Self::TimedOut => "the endpoint did not finish its answer in time",
            Self::Unreachable => "the endpoint could not be reached",
            Self::Broken => "the endpoint's answer was not HTTP or broke off",
            Self::Unsigned => "the endpoint's secret does not open; rotate it",
        })
    }
}

/// One attempt that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the endpoint asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Attempt {
    /// How long it took, in milliseconds.
    pub fn duration_ms(&self) -> i64 {
        i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX)
    }

    /// When it ended.
    pub fn ended(&self) -> Timestamp {
        self.at.plus_millis(self.duration_ms())
    }
}
