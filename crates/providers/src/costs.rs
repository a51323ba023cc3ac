//! What calls cost at list price, from the bytes of their answers on: a case for each way in which
//! providers tell the same thing differently.

use byok_domain::Timestamp;
use byok_domain::pricing::{PriceBook, PriceTable};
use http::Method;

use crate::media_type::MediaType;
use crate::provider::find;

/// An answer: at which provider, to which path, asked for by which model, and its body.
struct Answer<'a>(&'a str, &'a str, &'a str, &'a str);

impl Answer<'_> {
    /// What it costs by the built-in table; `None` where that is not known.
    fn cost(&self) -> Option<String> {
        let Self(provider, path, asked, body) = *self;
        let found = find(provider).expect("a provider");
        let events = body.starts_with("data:") || body.starts_with("event:");
        let media = if events { MediaType::Events } else { MediaType::Json };
        let mut costs = [1, 7, body.len()].map(|step| {
            let mut reader = found.reader(&found.drop_in(&Method::POST, path), media);
            for chunk in body.as_bytes().chunks(step) {
                reader.read(chunk);
            }
            let findings = reader.finish();
            let names: Vec<&str> = findings.model.as_deref().into_iter().chain([asked]).collect();
            let book = PriceBook::new(PriceTable::default());
            let prices = book.find_any(None, provider, &names, Timestamp::from_millis(AT))?;
            Some(prices.cost(&findings.usage?)?.to_string())
        });
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{provider} {body}: {costs:?}");
        costs[0].take()
    }
}

/// A Monday, 09:00 UTC, when nothing is off-peak.
const AT: i64 = 1_795_424_400_000;

#[test]
fn answers_cost_what_was_worked_out_by_hand() {
    const CHAT: &str = "chat/completions";
    const CLAUDE: &str = r#""input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":42"#;
    let claude =
        |more: &str| format!(r#"{{"model":"claude-opus-5-5","usage":{{{CLAUDE}{more}}}}}"#);
    let tier = |tier: &str| {
        format!(
            r#"{{"model":"gpt-5.4-2026-03-05","service_tier":{tier},"usage":{{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{{"cached_tokens":64}},"completion_tokens_details":{{"reasoning_tokens":20}}}}}}"#
        )
    };
    let grok = |input: u32| {
        format!(
            r#"{{"model":"grok-4.20","usage":{{"prompt_tokens":{input},"completion_tokens":10,"total_tokens":{},"completion_tokens_details":{{"reasoning_tokens":30}}}}}}"#,
            input + 40
        )
    };
    let (standard, batch, fast) = (
        claude(r#","service_tier":"standard","speed":"standard","inference_geo":"global""#),
        claude(r#","service_tier":"batch""#),
        claude(r#","speed":"fast","inference_geo":"us""#),
    );
    let cases = [
        // (36 × 2.5 + 64 × .25 + 40 × 15) / 1e6: cached and reasoning tokens are inside.
        (Answer("openai", CHAT, "gpt-5.4", &tier("\"default\"")), Some("0.000706")),
        (Answer("openai", CHAT, "gpt-5.4", &tier("null")), Some("0.000706")),
        // What the answer says was served: (36 × 5 + 64 × .5 + 40 × 30) / 1e6, and half.
        (Answer("openai", CHAT, "gpt-5.4", &tier("\"priority\"")), Some("0.001412")),
        (Answer("openai", CHAT, "gpt-5.4", &tier("\"fast\"")), Some("0.001412")),
        (Answer("openai", CHAT, "gpt-5.4", &tier("\"flex\"")), Some("0.00035332")),
        (Answer("openai", CHAT, "gpt-5.4", &tier("\"newer\"")), Some("0.000706")),
        // (60 × 4 + 10 × .4 + 10 × 5 + 20 × 10 + 1 × 20) / 1e6
        (
            Answer(
                "openai",
                "responses",
                "gpt-5.6",
                r#"{"model":"gpt-5.6","usage":{"input_tokens":100,"output_tokens":1,"input_tokens_details":{"cached_tokens":10,"cache_write_tokens":30,"cache_write_tokens_details":{"ttl_30m_tokens":10,"ttl_12h_tokens":20}}}}"#,
            ),
            Some("0.000514"),
        ),
        // The whole prompt at the price over 272k, cached part included in its length:
        // (272,000 × 5 + 1 × .5 + 1 × 22.5) / 1e6
        (
            Answer(
                "openai",
                CHAT,
                "gpt-5.4",
                r#"{"model":"gpt-5.4","usage":{"prompt_tokens":272001,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":1}}}"#,
            ),
            Some("1.360023"),
        ),
        // (272,000 × 2.5 + 1 × 15) / 1e6
        (
            Answer(
                "openai",
                CHAT,
                "gpt-5.4",
                r#"{"model":"gpt-5.4","usage":{"prompt_tokens":272000,"completion_tokens":1}}"#,
            ),
            Some("0.680015"),
        ),
        // A running total in every chunk, told again at the end, is no sum: (8 × 2 + 3 × 8) / 1e6
        (
            Answer(
                "openai",
                CHAT,
                "gpt-4.1",
                "data: {\"model\":\"gpt-4.1\",\"choices\":[{}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":1}}\n\ndata: {\"model\":\"gpt-4.1\",\"choices\":[{}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":3}}\n\ndata: {\"model\":\"gpt-4.1\",\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
            ),
            Some("0.00004"),
        ),
        (Answer("openai", CHAT, "gpt-5.4", r#"{"model":"gpt-5.4","choices":[]}"#), None),
        (Answer("openai", CHAT, "gpt-5.4", r#"{"model":"gpt-5.4","usage":null}"#), None),
        (
            Answer(
                "openai",
                CHAT,
                "gpt-5.4",
                r#"{"model":"gpt-5.4","usage":{"prompt_tokens":1e18}}"#,
            ),
            None,
        ),
        (
            Answer(
                "openai",
                "moderations",
                "omni-moderation-latest",
                r#"{"model":"omni-moderation-latest","usage":{"prompt_tokens":5}}"#,
            ),
            None,
        ),
        // Azure names a deployment, its answer the model: (36 × 2.5 + 64 × 1.25 + 40 × 10) / 1e6
        (
            Answer(
                "azure-openai",
                "openai/v1/chat/completions",
                "my-deployment",
                r#"{"model":"gpt-4o-2024-11-20","prompt_filter_results":[],"usage":{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":64}}}"#,
            ),
            Some("0.00057"),
        ),
        // (10 × 4 + 300 × .2 + 150 × 5 + 50 × 8 + 42 × 20) / 1e6: caches beside the input.
        (Answer("anthropic", "v1/messages", "claude-opus-5-5", &standard), Some("0.00209")),
        // (10 × 2 + 300 × .1 + 150 × 2.5 + 50 × 8 + 42 × 10) / 1e6: no batch price for an hour.
        (Answer("anthropic", "v1/messages", "claude-opus-5-5", &batch), Some("0.001245")),
        // 0.00209 × 2 × 1.1
        (Answer("anthropic", "v1/messages", "claude-opus-5-5", &fast), Some("0.004598")),
        // Totals grow from event to event: (10 × 4 + 42 × 20) / 1e6
        (
            Answer(
                "anthropic",
                "v1/messages",
                "claude-opus-5-5",
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-opus-5-5\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":40}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":42}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ),
            Some("0.00088"),
        ),
        // Thoughts beside the candidates, tools' prompts beside the prompt:
        // (65 × 1.25 + 40 × .125 + 50 × 10) / 1e6
        (
            Answer(
                "google",
                "v1beta/models/gemini-2.5-pro:generateContent",
                "models/gemini-2.5-pro",
                r#"{"candidates":[],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":30,"cachedContentTokenCount":40,"toolUsePromptTokenCount":5,"totalTokenCount":155}}"#,
            ),
            Some("0.00058625"),
        ),
        // A profile of an area has its own row: (10 × 3.3 + 300 × .33 + 200 × 4.125 + 42 × 16.5) / 1e6
        (
            Answer(
                "bedrock",
                "model/m/converse",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                r#"{"usage":{"inputTokens":10,"outputTokens":42,"totalTokens":552,"cacheReadInputTokens":300,"cacheWriteInputTokens":200}}"#,
            ),
            Some("0.00165"),
        ),
        // One without a row costs what the model does: (10 × 3 + 42 × 15) / 1e6
        (
            Answer(
                "bedrock",
                "model/m/converse",
                "ca.anthropic.claude-sonnet-4-5-20250929-v1:0",
                r#"{"usage":{"inputTokens":10,"outputTokens":42,"totalTokens":52}}"#,
            ),
            Some("0.00066"),
        ),
        // (10 × 1.4 + 20 × 5.6) / 1e6
        (
            Answer(
                "bedrock",
                "model/m/converse",
                "amazon.nova-pro-v1:0",
                r#"{"serviceTier":{"type":"priority"},"usage":{"inputTokens":10,"outputTokens":20}}"#,
            ),
            Some("0.000126"),
        ),
        // What is billed, not the templates: (8 × 2.5 + 20 × 10) / 1e6
        (
            Answer(
                "cohere",
                "v2/chat",
                "command-a-03-2025",
                r#"{"usage":{"billed_units":{"input_tokens":8.0,"output_tokens":20},"tokens":{"input_tokens":74,"output_tokens":20},"cached_tokens":64}}"#,
            ),
            Some("0.00022"),
        ),
        (
            Answer(
                "cohere",
                "v2/rerank",
                "rerank-v3.5",
                r#"{"results":[],"meta":{"billed_units":{"search_units":2}}}"#,
            ),
            Some("0.004"),
        ),
        // (36 × .5 + 64 × .05 + 40 × 1.5) / 1e6, under either name of the cache.
        (
            Answer(
                "mistral",
                "v1/chat/completions",
                "mistral-large-latest",
                r#"{"model":"mistral-large-latest","usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"num_cached_tokens":64}}"#,
            ),
            Some("0.0000812"),
        ),
        (
            Answer(
                "mistral",
                "v1/chat/completions",
                "mistral-large-latest",
                r#"{"model":"mistral-large-latest","usage":{"prompt_tokens":100,"completion_tokens":40,"num_cached_tokens":64,"prompt_tokens_details":{"cached_tokens":64}}}"#,
            ),
            Some("0.0000812"),
        ),
        // Reasoning beside the completion, the dearer price from 200,000 on:
        // (199,999 × 1.25 + 40 × 2.5) / 1e6 and (200,000 × 2.5 + 40 × 5) / 1e6
        (Answer("xai", CHAT, "grok-4.20", &grok(199_999)), Some("0.25009875")),
        (Answer("xai", CHAT, "grok-4.20", &grok(200_000)), Some("0.5002")),
        (
            Answer(
                "xai",
                CHAT,
                "grok-4.20",
                r#"{"model":"grok-4.20","usage":{"prompt_tokens":8,"completion_tokens":2,"num_sources_used":3}}"#,
            ),
            None,
        ),
        // (36 × .28 + 64 × .028 + 40 × .42) / 1e6, after the empty lines it waits with.
        (
            Answer(
                "deepseek",
                CHAT,
                "deepseek-chat",
                "\n\n{\"model\":\"deepseek-chat\",\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":40,\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":36,\"prompt_tokens_details\":{\"cached_tokens\":64}}}",
            ),
            Some("0.000028672"),
        ),
        // Told twice in one stream: (20 × .15 + 5 × .6) / 1e6
        (
            Answer(
                "groq",
                CHAT,
                "openai/gpt-oss-120b",
                "data: {\"model\":\"openai/gpt-oss-120b\",\"choices\":[{\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"queue_time\":0.1,\"prompt_tokens\":20,\"completion_tokens\":5}}}\n\ndata: {\"model\":\"openai/gpt-oss-120b\",\"service_tier\":\"on_demand\",\"choices\":[],\"usage\":{\"queue_time\":0.1,\"prompt_tokens\":20,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n",
            ),
            Some("0.000006"),
        ),
        // Usage on the last choice: (10 × .6 + 10 × 1.7) / 1e6
        (
            Answer(
                "together",
                CHAT,
                "deepseek-ai/DeepSeek-V3.1",
                "data: {\"model\":\"deepseek-ai/DeepSeek-V3.1\",\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":10}}\n\ndata: [DONE]\n\n",
            ),
            Some("0.000023"),
        ),
        // (10 × .56 + 10 × 1.68) / 1e6
        (
            Answer(
                "fireworks",
                CHAT,
                "accounts/fireworks/models/deepseek-v3p1",
                r#"{"model":"accounts/fireworks/models/deepseek-v3p1","usage":{"prompt_tokens":10,"completion_tokens":10}}"#,
            ),
            Some("0.0000224"),
        ),
        // A maker's price where the host has no row: (10 × 2.5 + 10 × 15) / 1e6
        (
            Answer(
                "openrouter",
                CHAT,
                "openai/gpt-5.4-2026-03-05",
                r#"{"model":"openai/gpt-5.4-2026-03-05","usage":{"prompt_tokens":10,"completion_tokens":10}}"#,
            ),
            Some("0.000175"),
        ),
    ];
    for (answer, expected) in cases {
        let Answer(provider, _, asked, body) = answer;
        assert_eq!(answer.cost().as_deref(), expected, "{provider} {asked}: {body}");
    }
}
