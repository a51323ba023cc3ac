//! Google's usage reports, read tolerantly.

use byok_domain::Usage;
use serde::Deserialize;

use crate::wire_usage::{Count, service_tier};

/// `usageMetadata` of generated content and embeddings, and the `usage` of interactions. In a
/// stream each report counts from its beginning, and a later one may leave fields out.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(alias = "total_input_tokens")]
    prompt_token_count: Count,
    #[serde(alias = "total_output_tokens")]
    candidates_token_count: Count,
    #[serde(alias = "total_thought_tokens")]
    thoughts_token_count: Count,
    #[serde(alias = "total_tool_use_tokens")]
    tool_use_prompt_token_count: Count,
    #[serde(alias = "total_cached_tokens")]
    cached_content_token_count: Count,
    #[serde(alias = "total_tokens")]
    total_token_count: Count,
    #[serde(alias = "input_tokens_by_modality")]
    prompt_tokens_details: Option<Vec<Modality>>,
    #[serde(alias = "tool_use_tokens_by_modality")]
    tool_use_prompt_tokens_details: Option<Vec<Modality>>,
    #[serde(alias = "cached_tokens_by_modality")]
    cache_tokens_details: Option<Vec<Modality>>,
    #[serde(alias = "output_tokens_by_modality")]
    candidates_tokens_details: Option<Vec<Modality>>,
    #[serde(rename = "grounding_tool_count")]
    grounding: Option<Vec<Grounding>>,
    service_tier: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Grounding {
    #[serde(rename = "type")]
    kind: String,
    count: Count,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Modality {
    modality: String,
    #[serde(alias = "tokens")]
    token_count: Count,
}

/// What a list of details says of the kinds of tokens that have prices of their own.
#[derive(Clone, Copy, Default)]
struct Kinds {
    audio: u64,
    image: u64,
    video: u64,
}

impl Kinds {
    fn of(details: &[Modality]) -> Self {
        let sum = |name: &str| {
            let named = details.iter().filter(|d| d.modality.eq_ignore_ascii_case(name));
            named.map(|d| d.token_count.or_zero()).fold(0, u64::saturating_add)
        };
        Self { audio: sum("AUDIO"), image: sum("IMAGE"), video: sum("VIDEO") }
    }

    /// In the order of `of`, with another operation for each kind.
    fn with(self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        Self {
            audio: combine(self.audio, other.audio),
            image: combine(self.image, other.image),
            video: combine(self.video, other.video),
        }
    }
}

/// All that an answer's reports have said so far, the last word on each field.
#[derive(Default)]
pub(super) struct Report {
    prompt: Count,
    candidates: Count,
    thoughts: Count,
    tools: Count,
    cached: Count,
    total: Count,
    prompt_kinds: Kinds,
    tool_kinds: Kinds,
    cached_kinds: Kinds,
    output_kinds: Kinds,
    tier: Option<String>,
    searches: u64,
    maps_queries: u64,
    unreadable: bool,
}

impl Report {
    /// Takes in a report. One that cannot be read makes the usage unknown until a later one can.
    pub(super) fn merge(&mut self, raw: &[u8]) {
        if raw.trim_ascii() == b"null" {
            return;
        }
        // An array would be taken for the fields in their order.
        let object = raw.trim_ascii_start().starts_with(b"{");
        let wire = object.then(|| serde_json::from_slice::<Wire>(raw).ok()).flatten();
        self.unreadable = wire.is_none();
        let Some(wire) = wire else { return };
        for (kept, told) in [
            (&mut self.prompt, wire.prompt_token_count),
            (&mut self.candidates, wire.candidates_token_count),
            (&mut self.thoughts, wire.thoughts_token_count),
            (&mut self.tools, wire.tool_use_prompt_token_count),
            (&mut self.cached, wire.cached_content_token_count),
            (&mut self.total, wire.total_token_count),
        ] {
            if told != Count::Absent {
                *kept = told;
            }
        }
        for (kept, told) in [
            (&mut self.prompt_kinds, wire.prompt_tokens_details),
            (&mut self.tool_kinds, wire.tool_use_prompt_tokens_details),
            (&mut self.cached_kinds, wire.cache_tokens_details),
            (&mut self.output_kinds, wire.candidates_tokens_details),
        ] {
            if let Some(details) = told {
                *kept = Kinds::of(&details);
            }
        }
        if let Some(grounding) = wire.grounding {
            let sum = |kind: &str| {
                let named = grounding.iter().filter(|tool| tool.kind == kind);
                named.map(|tool| tool.count.or_zero()).fold(0, u64::saturating_add)
            };
            (self.searches, self.maps_queries) = (sum("google_search"), sum("google_maps"));
        }
        self.tier = wire.service_tier.or(self.tier.take());
    }

    /// The usage that was reported; `None` when nothing was, or nonsense.
    pub(super) fn usage(&self) -> Option<Usage> {
        let told = [self.prompt, self.candidates, self.thoughts, self.tools];
        if self.unreadable
            || told.contains(&Count::Nonsense)
            || self.cached == Count::Nonsense
            || told.iter().all(|count| *count == Count::Absent)
        {
            return None;
        }
        let [prompt, candidates, thoughts, tools] = told.map(Count::or_zero);
        let cached = self.cached.or_zero();
        // Cached tokens are inside the prompt; where they cannot be, they stand beside it.
        let uncached = if cached > prompt { prompt } else { prompt - cached };
        let input = uncached + tools;
        // Thoughts stand beside the candidates, unless the total says that they are inside.
        let thoughts_inside = thoughts > 0
            && thoughts <= candidates
            && self.total == Count::Of(prompt + tools + candidates);
        let output = if thoughts_inside { candidates } else { candidates + thoughts };
        let input_kinds = self
            .prompt_kinds
            .with(self.cached_kinds, u64::saturating_sub)
            .with(self.tool_kinds, u64::saturating_add);
        let tier = self.tier.as_deref().map(str::to_ascii_lowercase);
        Some(Usage {
            input,
            cache_read: cached,
            output,
            reasoning: thoughts.min(output),
            audio_input: input_kinds.audio.min(input),
            image_input: input_kinds.image.min(input),
            video_input: input_kinds.video.min(input),
            audio_output: self.output_kinds.audio.min(output),
            image_output: self.output_kinds.image.min(output),
            video_output: self.output_kinds.video.min(output),
            web_searches: self.searches,
            maps_queries: self.maps_queries,
            tier: tier.map(|tier| service_tier(&tier)).unwrap_or_default(),
            ..Usage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use byok_domain::Timestamp;
    use byok_domain::pricing::{PriceBook, PriceTable};
    use byok_domain::usage::ServiceTier;

    use super::*;

    fn read(reports: &[&str]) -> Option<Usage> {
        let mut report = Report::default();
        reports.iter().for_each(|raw| report.merge(raw.as_bytes()));
        report.usage()
    }

    fn cost(model: &str, report: &str) -> String {
        let book = PriceBook::new(PriceTable::default());
        let prices = book.find(None, "google", model, Timestamp::default()).expect("a row");
        prices.cost(&read(&[report]).expect("usage")).expect("a cost").to_string()
    }

    #[test]
    fn every_bucket_is_filled_once() {
        let usage = read(&[r#"{"promptTokenCount":100,"candidatesTokenCount":20,
            "thoughtsTokenCount":30,"cachedContentTokenCount":40,"toolUsePromptTokenCount":5,
            "totalTokenCount":155,"serviceTier":"flex"}"#])
        .expect("usage");
        assert_eq!((usage.input, usage.cache_read, usage.output), (65, 40, 50));
        assert_eq!((usage.input_total(), usage.reasoning, usage.total()), (105, 30, 155));
        assert_eq!(usage.tier, ServiceTier::Flex);
    }

    #[test]
    fn audio_and_images_are_found_by_modality_without_their_cached_part() {
        let usage = read(&[r#"{"promptTokenCount":100,"candidatesTokenCount":90,
            "cachedContentTokenCount":30,"toolUsePromptTokenCount":8,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":10},
                {"modality":"AUDIO","tokenCount":50},{"modality":"IMAGE","tokenCount":40}],
            "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":30}],
            "toolUsePromptTokensDetails":[{"modality":"IMAGE","tokenCount":2}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":70},
                {"modality":"AUDIO","tokenCount":7},{"modality":"TEXT"}]}"#])
        .expect("usage");
        assert_eq!((usage.input, usage.audio_input, usage.image_input), (78, 20, 42));
        assert_eq!((usage.output, usage.audio_output, usage.image_output), (90, 7, 70));
    }

    #[test]
    fn the_last_word_on_each_field_counts_and_none_is_summed() {
        let usage = read(&[
            r#"{"promptTokenCount":10,"thoughtsTokenCount":30,"totalTokenCount":40}"#,
            "null",
            r#"{"promptTokenCount":10,"candidatesTokenCount":2,"totalTokenCount":42}"#,
            r#"{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":45}"#,
        ])
        .expect("usage");
        assert_eq!((usage.input, usage.output, usage.reasoning), (10, 35, 30));
    }

    #[test]
    fn thoughts_are_added_unless_the_total_shows_them_inside() {
        for (thoughts, total, output) in [
            (30, "", 50),
            (30, r#","totalTokenCount":60"#, 50),
            // Inside, the total would be 30: but more thoughts than candidates cannot be inside.
            (30, r#","totalTokenCount":30"#, 50),
            (15, r#","totalTokenCount":30"#, 20),
            (15, r#","totalTokenCount":45"#, 35),
        ] {
            let report = format!(
                r#"{{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":{thoughts}{total}}}"#
            );
            let usage = read(&[&report]).expect("usage");
            assert_eq!((usage.output, usage.reasoning), (output, thoughts), "{report}");
        }
    }

    #[test]
    fn interactions_name_the_same_things_otherwise() {
        let usage = read(&[r#"{"total_input_tokens":100,"total_output_tokens":20,
            "total_thought_tokens":30,"total_cached_tokens":40,"total_tool_use_tokens":5,
            "total_tokens":155,"input_tokens_by_modality":[{"modality":"text","tokens":70},
                {"modality":"audio","tokens":20},{"modality":"video","tokens":10}],
            "cached_tokens_by_modality":[{"modality":"audio","tokens":15}],
            "tool_use_tokens_by_modality":[{"modality":"image","tokens":3}],
            "output_tokens_by_modality":[{"modality":"video","tokens":12}],
            "grounding_tool_count":[{"type":"google_search","count":2},
                {"type":"google_maps","count":3},{"type":"retrieval","count":9}]}"#])
        .expect("usage");
        assert_eq!((usage.audio_input, usage.video_input, usage.image_input), (5, 10, 3));
        assert_eq!((usage.video_output, usage.web_searches, usage.maps_queries), (12, 2, 3));
        assert_eq!(
            (usage.input, usage.cache_read, usage.output, usage.reasoning),
            (65, 40, 50, 30)
        );
    }

    #[test]
    fn nonsense_is_unknown_and_never_a_charge() {
        for report in [
            "{}",
            "[]",
            "[5,5]",
            "7",
            "\"10\"",
            r#"{"totalTokenCount":12}"#,
            r#"{"promptTokenCount":-1,"candidatesTokenCount":1}"#,
            r#"{"promptTokenCount":1e18}"#,
            r#"{"promptTokenCount":"8"}"#,
            r#"{"promptTokenCount":8,"candidatesTokenCount":1.5}"#,
            r#"{"promptTokenCount":8,"thoughtsTokenCount":{"n":1}}"#,
            r#"{"promptTokenCount":8,"promptTokenCount":9}"#,
            r#"{"promptTokenCount":8,"promptTokensDetails":7}"#,
            r#"{"promptTokenCount":8,"cachedContentTokenCount":-3}"#,
        ] {
            assert_eq!(read(&[report]), None, "{report}");
            assert_eq!(
                read(&[r#"{"promptTokenCount":1}"#, report]).map(|u| u.input),
                match report {
                    "{}" | r#"{"totalTokenCount":12}"# => Some(1),
                    _ => None,
                },
                "after a good one: {report}"
            );
        }
        let zero = read(&[r#"{"promptTokenCount":0,"totalTokenCount":0}"#]);
        assert_eq!(zero, Some(Usage::default()), "a reported zero stays zero");
        let beside = read(&[r#"{"promptTokenCount":10,"cachedContentTokenCount":300}"#]);
        assert_eq!(beside.map(|u| (u.input, u.cache_read)), Some((10, 300)));
        let clamped = read(&[
            r#"{"promptTokenCount":4,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":9}]}"#,
        ]);
        assert_eq!(clamped.map(|u| u.audio_input), Some(4));
    }

    #[test]
    fn costs_are_the_list_price_worked_out_by_hand() {
        for (model, report, usd) in [
            // (65 × 1.25 + 40 × 0.125 + 50 × 10) / 1e6
            (
                "gemini-2.5-pro",
                r#"{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":30,
                    "cachedContentTokenCount":40,"toolUsePromptTokenCount":5}"#,
                "0.00058625",
            ),
            // The whole prompt at the price over 200k: (200,001 × 2.5 + 10 × 15) / 1e6
            (
                "models/gemini-2.5-pro",
                r#"{"promptTokenCount":200001,"candidatesTokenCount":10}"#,
                "0.5001525",
            ),
            // (50 × 0.3 + 50 × 1 + 10 × 2.5) / 1e6
            (
                "gemini-2.5-flash",
                r#"{"promptTokenCount":100,"candidatesTokenCount":10,
                    "promptTokensDetails":[{"modality":"AUDIO","tokenCount":50}]}"#,
                "0.00009",
            ),
            // (10 × 0.3 + 1290 × 30 + 10 × 2.5) / 1e6
            (
                "gemini-2.5-flash-image",
                r#"{"promptTokenCount":10,"candidatesTokenCount":1300,
                    "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}"#,
                "0.038728",
            ),
            // (40 × 0.2 + 60 × 12) / 1e6
            (
                "gemini-embedding-2",
                r#"{"promptTokenCount":100,
                    "promptTokensDetails":[{"modality":"VIDEO","tokenCount":60}]}"#,
                "0.000728",
            ),
            // (10 × 1.5 + 900 × 17.5 + 100 × 9) / 1e6
            (
                "gemini-omni-1.1-flash",
                r#"{"promptTokenCount":10,"candidatesTokenCount":1000,
                    "candidatesTokensDetails":[{"modality":"VIDEO","tokenCount":900}]}"#,
                "0.016665",
            ),
            // (90 × 0.3 + 10 × 1 + 10 × 2.5) / 1e6 + 0.025
            (
                "gemini-2.5-flash",
                r#"{"total_input_tokens":100,"total_output_tokens":10,
                    "input_tokens_by_modality":[{"modality":"audio","tokens":10}],
                    "grounding_tool_count":[{"type":"google_maps","count":1}]}"#,
                "0.025062",
            ),
            // 1000 × 0.15 / 1e6
            ("gemini-embedding-001", r#"{"promptTokenCount":1000}"#, "0.00015"),
        ] {
            assert_eq!(cost(model, report), usd, "{model} {report}");
        }
    }
}
