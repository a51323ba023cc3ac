//! The circuit of a provider key: a key that fails is left alone for a while, then probed.
//!
//! ```text
//!            5 × provider_down in 30 s, or quota_exhausted
//!   closed ───────────────────────────────────────────────▶ open ◀───────────┐
//!      ▲                                                     │ wait is over  │ the probe failed:
//!      │ an answer                                           ▼               │ twice the wait
//!      └───────────────────────────────────────────────── half-open ─────────┘
//! ```

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Failures that open a circuit, and the time they must fall in.
const FAILURES: usize = 5;
const WITHIN_MS: i64 = 30_000;
/// The first and the longest wait.
const WAIT_MS: (i64, i64) = (30_000, 600_000);
/// The longest wait that a provider's `retry-after` is believed in.
const MOST_RETRY_AFTER_MS: i64 = 24 * 3_600_000;
/// How long a probe may take before it counts as lost and another may go.
const PROBE_MS: i64 = 120_000;
/// What lies further in the future was noted by a clock that has been set back since. Less far lies
/// what other calls noted, since a call goes by the time at which it came in.
const AHEAD_MS: i64 = 120_000;

/// What opened a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The provider could not be reached, or failed.
    ProviderDown,
    /// The account behind the key has no money or quota left.
    QuotaExhausted,
}

impl Cause {
    /// As written in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderDown => "provider_down",
            Self::QuotaExhausted => "quota_exhausted",
        }
    }

    /// The cause that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ProviderDown, Self::QuotaExhausted].into_iter().find(|cause| cause.as_str() == text)
    }
}

/// How a call with the key went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider did as it was asked.
    Success,
    /// The provider answered, with a refusal that tells nothing of the account's quota.
    Refused,
    /// The provider could not be reached, or failed.
    Down {
        /// When it says that it may be asked again, in milliseconds from now.
        retry_after_ms: Option<i64>,
    },
    /// The account behind the key has no money or quota left.
    QuotaExhausted {
        /// When the provider says that it may be asked again, in milliseconds from now.
        retry_after_ms: Option<i64>,
    },
    /// Nothing is known: the caller left, or the call was never sent.
    Unknown,
}

/// Whether a call may be made with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Like any other.
    Closed,
    /// As the one that finds out.
    Probe,
    /// Better not, until then.
    Open {
        /// When a probe may go.
        until: Timestamp,
        /// What opened the circuit.
        cause: Cause,
    },
}

/// What an outcome did to a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is open from now on.
    Opened {
        /// When a probe may go.
        until: Timestamp,
        /// What opened it.
        cause: Cause,
    },
    /// It is closed again.
    Recovered,
}

/// The circuit of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit(State);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The last failures, oldest first.
    Closed([Option<Timestamp>; FAILURES]),
    /// A probe that is under way is told by when it began.
    Open {
        since: Timestamp,
        until: Timestamp,
        wait_ms: i64,
        cause: Cause,
        probe: Option<Timestamp>,
    },
}

impl Default for Circuit {
    fn default() -> Self {
        Self(State::Closed([None; FAILURES]))
    }
}

impl Circuit {
    /// A circuit that was open when it was last heard of, in this process or another.
    pub fn reopened(until: Timestamp, cause: Cause) -> Self {
        let since = Timestamp::default();
        Self(State::Open { since, until, wait_ms: WAIT_MS.0, cause, probe: None })
    }

    /// Whether a call that begins `now` may be made, without taking the probe's place.
    pub fn admits(&self, now: Timestamp) -> Admission {
        match &self.0 {
            State::Closed(_) => Admission::Closed,
            State::Open { since, .. } if is_ahead(*since, now) => Admission::Probe,
            State::Open { until, cause, probe, .. } => {
                let probing = probe.is_some_and(|began| {
                    now < began.plus_millis(PROBE_MS) && !is_ahead(began, now)
                });
                let until = match probe {
                    Some(began) if probing => began.plus_millis(PROBE_MS).max(*until),
                    _ => *until,
                };
                if now < until {
                    Admission::Open { until, cause: *cause }
                } else {
                    Admission::Probe
                }
            }
        }
    }

    /// As [`admits`](Self::admits); a [`Probe`](Admission::Probe) is under way from then on, until
    /// its outcome is [`noted`](Self::note).
    pub fn begin(&mut self, now: Timestamp) -> Admission {
        let admission = self.admits(now);
        if let (Admission::Probe, State::Open { since, until, probe, .. }) =
            (admission, &mut self.0)
        {
            // What a clock said that has been set back since is over.
            if is_ahead(*since, now) {
                (*since, *until) = (now, now);
            }
            *probe = Some(now);
        }
        admission
    }

    /// Until when it is open; `None` of a closed one.
    pub const fn open_until(&self) -> Option<Timestamp> {
        match self.0 {
            State::Closed(_) => None,
            State::Open { until, .. } => Some(until),
        }
    }

    /// Whether it is known only from where it was written down.
    pub fn is_hearsay(&self) -> bool {
        matches!(self.0, State::Open { since, .. } if since == Timestamp::default())
    }

    /// Notes `now` how a call went that `began` then.
    ///
    /// A call that began before the circuit opened tells nothing new of it.
    pub fn note(&mut self, outcome: Outcome, began: Timestamp, now: Timestamp) -> Option<Change> {
        match &mut self.0 {
            State::Closed(failures) => match outcome {
                Outcome::Success => {
                    *failures = [None; FAILURES];
                    None
                }
                Outcome::Refused | Outcome::Unknown => None,
                Outcome::Down { retry_after_ms } => {
                    failures.rotate_left(1);
                    failures[FAILURES - 1] = Some(now);
                    let first = failures[0]?;
                    // Calls note side by side, and a little out of order.
                    let apart = now.as_millis().abs_diff(first.as_millis());
                    (apart <= WITHIN_MS.unsigned_abs())
                        .then(|| self.open(Cause::ProviderDown, WAIT_MS.0, retry_after_ms, now))
                }
                Outcome::QuotaExhausted { retry_after_ms } => {
                    Some(self.open(Cause::QuotaExhausted, WAIT_MS.0, retry_after_ms, now))
                }
            },
            State::Open { since, until, wait_ms, cause, probe } => {
                if began < *since {
                    return None;
                }
                let was_probe = *probe == Some(began);
                let recovered = match outcome {
                    Outcome::Success => true,
                    // A provider that refuses is up; an account may still be empty.
                    Outcome::Refused => *cause == Cause::ProviderDown,
                    Outcome::Down { .. } | Outcome::QuotaExhausted { .. } | Outcome::Unknown => {
                        false
                    }
                };
                if recovered {
                    *self = Self::default();
                    return Some(Change::Recovered);
                }
                if was_probe {
                    *probe = None;
                }
                let (cause, retry_after_ms) = match outcome {
                    Outcome::Down { retry_after_ms } => (Cause::ProviderDown, retry_after_ms),
                    Outcome::QuotaExhausted { retry_after_ms } => {
                        (Cause::QuotaExhausted, retry_after_ms)
                    }
                    Outcome::Success | Outcome::Refused | Outcome::Unknown => return None,
                };
                // Calls that were made all the same, for want of anything better, while the wait
                // lasts do not lengthen it.
                if !was_probe && now < *until {
                    return None;
                }
                let wait_ms = wait_ms.saturating_mul(2).min(WAIT_MS.1);
                Some(self.open(cause, wait_ms, retry_after_ms, now))
            }
        }
    }

    fn open(
        &mut self,
        cause: Cause,
        wait_ms: i64,
        retry_after_ms: Option<i64>,
        now: Timestamp,
    ) -> Change {
        let told =
            retry_after_ms.filter(|told| *told > 0).map(|told| told.min(MOST_RETRY_AFTER_MS));
        let until = now.plus_millis(told.unwrap_or(wait_ms));
        self.0 = State::Open { since: now, until, wait_ms, cause, probe: None };
        Change::Opened { until, cause }
    }
}

fn is_ahead(noted: Timestamp, now: Timestamp) -> bool {
    noted > now.plus_millis(AHEAD_MS)
}
