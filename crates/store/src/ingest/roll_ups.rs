//! Adding calls to the hourly roll-ups.

use byok_metering::roll_up::fold;
use byok_metering::{RollUp, RollUpKey};
use sea_orm::{ConnectionTrait, Value};

use super::batch::{Batch, millis};
use super::call_rows::integer;
use crate::StoreError;
use crate::rows::execute_rows;
use crate::usage::PICO_PER_USD;

const HEAD: &str = "INSERT INTO usage_hourly (project_id, hour, provider, model, ref_id, source, \
    requests, succeeded, input_tokens, output_tokens, total_tokens, cache_read_tokens, \
    cache_write_tokens, reasoning_tokens, cost_usd, cost_pico, priced_requests, \
    unpriced_requests, unpriced_tokens, unknown_usage_requests, credits) VALUES";
const COLUMNS: usize = 21;
/// Picodollars carry into dollars, so that neither column grows past its range.
const TAIL: &str = " ON CONFLICT (project_id, hour, provider, model, ref_id, source) DO UPDATE SET \
    requests = usage_hourly.requests + excluded.requests, \
    succeeded = usage_hourly.succeeded + excluded.succeeded, \
    input_tokens = usage_hourly.input_tokens + excluded.input_tokens, \
    output_tokens = usage_hourly.output_tokens + excluded.output_tokens, \
    total_tokens = usage_hourly.total_tokens + excluded.total_tokens, \
    cache_read_tokens = usage_hourly.cache_read_tokens + excluded.cache_read_tokens, \
    cache_write_tokens = usage_hourly.cache_write_tokens + excluded.cache_write_tokens, \
    reasoning_tokens = usage_hourly.reasoning_tokens + excluded.reasoning_tokens, \
    cost_usd = usage_hourly.cost_usd + excluded.cost_usd \
        + (usage_hourly.cost_pico + excluded.cost_pico) / 1000000000000, \
    cost_pico = (usage_hourly.cost_pico + excluded.cost_pico) % 1000000000000, \
    priced_requests = usage_hourly.priced_requests + excluded.priced_requests, \
    unpriced_requests = usage_hourly.unpriced_requests + excluded.unpriced_requests, \
    unpriced_tokens = usage_hourly.unpriced_tokens + excluded.unpriced_tokens, \
    unknown_usage_requests = \
        usage_hourly.unknown_usage_requests + excluded.unknown_usage_requests, \
    credits = usage_hourly.credits + excluded.credits";

/// Adds calls that are new to the log to the roll-ups of their hours.
pub(super) async fn add(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let sums: Vec<_> = fold(batch.iter()).into_iter().collect();
    execute_rows(connection, HEAD, COLUMNS, TAIL, &sums, fill).await?;
    Ok(())
}

fn fill((key, sum): &(RollUpKey, RollUp), values: &mut Vec<Value>) {
    let (usd, pico) = dollars(sum.cost_pico);
    values.extend([
        key.project.as_str().into(),
        millis(key.hour).into(),
        key.provider.as_str().into(),
        key.model.as_deref().unwrap_or_default().into(),
        key.ref_id.as_str().into(),
        key.source.as_str().into(),
        integer(sum.requests).into(),
        integer(sum.succeeded).into(),
        integer(sum.input_tokens).into(),
        integer(sum.output_tokens).into(),
        integer(sum.total_tokens).into(),
        integer(sum.cache_read_tokens).into(),
        integer(sum.cache_write_tokens).into(),
        integer(sum.reasoning_tokens).into(),
        usd.into(),
        pico.into(),
        integer(sum.priced_requests).into(),
        integer(sum.unpriced_requests).into(),
        integer(sum.unpriced_tokens).into(),
        integer(sum.unknown_usage_requests).into(),
        integer(sum.credits).into(),
    ]);
}

/// Whole dollars, and the picodollars below one.
fn dollars(pico: i128) -> (i64, i64) {
    let whole = i64::try_from(pico.div_euclid(PICO_PER_USD)).unwrap_or(i64::MAX);
    let rest = i64::try_from(pico.rem_euclid(PICO_PER_USD)).unwrap_or(0);
    (whole, rest)
}
