//! A call's whole usage: in the columns of tokens where they tell all of it, else as JSON beside.

use byok_domain::Usage;

use crate::column::json;

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
