//! Rows of the request log.

use std::collections::HashMap;

use byok_domain::{CallRecord, Credits, PicoUsd, ProjectId, RequestId, Usage};
use sea_orm::{ConnectionTrait, Value};

use super::batch::Batch;
use crate::column::json;
use crate::customers::Tombstones;
use crate::rows::execute_rows;
use crate::statement::Sql;
use crate::{StoreError, usage_detail};

const HEAD: &str = "INSERT INTO calls (project_id, id, ref_id, provider, model, operation, \
    key_id, source, status, error, streamed, input_tokens, output_tokens, total_tokens, \
    cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_estimated, \
    customer_reported, cost_pico, latency_ms, first_byte_ms, \
    unit_prices, usage_detail, answered_model, credits, fallback, attempts) VALUES";
const COLUMNS: usize = 28;
const TAIL: &str = " ON CONFLICT (project_id, id) DO NOTHING";

const NAME_HEAD: &str = "UPDATE calls SET ref_id = erased.column3 FROM (VALUES";
const NAME_TAIL: &str =
    ") AS erased WHERE calls.project_id = erased.column1 AND calls.id = erased.column2";

/// Whether all records were new to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    All,
    /// Some were there before; which ones is not known.
    NotAll,
}

/// Writes all records into the log, many at a time.
pub(super) async fn insert_all(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<Inserted, StoreError> {
    let inserted = execute_rows(connection, HEAD, COLUMNS, TAIL, batch.kept(), |record, values| {
        fill(record, values)
    })
    .await?;
    let all = usize::try_from(inserted) == Ok(batch.len());
    Ok(if all { Inserted::All } else { Inserted::NotAll })
}

/// Writes all records into the log, one at a time. Returns those that were new to it.
pub(super) async fn insert_each<'a>(
    connection: &impl ConnectionTrait,
    batch: Batch<'a>,
) -> Result<Batch<'a>, StoreError> {
    let mut new = Vec::with_capacity(batch.len());
    for record in batch.into_kept() {
        let one = std::slice::from_ref(&record);
        if execute_rows(connection, HEAD, COLUMNS, TAIL, one, |record, values| fill(record, values))
            .await?
            > 0
        {
            new.push(record);
        }
    }
    Ok(Batch::from_kept(new))
}

/// Writes what calls were charged that cost more than there was.
pub(super) async fn correct_charges(
    connection: &impl ConnectionTrait,
    charged: &HashMap<(ProjectId, RequestId), Credits>,
) -> Result<(), StoreError> {
    for ((project, id), credits) in charged {
        let mut sql = Sql::new("UPDATE calls SET credits = ");
        sql.bind(integer(credits.get())).push(" WHERE project_id = ").bind(project.as_str());
        sql.push(" AND id = ").bind(id.as_bytes().to_vec());
        connection.execute_raw(sql.into_statement()).await?;
    }
    Ok(())
}

/// Puts calls under the names that took the place of their customers'.
pub(super) async fn rename(
    connection: &impl ConnectionTrait,
    tombstones: &Tombstones,
) -> Result<(), StoreError> {
    let renamed: Vec<_> = tombstones.iter().collect();
    execute_rows(connection, NAME_HEAD, 3, NAME_TAIL, &renamed, |((project, id), name), values| {
        values.extend([
            project.as_str().into(),
            id.as_bytes().to_vec().into(),
            name.as_str().into(),
        ]);
    })
    .await?;
    Ok(())
}

fn fill(record: &CallRecord, values: &mut Vec<Value>) {
    let (usage, then) = (record.usage.as_ref(), &record.aftermath);
    let in_tokens = usage.filter(|usage| usage.is_in_tokens());
    let tokens =
        |count: fn(&Usage) -> u64| Value::from(in_tokens.map(|usage| integer(count(usage))));
    values.extend([
        record.project.as_str().into(),
        record.id.as_bytes().to_vec().into(),
        record.ref_id.as_str().into(),
        record.provider.as_str().into(),
        record.model.as_deref().into(),
        (*record.operation).into(),
        record.key.as_ref().map(|key| key.as_str()).into(),
        record.source.as_str().into(),
        i32::from(record.status).into(),
        record.error.map(|error| error.as_str()).into(),
        record.streamed.into(),
        tokens(Usage::input_total),
        tokens(|usage| usage.output),
        tokens(Usage::total),
        tokens(|usage| usage.cache_read),
        tokens(Usage::cache_write_total),
        tokens(|usage| usage.reasoning),
        record.usage_estimated.into(),
        record.customer_reported.into(),
        record.cost.map(PicoUsd::as_pico).into(),
        i64::from(record.latency_ms).into(),
        record.first_byte_ms.map(i64::from).into(),
        record.unit_prices.as_deref().into(),
        usage.and_then(usage_detail::of).into(),
        record.answered.as_deref().into(),
        then.credits.map(|credits| integer(credits.get())).into(),
        then.fallback.map(|reason| reason.as_str()).into(),
        (!then.attempts.is_empty()).then(|| json(&then.attempts)).into(),
    ]);
}

/// A count as a column; a batch holds none that does not fit.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
