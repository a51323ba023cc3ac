//! Sums as the database gives them.

use byok_metering::RollUp;
use sea_orm::QueryResult;

use crate::StoreError;
use crate::column::count;

/// The sums of everything that is counted. A cost is summed in three pieces, none of which can
/// pass 64 bits; a plain sum of picodollars does at 9.2 million dollars, and SQLite then fails.
pub(crate) const SUMS: &str = "CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests, \
    CAST(COALESCE(SUM(succeeded), 0) AS BIGINT), \
    CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(total_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(cache_read_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(cache_write_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(reasoning_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(cost_usd), 0) AS BIGINT), \
    CAST(COALESCE(SUM(cost_pico / 1000000), 0) AS BIGINT), \
    CAST(COALESCE(SUM(cost_pico % 1000000), 0) AS BIGINT), \
    CAST(COALESCE(SUM(priced_requests), 0) AS BIGINT), \
    CAST(COALESCE(SUM(unpriced_requests), 0) AS BIGINT), \
    CAST(COALESCE(SUM(unpriced_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(unknown_usage_requests), 0) AS BIGINT), \
    CAST(COALESCE(SUM(credits), 0) AS BIGINT)";

/// Sums that are summed once more, under the names of what they are sums of. Picodollars carry
/// into dollars, so that the next sum has as much room as this one.
pub(super) const PARTIAL_SUMS: &str = "SUM(requests) AS requests, SUM(succeeded) AS succeeded, \
    SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens, \
    SUM(total_tokens) AS total_tokens, SUM(cache_read_tokens) AS cache_read_tokens, \
    SUM(cache_write_tokens) AS cache_write_tokens, SUM(reasoning_tokens) AS reasoning_tokens, \
    SUM(cost_usd) + CAST(SUM(cost_pico / 1000000) AS BIGINT) / 1000000 AS cost_usd, \
    CAST(SUM(cost_pico / 1000000) AS BIGINT) % 1000000 * 1000000 \
        + CAST(SUM(cost_pico % 1000000) AS BIGINT) AS cost_pico, \
    SUM(priced_requests) AS priced_requests, SUM(unpriced_requests) AS unpriced_requests, \
    SUM(unpriced_tokens) AS unpriced_tokens, \
    SUM(unknown_usage_requests) AS unknown_usage_requests, SUM(credits) AS credits";

/// Picodollars in a dollar.
pub(crate) const PICO_PER_USD: i128 = 1_000_000_000_000;

/// Reads [`SUMS`], the first of which is the row's column `first`.
pub(crate) fn read_sums(row: &QueryResult, first: usize) -> Result<RollUp, StoreError> {
    let number = |offset: usize| row.try_get_by_index::<i64>(first + offset).map(i128::from);
    let requests = count_at(row, first)?;
    let succeeded = count_at(row, first + 1)?;
    Ok(RollUp {
        requests,
        succeeded,
        failed: requests.saturating_sub(succeeded),
        input_tokens: count_at(row, first + 2)?,
        output_tokens: count_at(row, first + 3)?,
        total_tokens: count_at(row, first + 4)?,
        cache_read_tokens: count_at(row, first + 5)?,
        cache_write_tokens: count_at(row, first + 6)?,
        reasoning_tokens: count_at(row, first + 7)?,
        cost_pico: number(8)? * PICO_PER_USD + number(9)? * 1_000_000 + number(10)?,
        priced_requests: count_at(row, first + 11)?,
        unpriced_requests: count_at(row, first + 12)?,
        unpriced_tokens: count_at(row, first + 13)?,
        unknown_usage_requests: count_at(row, first + 14)?,
        credits: count_at(row, first + 15)?,
    })
}

pub(crate) fn count_at(row: &QueryResult, column: usize) -> Result<u64, StoreError> {
    Ok(count(row.try_get_by_index::<i64>(column)?))
}
