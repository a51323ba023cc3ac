//! The rows that a question about usage is answered from: roll-ups of whole hours, and single
//! calls where a bound cuts an hour.

use byok_domain::ProjectId;
use byok_domain::time::{DAY_MS, HOUR_MS};

use super::hours::Hours;
use crate::UsageFilter;
use crate::filter::first_id_at;
use crate::statement::Sql;

/// A roll-up as it is.
const OF_HOURS: &str = "SELECT provider, model, ref_id, source, hour - hour % 86400000 AS day, \
    requests, succeeded, input_tokens, output_tokens, total_tokens, cache_read_tokens, \
    cache_write_tokens, reasoning_tokens, cost_usd, cost_pico, priced_requests, \
    unpriced_requests, unpriced_tokens, unknown_usage_requests, credits FROM usage_hourly";

/// A call as the roll-up of itself: what `metering::RollUp::add` counts.
const OF_CALLS: &str = "1 AS requests, \
    CASE WHEN error IS NULL THEN 1 ELSE 0 END AS succeeded, \
    COALESCE(input_tokens, 0) AS input_tokens, COALESCE(output_tokens, 0) AS output_tokens, \
    COALESCE(total_tokens, 0) AS total_tokens, \
    COALESCE(cache_read_tokens, 0) AS cache_read_tokens, \
    COALESCE(cache_write_tokens, 0) AS cache_write_tokens, \
    COALESCE(reasoning_tokens, 0) AS reasoning_tokens, \
    COALESCE(cost_pico, 0) / 1000000000000 AS cost_usd, \
    COALESCE(cost_pico, 0) % 1000000000000 AS cost_pico, \
    CASE WHEN cost_pico IS NULL THEN 0 ELSE 1 END AS priced_requests, \
    CASE WHEN (total_tokens IS NOT NULL OR usage_detail IS NOT NULL) AND cost_pico IS NULL \
        THEN 1 ELSE 0 END AS unpriced_requests, \
    CASE WHEN cost_pico IS NULL THEN COALESCE(total_tokens, 0) ELSE 0 END AS unpriced_tokens, \
    CASE WHEN total_tokens IS NULL AND usage_detail IS NULL AND model IS NOT NULL \
        AND (error IS NULL OR error IN ('truncated', 'client_closed')) THEN 1 ELSE 0 END \
        AS unknown_usage_requests, COALESCE(credits, 0) AS credits FROM calls";

/// Adds the rows as a table named `parts`.
pub(crate) fn parts(sql: &mut Sql, project: &ProjectId, filter: &UsageFilter) {
    let hours = Hours::between(filter.since, filter.until);
    sql.push("(");
    // Without a row, but with the columns: what an empty span is answered from.
    sql.push(OF_HOURS).push(" WHERE 1 = 0");
    if let Some((from, to)) = hours.whole {
        sql.push(" UNION ALL ").push(OF_HOURS).push(" WHERE project_id = ").bind(project.as_str());
        if let Some(from) = from {
            sql.push(" AND hour >= ").bind(from);
        }
        if let Some(to) = to {
            sql.push(" AND hour < ").bind(to);
        }
        filter.push_conditions(sql);
    }
    for (from, to) in hours.edges {
        let day = from - from.rem_euclid(DAY_MS);
        debug_assert!(to - from <= HOUR_MS, "an edge lies inside one hour");
        sql.push(" UNION ALL SELECT provider, COALESCE(model, '') AS model, ref_id, source, ");
        sql.bind(day).push(" AS day, ").push(OF_CALLS);
        sql.push(" WHERE project_id = ").bind(project.as_str());
        sql.push(" AND id >= ").bind(first_id_at(from)).push(" AND id < ").bind(first_id_at(to));
        filter.push_conditions(sql);
    }
    sql.push(") AS parts");
}
