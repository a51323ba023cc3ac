//! Reads usage from Bedrock's documents as they pass.

use byok_domain::{AnswerReader, ErrorClass, Findings, Seen, Usage};
use http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::usage;
use crate::json_fields::JsonFields;
use crate::provider::Route;
use crate::wire_usage::{Count, service_tier};

const FIELDS: [&str; 7] = [
    "usage",
    "serviceTier",
    "inputTextTokenCount",
    "prompt_token_count",
    "generation_token_count",
    "results",
    "finish_reasons",
];

/// The answer of an operation that answers at once. The model it names is the vendor's name for it,
/// which has no price here: the one that was asked for stands.
pub(super) struct Document {
    fields: JsonFields,
    /// What AWS counted, where the document tells nothing.
    counted: Option<Usage>,
    tier: Option<String>,
    counts: Counts,
}

/// Whether a call is one that its answer's usage belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Tokens,
    /// The count is what was asked for, and free.
    Nothing,
    /// A look at something else.
    Unknown,
}

impl Document {
    pub(super) fn new(route: &Route, headers: &HeaderMap) -> Self {
        let tier = headers.get("x-amzn-bedrock-service-tier");
        Self {
            fields: JsonFields::new(&FIELDS),
            counted: usage::headers(headers),
            tier: tier.and_then(|value| value.to_str().ok()).map(str::to_owned),
            counts: match route.operation.name {
                "countTokens" => Counts::Nothing,
                _ if route.method == http::Method::POST => Counts::Tokens,
                _ => Counts::Unknown,
            },
        }
    }

    fn usage(&self) -> Option<Usage> {
        match self.counts {
            Counts::Nothing => return Some(Usage::default()),
            Counts::Unknown => return None,
            Counts::Tokens => {}
        }
        let mut usage = self.told().or(self.counted)?;
        let named = self.tier.as_deref().map(service_tier);
        usage.tier =
            self.fields.get("serviceTier").and_then(usage::tier).or(named).unwrap_or(usage.tier);
        Some(usage)
    }

    /// What the document itself says, in the form of whichever family of models it comes from.
    fn told(&self) -> Option<Usage> {
        if let Some(object) = self.fields.get("usage") {
            return usage::object(object);
        }
        if let Some(input) = self.fields.get("inputTextTokenCount") {
            let output = self.fields.get("results").map(titan_output);
            let output = output.unwrap_or(Some(Usage::default()))?.output;
            return Some(Usage { output, ..usage::counts(Some(input), None)? });
        }
        if let Some(reasons) = self.fields.get("finish_reasons") {
            return images_made(reasons);
        }
        let input = self.fields.get("prompt_token_count");
        usage::counts(input, self.fields.get("generation_token_count"))
    }
}

/// Stability's images: each that was made has `null` for a reason why not.
fn images_made(reasons: &[u8]) -> Option<Usage> {
    let reasons: Vec<Option<IgnoredAny>> = serde_json::from_slice(reasons).ok()?;
    let made = reasons.iter().filter(|reason| reason.is_none()).count();
    Some(Usage { images_out: u32::try_from(made).ok()?, ..Usage::default() })
}

/// The tokens of Titan's results; `None` for nonsense.
fn titan_output(results: &[u8]) -> Option<Usage> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Result {
        token_count: Count,
    }
    let results: Vec<Result> = serde_json::from_slice(results).ok()?;
    let mut output = 0_u64;
    for result in results {
        let Count::Of(count) = result.token_count else { return None };
        output = output.saturating_add(count);
    }
    Some(Usage { output, ..Usage::default() })
}

impl AnswerReader for Document {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        self.fields.push(chunk);
        Seen::More
    }

    fn finish(&mut self) -> Findings {
        // Whatever its framing says: half a document is no answer.
        let cut_off = self.fields.is_open();
        Findings {
            usage: if cut_off {
                self.counted.filter(|_| self.counts == Counts::Tokens)
            } else {
                self.usage()
            },
            error: cut_off.then_some(ErrorClass::Truncated),
            complete: true,
            ..Findings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::drop_in;
    use super::*;
    use byok_domain::usage::ServiceTier;
    use http::{HeaderName, HeaderValue, Method};

    fn read(
        path: &str,
        headers: &[(&'static str, &'static str)],
        text: &str,
        step: usize,
    ) -> Findings {
        let headers = headers
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect();
        let mut document = Document::new(&drop_in(&Method::POST, path), &headers);
        for chunk in text.as_bytes().chunks(step) {
            document.read(chunk);
        }
        document.finish()
    }

    const CONVERSE: &str = r#"{"metrics":{"latencyMs":800},"output":{"message":{"content":[{"text":"hi, \"usage\":{}"}],"role":"assistant"}},"serviceTier":{"type":"priority"},"stopReason":"end_turn","usage":{"inputTokens":10,"outputTokens":42,"totalTokens":552,"cacheReadInputTokens":300,"cacheWriteInputTokens":200}}"#;

    #[test]
    fn converse_tells_usage_and_tier_however_it_is_cut() {
        for step in 1..=CONVERSE.len() {
            let found = read("model/m/converse", &[], CONVERSE, step);
            let usage = found.usage.expect("usage");
            assert_eq!(
                (usage.input, usage.cache_read, usage.cache_write, usage.output),
                (10, 300, 200, 42)
            );
            assert_eq!(
                (usage.tier, found.error, found.complete),
                (ServiceTier::Priority, None, true)
            );
            assert_eq!(found.model, None);
        }
    }

    #[test]
    fn half_a_document_is_truncated_wherever_it_ends() {
        for end in 1..CONVERSE.len() {
            let found = read("model/m/converse", &[], &CONVERSE[..end], 50);
            assert_eq!((found.error, found.usage), (Some(ErrorClass::Truncated), None), "{end}");
        }
    }

    #[test]
    fn every_family_behind_invoke_is_read() {
        let counted =
            [("x-amzn-bedrock-input-token-count", "5"), ("x-amzn-bedrock-output-token-count", "6")];
        for (what, headers, text, expected) in [
            (
                "Anthropic",
                &[][..],
                r#"{"model":"claude-sonnet-4-5-20250929","type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":2}}"#,
                Some((1, 2)),
            ),
            (
                "Nova",
                &[],
                r#"{"output":{},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}"#,
                Some((3, 4)),
            ),
            (
                "Titan embeddings",
                &[],
                r#"{"embedding":[0.1],"inputTextTokenCount":9}"#,
                Some((9, 0)),
            ),
            (
                "Titan text",
                &[],
                r#"{"inputTextTokenCount":5,"results":[{"tokenCount":7,"outputText":"a"},{"tokenCount":1,"outputText":"b"}]}"#,
                Some((5, 8)),
            ),
            (
                "Llama",
                &[],
                r#"{"generation":"a","prompt_token_count":25,"generation_token_count":32,"stop_reason":"stop"}"#,
                Some((25, 32)),
            ),
            (
                "OpenAI's open models",
                &[],
                r#"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":3}}"#,
                Some((8, 3)),
            ),
            ("Cohere", &counted, r#"{"text":"hi","finish_reason":"COMPLETE"}"#, Some((5, 6))),
            ("Cohere without headers", &[], r#"{"text":"hi"}"#, None),
            ("nonsense with headers", &counted, r#"{"usage":{"input_tokens":-1}}"#, Some((5, 6))),
            ("nonsense", &[], r#"{"prompt_token_count":"x","generation_token_count":1}"#, None),
            (
                "Titan's nonsense",
                &[],
                r#"{"inputTextTokenCount":5,"results":[{"tokenCount":-1}]}"#,
                None,
            ),
        ] {
            let found = read("model/m/invoke", headers, text, 7);
            let seen = found.usage.map(|usage| (usage.input, usage.output));
            assert_eq!((seen, found.error), (expected, None), "{what}");
        }
    }

    #[test]
    fn images_that_were_made_are_counted_and_those_that_were_filtered_out_are_not() {
        for (reasons, made) in
            [("[null]", 1), (r#"["Filter reason: prompt"]"#, 0), ("[null,null]", 2)]
        {
            let text = format!(
                r#"{{"seeds":[1],"finish_reasons":{reasons},"images":["{}"]}}"#,
                "A".repeat(99_999)
            );
            let found = read("model/stability.sd3-5-large-v1:0/invoke", &[], &text, 1000);
            let usage = Usage { images_out: made, ..Usage::default() };
            assert_eq!(found.usage, Some(usage), "{reasons}");
        }
        let titan = r#"{"images":["AAAA"],"error":null}"#;
        assert_eq!(read("model/m/invoke", &[], titan, 9).usage, None);
    }

    #[test]
    fn counting_tokens_costs_nothing_and_a_header_names_the_tier() {
        let found = read("model/m/count-tokens", &[], r#"{"inputTokens":1234}"#, 4);
        assert_eq!(found.usage, Some(Usage::default()));
        let found = read(
            "model/m/invoke",
            &[("x-amzn-bedrock-service-tier", "flex")],
            r#"{"usage":{"input_tokens":1,"output_tokens":2}}"#,
            9,
        );
        assert_eq!(found.usage.expect("usage").tier, ServiceTier::Flex);
        let listed = drop_in(&Method::GET, "model-invocation-job/j");
        let mut document = Document::new(&listed, &HeaderMap::new());
        document.read(br#"{"usage":{"input_tokens":1,"output_tokens":2}}"#);
        assert_eq!(document.finish().usage, None);
    }
}
