//! What keys were used for: when last, how often, how much, and when that last proved them.

use std::collections::BTreeMap;

use byok_domain::{ProjectId, ProviderKeyId, Timestamp};
use sea_orm::ConnectionTrait;

use super::batch::{Batch, millis};
use super::call_rows::integer;
use crate::StoreError;
use crate::rows::execute_rows;

const HEAD: &str = "UPDATE provider_keys SET \
    last_used_at = CASE WHEN last_used_at > uses.column3 THEN last_used_at ELSE uses.column3 END, \
    total_requests = total_requests + uses.column4, \
    total_tokens = total_tokens + uses.column5, \
    last_validated_at = CASE WHEN uses.column6 > COALESCE(last_validated_at, 0) \
        AND uses.column6 >= updated_at THEN uses.column6 ELSE last_validated_at END \
    FROM (VALUES";
const TAIL: &str =
    ") AS uses WHERE provider_keys.id = uses.column1 AND provider_keys.project_id = uses.column2";

#[derive(Default)]
struct Use {
    last: Timestamp,
    requests: u64,
    tokens: u64,
    /// When the last call came in that the provider answered as it was asked: it knows the key.
    answered: Timestamp,
}

/// Adds the calls to the counters of the keys they were made with.
pub(super) async fn add(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let mut uses: BTreeMap<(&ProviderKeyId, &ProjectId), Use> = BTreeMap::new();
    for record in batch.iter() {
        if let Some(key) = &record.key {
            let sum = uses.entry((key, &record.project)).or_default();
            sum.last = sum.last.max(record.at);
            sum.requests += 1;
            sum.tokens += record.usage.map_or(0, |usage| usage.total());
            if record.error.is_none() {
                sum.answered = sum.answered.max(record.at);
            }
        }
    }
    let uses: Vec<_> = uses.into_iter().collect();
    execute_rows(connection, HEAD, 6, TAIL, &uses, |((key, project), sum), values| {
        values.extend([
            key.as_str().into(),
            project.as_str().into(),
            millis(sum.last).into(),
            integer(sum.requests).into(),
            integer(sum.tokens).into(),
            millis(sum.answered).into(),
        ]);
    })
    .await?;
    Ok(())
}
