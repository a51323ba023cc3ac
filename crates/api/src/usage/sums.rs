//! Sums over calls, as they are shown.

use byok_domain::money::decimal_usd;
use byok_metering::RollUp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::exact;
use crate::error::ApiError;

/// Sums over calls.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sums {
    requests: u64,
    succeeded: u64,
    failed: u64,
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: Option<Box<RawValue>>,
    credits_charged: u64,
    /// Calls whose usage is known and whose model has no price: not in the cost.
    unpriced_requests: u64,
    /// Calls that may have used something, nobody knows how much: not in the tokens.
    unknown_usage_requests: u64,
}

impl Sums {
    pub(super) fn of(sums: &RollUp) -> Result<Self, ApiError> {
        Ok(Self {
            requests: sums.requests,
            succeeded: sums.succeeded,
            failed: sums.failed,
            input_tokens: sums.input_tokens,
            output_tokens: sums.output_tokens,
            total_tokens: sums.total_tokens,
            cache_read_tokens: sums.cache_read_tokens,
            cache_write_tokens: sums.cache_write_tokens,
            reasoning_tokens: sums.reasoning_tokens,
            cost_usd: cost(sums).map(|pico| exact(decimal_usd(pico))).transpose()?,
            credits_charged: sums.credits,
            unpriced_requests: sums.unpriced_requests,
            unknown_usage_requests: sums.unknown_usage_requests,
        })
    }
}

/// The cost in picodollars; `None` when there are calls that cost something and not one of them
/// has a price.
pub(super) fn cost(sums: &RollUp) -> Option<i128> {
    let unknown = sums.unpriced_requests + sums.unknown_usage_requests;
    (sums.priced_requests > 0 || unknown == 0).then_some(sums.cost_pico)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_cost_is_null_and_no_calls_cost_nothing() {
        let sums = |priced_requests, unpriced_requests, unknown_usage_requests, cost_pico| RollUp {
            requests: priced_requests + unpriced_requests + unknown_usage_requests,
            priced_requests,
            unpriced_requests,
            unknown_usage_requests,
            cost_pico,
            ..RollUp::default()
        };
        for (sums, json) in [
            (sums(0, 0, 0, 0), "0"),
            (sums(1, 0, 0, 0), "0"),
            (sums(2, 1, 1, 706_000_000), "0.000706"),
            (sums(1, 0, 0, i128::from(i64::MAX) * 10), "92233720.36854775807"),
            (sums(0, 1, 0, 0), "null"),
            (sums(0, 0, 1, 0), "null"),
        ] {
            let shown = serde_json::to_string(&Sums::of(&sums).expect("a number")).expect("JSON");
            assert!(shown.contains(&format!("\"costUsd\":{json},")), "{shown}");
        }
    }
}
