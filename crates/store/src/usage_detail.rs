//! A call's whole usage: in the columns of tokens where they tell all of it, else as JSON beside.

use byok_domain::Usage;

use crate::StoreError;
use crate::column::{count, from_json, json};
use crate::entity::calls::Model;

/// What the columns do not tell of `usage`: all of it, or nothing.
pub(crate) fn of(usage: &Usage) -> Option<String> {
    let told = Usage {
        input: usage.input,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write_total(),
        output: usage.output,
        reasoning: usage.reasoning,
        ..Usage::default()
    };
    (told != *usage).then(|| json(usage))
}

/// The usage of a row; `None` when it is unknown.
pub(crate) fn read(row: &Model) -> Result<Option<Usage>, StoreError> {
    if let Some(detail) = &row.usage_detail {
        return from_json("calls", detail).map(Some);
    }
    let number = |column: Option<i64>| column.map(count).unwrap_or_default();
    let (cache_read, cache_write) = (number(row.cache_read_tokens), number(row.cache_write_tokens));
    Ok(row.input_tokens.map(count).map(|input| Usage {
        input: input.saturating_sub(cache_read).saturating_sub(cache_write),
        cache_read,
        cache_write,
        output: number(row.output_tokens),
        reasoning: number(row.reasoning_tokens),
        ..Usage::default()
    }))
}
