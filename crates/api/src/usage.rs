//! What a project's calls used and cost: summed, beside the day before, and row by row.

mod export;
mod report;
mod stats;
mod sums;

pub(crate) use export::export;
pub(crate) use report::report;
pub(crate) use stats::stats;

use byok_domain::time::{DAY_MS, HOUR_MS};
use byok_domain::{KeySource, Timestamp};
use byok_store::UsageFilter;

use crate::error::ApiError;
use crate::query::Query;

/// The parameters that say which calls a question is about.
const FILTERS: [&str; 6] = ["refId", "provider", "model", "source", "since", "until"];

/// The days before `until` that are looked at when nobody says since when.
const DEFAULT_DAYS: i64 = 30;

/// Reads the filters as they were sent.
pub(crate) fn filter(query: &Query) -> Result<UsageFilter, ApiError> {
    let (since, until) = query.span()?;
    let source = query.read("source", "byok or credits", |text| {
        [KeySource::Byok, KeySource::Credits].into_iter().find(|source| source.as_str() == text)
    })?;
    Ok(UsageFilter {
        ref_id: query.ref_id()?,
        provider: query.provider()?,
        model: query.model()?,
        source,
        since,
        until,
    })
}

/// As [`filter`], bounded: to the hour that is running, and to the 30 days before.
///
/// A bound that nobody gave lies on the hour, so that the answer comes from roll-ups alone.
fn bounded(query: &Query, now: Timestamp) -> Result<UsageFilter, ApiError> {
    let mut filter = filter(query)?;
    let until = filter.until.unwrap_or_else(|| now.hour().plus_millis(HOUR_MS));
    filter.until = Some(until);
    filter.since.get_or_insert(until.plus_millis(-DEFAULT_DAYS * DAY_MS).hour());
    Ok(filter)
}
