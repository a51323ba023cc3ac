//! The hourly sums that the usage queries read, folded from call records.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use byok_domain::{
    CallRecord, Credits, ErrorClass, KeySource, PicoUsd, ProjectId, ProviderId, RefId, Timestamp,
};

/// Roll-ups by key, in an order that is the same for every writer.
pub type RollUps = BTreeMap<RollUpKey, RollUp>;

/// What the calls of one roll-up have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RollUpKey {
    /// Whose product made them.
    pub project: ProjectId,
    /// The UTC hour they came in, by its first millisecond.
    pub hour: Timestamp,
    /// For which customer.
    pub ref_id: RefId,
    /// At which provider.
    pub provider: ProviderId,
    /// The model; `None` for calls that name none (files, lists).
    pub model: Option<Arc<str>>,
    /// Who paid.
    pub source: KeySource,
}

/// Sums over the calls of one [`RollUpKey`].
///
/// Counts and tokens are held at `u64::MAX` rather than wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollUp {
    /// All calls.
    pub requests: u64,
    /// Those that got the answer they asked for.
    pub succeeded: u64,
    /// The others.
    pub failed: u64,
    /// Input tokens, those read from and written to caches included.
    pub input_tokens: u64,
    /// Output tokens, reasoning included.
    pub output_tokens: u64,
    /// Everything billed as tokens.
    pub total_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Reasoning tokens, inside the output.
    pub reasoning_tokens: u64,
    /// The cost of the priced calls, in picodollars.
    pub cost_pico: i128,
    /// What the calls were charged in credits.
    pub credits: u64,
    /// Calls with a cost.
    pub priced_requests: u64,
    /// Calls whose usage is known and whose model has no price.
    pub unpriced_requests: u64,
    /// The tokens of the calls without a price.
    pub unpriced_tokens: u64,
    /// Calls of a model that may have used something, nobody knows how much.
    pub unknown_usage_requests: u64,
}

impl RollUpKey {
    /// The key that `record` counts under.
    pub fn of(record: &CallRecord) -> Self {
        Self {
            project: record.project.clone(),
            hour: record.at.hour(),
            ref_id: record.ref_id.clone(),
            provider: record.provider.clone(),
            model: record.model.clone(),
            source: record.source,
        }
    }
}

impl Ord for RollUpKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.project
            .cmp(&other.project)
            .then_with(|| self.hour.cmp(&other.hour))
            .then_with(|| self.ref_id.cmp(&other.ref_id))
            .then_with(|| self.provider.cmp(&other.provider))
            .then_with(|| self.model.cmp(&other.model))
            .then_with(|| self.source.as_str().cmp(other.source.as_str()))
    }
}

impl PartialOrd for RollUpKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RollUp {
    /// Counts one call in.
    pub fn add(&mut self, record: &CallRecord) {
        let one = u64::from;
        let usage = record.usage.unwrap_or_default();
        let unpriced = record.usage.is_some() && record.cost.is_none();
        self.merge(&Self {
            requests: 1,
            succeeded: one(record.succeeded()),
            failed: one(!record.succeeded()),
            input_tokens: usage.input_total(),
            output_tokens: usage.output,
            total_tokens: usage.total(),
            cache_read_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write_total(),
            reasoning_tokens: usage.reasoning,
            cost_pico: i128::from(record.cost.map_or(0, PicoUsd::as_pico)),
            credits: record.aftermath.credits.map_or(0, Credits::get),
            priced_requests: one(record.cost.is_some()),
            unpriced_requests: one(unpriced),
            unpriced_tokens: if unpriced { usage.total() } else { 0 },
            unknown_usage_requests: one(usage_unknown(record)),
        });
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.succeeded, other.succeeded),
            (&mut self.failed, other.failed),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.total_tokens, other.total_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.credits, other.credits),
            (&mut self.priced_requests, other.priced_requests),
            (&mut self.unpriced_requests, other.unpriced_requests),
            (&mut self.unpriced_tokens, other.unpriced_tokens),
            (&mut self.unknown_usage_requests, other.unknown_usage_requests),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.cost_pico = self.cost_pico.saturating_add(other.cost_pico);
    }
}

/// Folds `records`, all of them new to the sums they will be added to, into roll-ups.
pub fn fold<'a>(records: impl IntoIterator<Item = &'a CallRecord>) -> RollUps {
    let mut sums = RollUps::new();
    for record in records {
        sums.entry(RollUpKey::of(record)).or_default().add(record);
    }
    sums
}

/// A call that failed before the provider worked used nothing; one that broke off may have.
fn usage_unknown(record: &CallRecord) -> bool {
    let may_have_used =
        matches!(record.error, None | Some(ErrorClass::Truncated | ErrorClass::ClientClosed));
    record.usage.is_none() && record.model.is_some() && may_have_used
}

#[cfg(test)]
mod tests {
    use byok_domain::{RequestId, Usage};

    use super::*;

    const HOUR: i64 = byok_domain::time::HOUR_MS;

    fn record(model: Option<&str>, usage: Option<Usage>, cost: Option<i64>) -> CallRecord {
        CallRecord {
            id: RequestId::from_bytes([7; 16]),
            project: ProjectId::new("proj_1"),
            ref_id: RefId::parse("customer").expect("a plain name"),
            provider: ProviderId::new("openai"),
            model: model.map(Into::into),
            operation: "chat/completions".into(),
            key: None,
            source: KeySource::Byok,
            status: 200,
            error: None,
            streamed: false,
            usage,
            usage_estimated: false,
            customer_reported: false,
            cost: cost.map(PicoUsd::from_pico),
            unit_prices: None,
            answered: None,
            latency_ms: 5,
            first_byte_ms: Some(1),
            at: Timestamp::from_millis(HOUR + 17),
            objects: Vec::new(),
            aftermath: byok_domain::Aftermath::default(),
        }
    }

    #[test]
    fn tokens_are_summed_with_caches_inside_the_input() {
        let usage = Usage {
            input: 10,
            cache_read: 20,
            cache_write: 3,
            cache_write_1h: 4,
            output: 50,
            reasoning: 30,
            ..Usage::default()
        };
        let sums = fold(&[record(Some("m"), Some(usage), Some(9)), record(Some("m"), None, None)]);
        assert_eq!(sums.len(), 1);
        let sum = sums.values().next().expect("one row");
        assert_eq!(
            *sum,
            RollUp {
                requests: 2,
                succeeded: 2,
                failed: 0,
                input_tokens: 37,
                output_tokens: 50,
                total_tokens: 87,
                cache_read_tokens: 20,
                cache_write_tokens: 7,
                reasoning_tokens: 30,
                cost_pico: 9,
                credits: 0,
                priced_requests: 1,
                unpriced_requests: 0,
                unpriced_tokens: 0,
                unknown_usage_requests: 1,
            }
        );
    }

    #[test]
    fn a_call_is_priced_or_unpriced_or_of_unknown_usage_or_free_of_usage() {
        let used = Some(Usage { input: 4, ..Usage::default() });
        let failed = |error| CallRecord { error: Some(error), ..record(Some("m"), None, None) };
        for (what, record, expected) in [
            ("priced", record(Some("m"), used, Some(0)), (1, 0, 0, 0)),
            ("no price", record(Some("m"), used, None), (0, 1, 4, 0)),
            ("no usage", record(Some("m"), None, None), (0, 0, 0, 1)),
            ("no model", record(None, None, None), (0, 0, 0, 0)),
            ("refused", failed(ErrorClass::KeyRejected), (0, 0, 0, 0)),
            ("client gone", failed(ErrorClass::ClientClosed), (0, 0, 0, 1)),
            ("cut off", failed(ErrorClass::Truncated), (0, 0, 0, 1)),
        ] {
            let mut sum = RollUp::default();
            sum.add(&record);
            let got = (
                sum.priced_requests,
                sum.unpriced_requests,
                sum.unpriced_tokens,
                sum.unknown_usage_requests,
            );
            assert_eq!(got, expected, "{what}");
            assert_eq!(sum.succeeded + sum.failed, 1, "{what}");
        }
    }

    #[test]
    fn every_part_of_the_key_makes_its_own_row() {
        let base = record(Some("m"), None, None);
        let all = [
            base.clone(),
            CallRecord { project: ProjectId::new("proj_2"), ..base.clone() },
            CallRecord { at: Timestamp::from_millis(2 * HOUR), ..base.clone() },
            CallRecord { ref_id: RefId::parse("other").expect("plain"), ..base.clone() },
            CallRecord { provider: ProviderId::new("groq"), ..base.clone() },
            CallRecord { model: None, ..base.clone() },
            CallRecord { source: KeySource::Credits, ..base.clone() },
        ];
        assert_eq!(fold(&all).len(), all.len());
        let last_of_the_hour = CallRecord { at: Timestamp::from_millis(2 * HOUR - 1), ..base };
        assert_eq!(fold(all.iter().chain([&last_of_the_hour])).len(), all.len());
    }

    #[test]
    fn folding_in_parts_and_merging_is_folding_at_once() {
        let used = |n| Some(Usage { input: n, output: n / 2, ..Usage::default() });
        let records: Vec<_> = (0..40)
            .map(|n| record(Some("m"), used(n), (n % 3 > 0).then_some(i64::MAX - 5)))
            .collect();
        let mut merged = RollUp::default();
        for part in records.chunks(7) {
            for sum in fold(part).values() {
                merged.merge(sum);
            }
        }
        assert_eq!(fold(&records).values().next(), Some(&merged));
        assert!(merged.cost_pico > i128::from(i64::MAX), "sums pass 64 bits");
    }
}
