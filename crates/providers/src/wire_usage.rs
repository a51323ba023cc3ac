//! Usage objects as providers of the OpenAI family write them, read tolerantly.

use byok_domain::Usage;
use byok_domain::usage::ServiceTier;
use serde_json::Value;

/// The most tokens one call can have used; above it the report is nonsense.
const SANE: u64 = 1_000_000_000_000;

/// A count: a whole number, or a float that is one. Anything else (negative, absurd, text) is no
/// count.
fn count(value: &Value) -> Option<u64> {
    let number = match value.as_u64() {
        Some(number) => number,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        None => match value.as_f64()? {
            float if float >= 0.0 && float.fract() == 0.0 && float < 1e13 => float as u64,
            _ => return None,
        },
    };
    (number <= SANE).then_some(number)
}

fn field(object: &Value, name: &str) -> Option<u64> {
    object.get(name).and_then(count)
}

fn detail(object: &Value, details: &str, name: &str) -> u64 {
    object.get(details).and_then(|d| field(d, name)).unwrap_or(0)
}

/// Whether a field is there and yet no count: the whole report is then worth nothing.
fn nonsense(object: &Value, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null() && count(value).is_none())
}

/// Reads a usage object of chat completions, completions, embeddings (`prompt_tokens`), responses,
/// images or transcriptions (`input_tokens`), or a duration.
///
/// Cached tokens are inside the input count at OpenAI; a host that reports more cached than input
/// tokens counts them beside it, and is read that way.
pub(crate) fn openai_usage(object: &Value) -> Option<Usage> {
    if object.get("type").and_then(Value::as_str) == Some("duration") {
        let seconds = object.get("seconds").and_then(Value::as_f64)?;
        return audio_seconds(seconds);
    }
    for name in ["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"] {
        if nonsense(object, name) {
            return None;
        }
    }
    let (input, input_details) = match field(object, "prompt_tokens") {
        Some(input) => (input, "prompt_tokens_details"),
        None => match field(object, "input_tokens") {
            Some(input) if object.get("input_token_details").is_some() => {
                (input, "input_token_details")
            }
            Some(input) => (input, "input_tokens_details"),
            None => return None,
        },
    };
    let (output, output_details) = match field(object, "completion_tokens") {
        Some(output) => (output, "completion_tokens_details"),
        None => (field(object, "output_tokens").unwrap_or(0), "output_tokens_details"),
    };
    let cached = detail(object, input_details, "cached_tokens")
        .max(field(object, "prompt_cache_hit_tokens").unwrap_or(0));
    let written = detail(object, input_details, "cache_write_tokens");
    let written_12h = object
        .get(input_details)
        .map_or(0, |details| detail(details, "cache_write_tokens_details", "ttl_12h_tokens"))
        .min(written);
    let inside = cached.saturating_add(written);
    Some(Usage {
        input: if inside > input { input } else { input - inside },
        cache_read: cached,
        cache_write: written - written_12h,
        cache_write_12h: written_12h,
        output,
        reasoning: detail(object, output_details, "reasoning_tokens").min(output),
        audio_input: detail(object, input_details, "audio_tokens").min(input),
        audio_output: detail(object, output_details, "audio_tokens").min(output),
        image_input: detail(object, input_details, "image_tokens").min(input),
        image_output: detail(object, output_details, "image_tokens").min(output),
        ..Usage::default()
    })
}

/// Searches made by the responses API's own tool, from `tool_usage`.
pub(crate) fn web_searches(tool_usage: &Value) -> u64 {
    detail(tool_usage, "web_search", "num_requests")
}

/// Usage that is a time: transcriptions billed by the second.
pub(crate) fn audio_seconds(seconds: f64) -> Option<Usage> {
    if !(0.0..=1e7).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let millis = (seconds * 1000.0).round() as u64;
    Some(Usage { audio_millis: millis, ..Usage::default() })
}

/// The tier that `service_tier` names; unknown names are billed as standard.
pub(crate) fn service_tier(name: &str) -> ServiceTier {
    match name {
        "flex" => ServiceTier::Flex,
        "priority" | "fast" => ServiceTier::Priority,
        "ultrafast" => ServiceTier::Ultrafast,
        "batch" => ServiceTier::Batch,
        _ => ServiceTier::Standard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cached_tokens_are_taken_out_of_the_input_once() {
        let usage = openai_usage(&json!({"prompt_tokens": 100, "completion_tokens": 40,
            "total_tokens": 140, "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 20}}))
        .expect("usage");
        assert_eq!(
            (usage.input, usage.cache_read, usage.output, usage.reasoning),
            (36, 64, 40, 20)
        );
        assert_eq!(usage.total(), 140);
    }

    #[test]
    fn reads_every_shape_of_the_openai_family() {
        for (wire, input, output) in [
            (json!({"prompt_tokens": 8, "total_tokens": 8}), 8, 0),
            (json!({"input_tokens": 5, "output_tokens": 7}), 5, 7),
            (
                json!({"type": "tokens", "input_tokens": 14, "output_tokens": 3,
                "input_token_details": {"audio_tokens": 14, "text_tokens": 0}}),
                14,
                3,
            ),
            (json!({"prompt_tokens": 0, "completion_tokens": 0}), 0, 0),
            (json!({"prompt_tokens": 5.0, "completion_tokens": 2.0}), 5, 2),
        ] {
            let usage = openai_usage(&wire).unwrap_or_else(|| panic!("{wire}"));
            assert_eq!((usage.input_total(), usage.output), (input, output), "{wire}");
        }
    }

    #[test]
    fn nonsense_is_unknown_and_never_a_charge() {
        for wire in [
            json!({}),
            json!(null),
            json!("12"),
            json!([1]),
            json!({"prompt_tokens": -1, "completion_tokens": 1}),
            json!({"prompt_tokens": 1e18, "completion_tokens": 1}),
            json!({"prompt_tokens": "8"}),
            json!({"prompt_tokens": 8, "completion_tokens": 1.5}),
            json!({"prompt_tokens": {"n": 1}}),
            json!({"type": "duration", "seconds": -4}),
            json!({"type": "duration", "seconds": 1e300}),
        ] {
            assert_eq!(openai_usage(&wire), None, "{wire}");
        }
    }

    #[test]
    fn cache_writes_are_split_by_how_long_they_live() {
        let usage = openai_usage(&json!({"input_tokens": 100, "output_tokens": 1,
            "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 30,
                "cache_write_tokens_details": {"ttl_30m_tokens": 10, "ttl_12h_tokens": 20}}}))
        .expect("usage");
        assert_eq!(
            (usage.input, usage.cache_read, usage.cache_write, usage.cache_write_12h),
            (60, 10, 10, 20)
        );
    }

    #[test]
    fn a_host_that_counts_cached_tokens_beside_the_input_is_read_that_way() {
        let usage = openai_usage(&json!({"prompt_tokens": 10, "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 300}}))
        .expect("usage");
        assert_eq!((usage.input, usage.cache_read), (10, 300));
    }
}
