//! When a provider is asked again whether it still accepts a stored key: within a day of when it last
//! told, each key at a time of its own, and not at all while calls tell.

#[cfg(test)]
mod tests;

use crate::Timestamp;
use crate::time::{DAY_MS, HOUR_MS};

/// A key that its provider told of less than this ago, whatever the occasion, is not asked about.
const FRESH_MS: i64 = 12 * HOUR_MS;
/// How much later at most it is asked about. Keys of one moment are so spread over half a day at
/// first, and over the whole day after a few rounds.
const SPREAD_MS: i64 = DAY_MS - FRESH_MS;
/// The first and the longest wait after the provider could not be asked.
const WAIT_MS: (i64, i64) = (HOUR_MS / 4, 4 * HOUR_MS);

/// Whether `now` is too soon to ask about a key that its provider told of at `told`.
///
/// What is told of the future, by a clock that has been put back since, counts for nothing.
pub fn is_fresh(told: Option<Timestamp>, now: Timestamp) -> bool {
    told.is_some_and(|told| (0..FRESH_MS).contains(&age_ms(told, now)))
}

/// When a key is asked about next that its provider told of at `told`: 12 to 24 hours later, where
/// `random`, any number, decides.
pub fn after_verdict(told: Timestamp, random: u32) -> Timestamp {
    told.plus_millis(FRESH_MS + part_of(SPREAD_MS, random))
}

/// When a key is asked about next whose provider could not be asked `now`, after `tries` that went
/// the same way: a quarter of an hour later, then twice as long each time up to four hours, and up
/// to half as long again where `random` decides.
pub fn after_silence(now: Timestamp, tries: u32, random: u32) -> Timestamp {
    let wait = 1_i64.checked_shl(tries.min(16)).unwrap_or(i64::MAX);
    let wait = WAIT_MS.0.saturating_mul(wait).min(WAIT_MS.1);
    now.plus_millis(wait + part_of(wait / 2, random))
}

fn age_ms(told: Timestamp, now: Timestamp) -> i64 {
    now.as_millis().saturating_sub(told.as_millis())
}

/// `whole` times `random` of all that it could be.
fn part_of(whole: i64, random: u32) -> i64 {
    let part = i128::from(whole) * i128::from(random) / (i128::from(u32::MAX) + 1);
    i64::try_from(part).unwrap_or(whole)
}
