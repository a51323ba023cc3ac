//! Usage objects as providers of the OpenAI family write them, read tolerantly.

use std::borrow::Cow;

use byok_domain::pricing::usd;
use byok_domain::usage::ServiceTier;
use byok_domain::{PicoUsd, Usage};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::value::RawValue;

use crate::anthropic;

/// The most tokens one call can have used; above it the report is nonsense.
const SANE: u64 = 1_000_000_000_000;

/// A count in a report: there, not there, or nonsense. Reading one never fails, so that a strange
/// field costs the report and not the whole answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Count {
    #[default]
    Absent,
    Of(u64),
    Nonsense,
}

impl Count {
    /// A detail that is missing or nonsense counts for nothing.
    pub(crate) fn or_zero(self) -> u64 {
        match self {
            Self::Of(count) => count,
            Self::Absent | Self::Nonsense => 0,
        }
    }

    /// This count, or where it is not there the other.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Absent { other } else { self }
    }

    fn of_float(float: f64) -> Self {
        if float >= 0.0 && float.fract() == 0.0 && float <= SANE as f64 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked"
            )]
            return Self::Of(float as u64);
        }
        Self::Nonsense
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }

            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(if count <= SANE { Count::Of(count) } else { Count::Nonsense })
            }

            fn visit_f64<E>(self, float: f64) -> Result<Count, E> {
                Ok(Count::of_float(float))
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count::Absent)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
                Ok(Count::Nonsense)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count::Nonsense)
            }

            fn visit_str<E>(self, _: &str) -> Result<Count, E> {
                Ok(Count::Nonsense)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count::Nonsense)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count::Nonsense)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A usage object of the OpenAI family: chat completions, completions and embeddings
/// (`prompt_tokens`), responses, images and transcriptions (`input_tokens`), or a duration.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Report<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a str>,
    seconds: Option<f64>,
    prompt_tokens: Count,
    completion_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    prompt_cache_hit_tokens: Count,
    num_cached_tokens: Count,
    prompt_audio_seconds: Count,
    pages_processed: Count,
    // xAI's tools, which have fees that no list of ours has.
    num_sources_used: Count,
    // Anthropic's: some hosts speak its messages too.
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    num_server_side_tools_used: Count,
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
    prompt_tokens_details: Option<Details>,
    prompt_token_details: Option<Details>,
    completion_tokens_details: Option<Details>,
    input_tokens_details: Option<Details>,
    input_token_details: Option<Details>,
    output_tokens_details: Option<Details>,
}

#[derive(Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    cache_write_tokens_details: Option<WriteDetails>,
    reasoning_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

impl Details {
    /// Whether a count that changes the charge cannot be believed.
    fn has_nonsense(self) -> bool {
        let written = self.cache_write_tokens_details.unwrap_or_default();
        [
            self.cached_tokens,
            self.cache_write_tokens,
            written.ttl_12h_tokens,
            self.reasoning_tokens,
            self.audio_tokens,
            self.image_tokens,
        ]
        .contains(&Count::Nonsense)
    }
}

#[derive(Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct WriteDetails {
    ttl_12h_tokens: Count,
}

/// Reads a usage object.
///
/// Cached tokens are inside the input count at OpenAI; a host that reports more cached than input
/// tokens counts them beside it, and is read that way.
pub(crate) fn openai_usage(object: &[u8]) -> Option<Usage> {
    // Of bytes each name and text would be checked by itself.
    let report: Report<'_> = serde_json::from_str(str::from_utf8(object).ok()?).ok()?;
    if report.kind == Some("duration") {
        return audio_seconds(report.seconds?);
    }
    if let Count::Of(pages) = report.pages_processed {
        let pages = u32::try_from(pages).ok()?;
        return Some(Usage { pages, ..Usage::default() });
    }
    if report.prompt_tokens == Count::Absent
        && [report.cache_read_input_tokens, report.cache_creation_input_tokens]
            .iter()
            .any(|count| *count != Count::Absent)
    {
        return anthropic::Report::read(object)?.usage(None);
    }
    let counts = [
        report.prompt_tokens,
        report.completion_tokens,
        report.input_tokens,
        report.output_tokens,
        report.prompt_cache_hit_tokens,
        report.num_cached_tokens,
        report.prompt_audio_seconds,
    ];
    let details = [
        report.prompt_tokens_details,
        report.prompt_token_details,
        report.completion_tokens_details,
        report.input_tokens_details,
        report.input_token_details,
        report.output_tokens_details,
    ];
    let mut details = details.into_iter().flatten();
    if counts.contains(&Count::Nonsense) || details.any(|details| details.has_nonsense()) {
        return None;
    }
    let (input, input_details) = match (report.prompt_tokens, report.input_tokens) {
        (Count::Of(input), _) => {
            (input, report.prompt_tokens_details.or(report.prompt_token_details))
        }
        (_, Count::Of(input)) => {
            (input, report.input_tokens_details.or(report.input_token_details))
        }
        _ => return None,
    };
    let (output, output_details) = match (report.completion_tokens, report.output_tokens) {
        (Count::Of(output), _) => (output, report.completion_tokens_details),
        (_, output) => (output.or_zero(), report.output_tokens_details),
    };
    let input_details = input_details.unwrap_or_default();
    let output_details = output_details.unwrap_or_default();
    // xAI counts reasoning beside the completion: its total tells.
    let reasoning = output_details.reasoning_tokens.or_zero();
    let with_reasoning = output.saturating_add(reasoning);
    let beside = report.total_tokens == Count::Of(input.saturating_add(with_reasoning));
    let output = if beside { with_reasoning } else { output };
    // The same count under the names that different hosts give it.
    let cached = [report.prompt_cache_hit_tokens, report.num_cached_tokens]
        .into_iter()
        .fold(input_details.cached_tokens.or_zero(), |most, count| most.max(count.or_zero()));
    let written = input_details.cache_write_tokens.or_zero();
    let written_12h = input_details.cache_write_tokens_details.unwrap_or_default();
    let written_12h = written_12h.ttl_12h_tokens.or_zero().min(written);
    let inside = cached.saturating_add(written);
    Some(Usage {
        input: if inside > input { input } else { input - inside },
        cache_read: cached,
        cache_write: written - written_12h,
        cache_write_12h: written_12h,
        output,
        reasoning: reasoning.min(output),
        audio_input: input_details.audio_tokens.or_zero().min(input),
        audio_output: output_details.audio_tokens.or_zero().min(output),
        image_input: input_details.image_tokens.or_zero().min(input),
        image_output: output_details.image_tokens.or_zero().min(output),
        audio_millis: report.prompt_audio_seconds.or_zero().saturating_mul(1000),
        unmeasured: [report.num_sources_used, report.num_server_side_tools_used]
            .iter()
            .any(|count| !matches!(count, Count::Absent | Count::Of(0))),
        tier: report.service_tier.map(|name| service_tier(&name)).unwrap_or_default(),
        ..Usage::default()
    })
}

/// What OpenRouter says in a usage object that it charged, and what the maker's own account was
/// charged beside it where the customer has put its key there.
pub(crate) fn told_cost(object: &[u8]) -> Option<PicoUsd> {
    #[derive(serde::Deserialize)]
    struct Told<'a> {
        #[serde(borrow)]
        cost: &'a RawValue,
        #[serde(default)]
        is_byok: Option<bool>,
        #[serde(borrow, default)]
        cost_details: Option<Upstream<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Upstream<'a> {
        #[serde(borrow, default)]
        upstream_inference_cost: Option<&'a RawValue>,
    }
    let told: Told<'_> = serde_json::from_slice(object).ok()?;
    let own = usd(told.cost.get())?;
    if told.is_byok != Some(true) {
        return Some(own);
    }
    let upstream = usd(told.cost_details?.upstream_inference_cost?.get())?;
    own.as_pico().checked_add(upstream.as_pico()).map(PicoUsd::from_pico)
}

/// Adds what the responses API's own tools used, from `tool_usage`: its searches, and whether
/// images were made, whose tokens are charged as those of a model that is not named.
pub(crate) fn add_tools(usage: &mut Usage, tool_usage: &[u8]) {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Tools {
        web_search: Option<Search>,
        image_gen: Option<Images>,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Search {
        num_requests: Count,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Images {
        input_tokens: Count,
        output_tokens: Count,
    }
    let tools: Tools = serde_json::from_slice(tool_usage).unwrap_or_default();
    usage.web_searches = tools.web_search.unwrap_or_default().num_requests.or_zero();
    let images = tools.image_gen.unwrap_or_default();
    usage.unmeasured |= images.input_tokens.or_zero() > 0 || images.output_tokens.or_zero() > 0;
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
    use serde_json::{Value, json};

    fn openai_usage(wire: &Value) -> Option<Usage> {
        super::openai_usage(wire.to_string().as_bytes())
    }

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
    fn tools_whose_fees_are_not_told_make_the_usage_one_without_a_cost() {
        for (wire, unmeasured) in [
            (json!({"prompt_tokens": 1, "completion_tokens": 1}), false),
            (json!({"prompt_tokens": 1, "num_sources_used": 0}), false),
            (json!({"prompt_tokens": 1, "num_sources_used": 3}), true),
            (json!({"input_tokens": 1, "num_server_side_tools_used": 2}), true),
            (json!({"input_tokens": 1, "num_server_side_tools_used": null}), false),
        ] {
            assert_eq!(openai_usage(&wire).map(|u| u.unmeasured), Some(unmeasured), "{wire}");
        }
        for (tools, searches, unmeasured) in [
            (json!({"web_search": {"num_requests": 2}}), 2, false),
            (json!({"web_search": null, "image_gen": null}), 0, false),
            (json!({"image_gen": {"input_tokens": 0, "output_tokens": 0}}), 0, false),
            (json!({"image_gen": {"input_tokens": 9, "output_tokens": 1056}}), 0, true),
            (json!(7), 0, false),
        ] {
            let mut usage = Usage::default();
            add_tools(&mut usage, tools.to_string().as_bytes());
            assert_eq!((usage.web_searches, usage.unmeasured), (searches, unmeasured), "{tools}");
        }
    }

    #[test]
    fn a_cost_that_is_told_is_read_with_what_the_makers_account_was_charged() {
        for (wire, pico) in [
            (r#"{"prompt_tokens":1,"cost":0.00014}"#, Some(140_000_000)),
            (r#"{"cost":0}"#, Some(0)),
            (
                r#"{"cost":0.00014,"is_byok":false,"cost_details":{"upstream_inference_cost":0.00013}}"#,
                Some(140_000_000),
            ),
            (
                r#"{"cost":0.00001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.0002}}"#,
                Some(210_000_000),
            ),
            (r#"{"cost":0.00001,"is_byok":true}"#, None),
            (
                r#"{"cost":0.00001,"is_byok":true,"cost_details":{"upstream_inference_cost":null}}"#,
                None,
            ),
            (r#"{"cost":null}"#, None),
            (r#"{"cost":"0.1"}"#, None),
            (r#"{"cost":-0.1}"#, None),
            (r#"{"cost":1e300}"#, None),
            (r#"{"prompt_tokens":1}"#, None),
        ] {
            assert_eq!(told_cost(wire.as_bytes()).map(PicoUsd::as_pico), pico, "{wire}");
        }
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
            json!({"prompt_tokens": 8, "prompt_tokens_details": {"cached_tokens": -1}}),
            json!({"prompt_tokens": 8, "prompt_tokens_details": {"cached_tokens": 0.5}}),
            json!({"input_tokens": 8, "input_tokens_details": {"audio_tokens": "8"}}),
            json!({"prompt_tokens": 8, "prompt_cache_hit_tokens": 1e18}),
            json!({"prompt_tokens": 8, "completion_tokens": 8,
                "completion_tokens_details": {"reasoning_tokens": -4}}),
            json!({"input_tokens": 8, "cache_read_input_tokens": -3}),
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
    fn reasoning_is_added_to_the_output_only_where_the_total_says_that_it_is_not_in_it() {
        for (total, output) in [(140, 40), (160, 60), (100, 40)] {
            let usage = openai_usage(&json!({"prompt_tokens": 100, "completion_tokens": 40,
                "total_tokens": total, "completion_tokens_details": {"reasoning_tokens": 20}}))
            .expect("usage");
            assert_eq!((usage.output, usage.reasoning), (output, 20), "{total}");
        }
    }

    #[test]
    fn anthropics_usage_at_another_host_keeps_what_a_cache_had_to_do_with_beside_the_input() {
        let usage = openai_usage(&json!({"input_tokens": 10, "cache_read_input_tokens": 300,
            "cache_creation_input_tokens": 200, "cache_creation": {
                "ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 42, "service_tier": "standard"}))
        .expect("usage");
        let expected = Usage {
            input: 10,
            cache_read: 300,
            cache_write: 150,
            cache_write_1h: 50,
            output: 42,
            ..Usage::default()
        };
        assert_eq!(usage, expected);
    }

    #[test]
    fn a_host_that_counts_cached_tokens_beside_the_input_is_read_that_way() {
        let usage = openai_usage(&json!({"prompt_tokens": 10, "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 300}}))
        .expect("usage");
        assert_eq!((usage.input, usage.cache_read), (10, 300));
    }
}
