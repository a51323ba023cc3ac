//! Usage as Bedrock, and the models behind `InvokeModel`, write it.

use byok_domain::Usage;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::wire_usage::{Count, openai_usage, service_tier};

/// Counts by their many names; a field of another shape is nonsense, and never fails the rest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    // Converse, and Nova's own form.
    #[serde(rename = "inputTokens")]
    converse_input: Count,
    #[serde(rename = "outputTokens")]
    converse_output: Count,
    #[serde(rename = "cacheReadInputTokens")]
    converse_read: Count,
    #[serde(rename = "cacheWriteInputTokens")]
    converse_write: Count,
    #[serde(rename = "cacheDetails")]
    converse_details: Details,
    // Invocation metrics; Converse repeats the two of the cache under these names.
    #[serde(rename = "inputTokenCount")]
    metrics_input: Count,
    #[serde(rename = "outputTokenCount")]
    metrics_output: Count,
    #[serde(rename = "cacheReadInputTokenCount")]
    metrics_read: Count,
    #[serde(rename = "cacheWriteInputTokenCount")]
    metrics_write: Count,
    // Anthropic.
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Option<Creation>,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<Tools>,
    iterations: Option<Vec<IgnoredAny>>,
    // The OpenAI family is read elsewhere.
    prompt_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Tools {
    web_search_requests: Count,
}

/// Tokens written to caches, by how long these live.
#[derive(Clone, Copy, Default)]
struct Details {
    short: u64,
    hour: u64,
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Detail {
            ttl: String,
            input_tokens: Count,
        }
        let mut details = Self::default();
        for detail in Option::<Vec<Detail>>::deserialize(from)?.unwrap_or_default() {
            let bucket = if detail.ttl == "1h" { &mut details.hour } else { &mut details.short };
            *bucket = bucket.saturating_add(detail.input_tokens.or_zero());
        }
        Ok(details)
    }
}

/// What has been reported of a call so far: later reports lay their fields over earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    input: Count,
    output: Count,
    read: Count,
    write: Count,
    /// The part of `write` that lives an hour, and of how many that was said.
    hour: Option<(u64, u64)>,
    reasoning: Count,
    searches: Count,
    /// Whether there were samplings beside the one that the totals are of.
    more: bool,
}

impl Tally {
    /// Takes a usage object: Converse's, Nova's, Anthropic's, or invocation metrics.
    pub(super) fn take(&mut self, object: &[u8]) {
        let Ok(report) = serde_json::from_slice::<Report>(object) else { return };
        let Report { converse_details: details, .. } = report;
        self.input =
            report.converse_input.or(report.metrics_input).or(report.input_tokens).or(self.input);
        self.output = report
            .converse_output
            .or(report.metrics_output)
            .or(report.output_tokens)
            .or(self.output);
        self.read = report
            .converse_read
            .or(report.metrics_read)
            .or(report.cache_read_input_tokens)
            .or(self.read);
        let write =
            report.converse_write.or(report.metrics_write).or(report.cache_creation_input_tokens);
        self.write = write.or(self.write);
        let split = report.cache_creation.map(|creation| Details {
            short: creation.ephemeral_5m_input_tokens.or_zero(),
            hour: creation.ephemeral_1h_input_tokens.or_zero(),
        });
        let split = split.unwrap_or(details);
        let said = split.short.saturating_add(split.hour);
        if said > 0 {
            self.hour = Some((split.hour, said));
            if write == Count::Absent {
                self.write = Count::Of(said);
            }
        }
        let thinking = report.output_tokens_details.unwrap_or_default().thinking_tokens;
        self.reasoning = thinking.or(self.reasoning);
        let searches = report.server_tool_use.unwrap_or_default().web_search_requests;
        self.searches = searches.or(self.searches);
        self.more |= report.iterations.is_some_and(|samplings| samplings.len() > 1);
    }

    /// The usage, if both counts that every call has were sane.
    pub(super) fn usage(&self) -> Option<Usage> {
        let Count::Of(input) = self.input else { return None };
        if [self.output, self.read, self.write].contains(&Count::Nonsense) {
            return None;
        }
        let output = self.output.or_zero();
        let write = self.write.or_zero();
        // A later total has no split of its own: the earlier one's proportion holds.
        let hour = self.hour.map_or(0, |(hour, said)| share(write, hour, said));
        Some(Usage {
            input,
            cache_read: self.read.or_zero(),
            cache_write: write - hour,
            cache_write_1h: hour,
            output,
            reasoning: self.reasoning.or_zero().min(output),
            web_searches: self.searches.or_zero(),
            unmeasured: self.more,
            ..Usage::default()
        })
    }
}

/// `part` of `whole`, taken of `total`.
fn share(total: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(total) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(total).min(total)
}

/// One usage object of a document, whichever family the model is of.
pub(super) fn object(wire: &[u8]) -> Option<Usage> {
    let report: Report = serde_json::from_slice(wire).ok()?;
    if report.prompt_tokens != Count::Absent {
        return openai_usage(wire);
    }
    let mut tally = Tally::default();
    tally.take(wire);
    tally.usage()
}

/// The tier of Converse's `serviceTier` object.
pub(super) fn tier(wire: &[u8]) -> Option<byok_domain::usage::ServiceTier> {
    #[derive(Deserialize)]
    struct Tier<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a str,
    }
    serde_json::from_slice::<Tier<'_>>(wire).ok().map(|tier| service_tier(tier.kind))
}

/// Two counts that stand in a document by themselves (Llama, Titan's embeddings).
pub(super) fn counts(input: Option<&[u8]>, output: Option<&[u8]>) -> Option<Usage> {
    let count = |raw: Option<&[u8]>| {
        raw.map_or(Count::Absent, |raw| serde_json::from_slice(raw).unwrap_or(Count::Nonsense))
    };
    let tally = Tally { input: count(input), output: count(output), ..Tally::default() };
    tally.usage()
}

/// What AWS counted, as it writes it beside every answer of `InvokeModel`.
pub(super) fn headers(headers: &HeaderMap) -> Option<Usage> {
    let count = |name: &str| match headers.get(name) {
        None => Count::Absent,
        Some(value) => serde_json::from_slice(value.as_bytes()).unwrap_or(Count::Nonsense),
    };
    let tally = Tally {
        input: count("x-amzn-bedrock-input-token-count"),
        output: count("x-amzn-bedrock-output-token-count"),
        read: count("x-amzn-bedrock-cache-read-input-token-count"),
        write: count("x-amzn-bedrock-cache-write-input-token-count"),
        ..Tally::default()
    };
    tally.usage()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// input, read, write, write 1 h, output, reasoning
    fn buckets(usage: Usage) -> [u64; 6] {
        let Usage { input, cache_read, cache_write, cache_write_1h, output, reasoning, .. } = usage;
        [input, cache_read, cache_write, cache_write_1h, output, reasoning]
    }

    #[test]
    fn every_shape_is_read_into_disjoint_buckets() {
        for (wire, expected) in [
            (
                r#"{"inputTokens":10,"outputTokens":42,"totalTokens":552,"cacheReadInputTokens":300,"cacheWriteInputTokens":200,"cacheDetails":[{"ttl":"1h","inputTokens":50},{"ttl":"5m","inputTokens":150}]}"#,
                [10, 300, 150, 50, 42, 0],
            ),
            (
                r#"{"cacheReadInputTokenCount":3,"cacheReadInputTokens":3,"cacheWriteInputTokenCount":4,"cacheWriteInputTokens":4,"inputTokens":1,"outputTokens":2}"#,
                [1, 3, 4, 0, 2, 0],
            ),
            (
                r#"{"inputTokens":7,"outputTokens":9,"cacheReadInputTokenCount":2}"#,
                [7, 2, 0, 0, 9, 0],
            ),
            (
                r#"{"inputTokenCount":15,"outputTokenCount":20,"invocationLatency":3}"#,
                [15, 0, 0, 0, 20, 0],
            ),
            (
                r#"{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":42,"output_tokens_details":{"thinking_tokens":20}}"#,
                [10, 300, 150, 50, 42, 20],
            ),
            (
                r#"{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":64}}"#,
                [36, 64, 0, 0, 40, 0],
            ),
            (r#"{"inputTokens":8}"#, [8, 0, 0, 0, 0, 0]),
            (r#"{"inputTokens":1,"outputTokens":2,"cacheDetails":null}"#, [1, 0, 0, 0, 2, 0]),
            (
                r#"{"inputTokens":1,"outputTokens":2,"cacheDetails":[{"ttl":"1h","inputTokens":9}]}"#,
                [1, 0, 0, 9, 2, 0],
            ),
        ] {
            assert_eq!(object(wire.as_bytes()).map(buckets), Some(expected), "{wire}");
        }
    }

    #[test]
    fn nonsense_is_unknown_and_never_a_charge() {
        for wire in [
            "{}",
            "null",
            "7",
            "[]",
            "{",
            r#"{"inputTokens":-1,"outputTokens":2}"#,
            r#"{"inputTokens":1,"outputTokens":-2}"#,
            r#"{"inputTokens":1e300,"outputTokens":2}"#,
            r#"{"inputTokens":"1","outputTokens":2}"#,
            r#"{"inputTokens":1,"inputTokens":2,"outputTokens":2}"#,
            r#"{"inputTokens":1,"outputTokens":2,"cacheReadInputTokens":1.5}"#,
            r#"{"inputTokens":1,"outputTokens":2,"cacheWriteInputTokens":"x"}"#,
            r#"{"outputTokens":2}"#,
        ] {
            assert_eq!(object(wire.as_bytes()), None, "{wire}");
        }
    }

    #[test]
    fn anthropics_later_reports_are_laid_over_its_first() {
        let mut tally = Tally::default();
        tally.take(br#"{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":1}"#);
        tally.take(br#"{"output_tokens":42}"#);
        assert_eq!(tally.usage().map(buckets), Some([10, 300, 150, 50, 42, 0]));
        tally.take(br#"{"input_tokens":20,"cache_creation_input_tokens":400,"output_tokens":43}"#);
        assert_eq!(tally.usage().map(buckets), Some([20, 300, 300, 100, 43, 0]));
    }

    #[test]
    fn samplings_that_the_totals_leave_out_have_no_cost() {
        for (iterations, unmeasured) in
            [("null", false), ("[]", false), ("[{}]", false), (r#"[{"input_tokens":5},{}]"#, true)]
        {
            let wire =
                format!(r#"{{"input_tokens":1,"output_tokens":2,"iterations":{iterations}}}"#);
            let usage = object(wire.as_bytes()).expect("usage");
            assert_eq!(usage.unmeasured, unmeasured, "{wire}");
        }
    }

    #[test]
    fn headers_count_where_the_document_does_not() {
        let map = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            pairs.iter().map(pair).collect()
        };
        let (input, output) =
            ("x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count");
        for (pairs, expected) in [
            (vec![(input, "12"), (output, "34")], Some([12, 0, 0, 0, 34, 0])),
            (
                vec![(input, "12"), ("x-amzn-bedrock-cache-read-input-token-count", "5")],
                Some([12, 5, 0, 0, 0, 0]),
            ),
            (vec![(input, "-1"), (output, "34")], None),
            (vec![(input, "many"), (output, "34")], None),
            (vec![(output, "34")], None),
            (vec![], None),
        ] {
            assert_eq!(headers(&map(&pairs)).map(buckets), expected, "{pairs:?}");
        }
    }
}
