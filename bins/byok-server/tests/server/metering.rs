//! What each kind of call leaves behind: one row, its usage and its exact price.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::support::{
    KEY, Launch, Request, Server, chat, chat_for, form, provider, serving, streamed_chat,
};

/// The number that this decimal is in JSON.
fn usd(decimal: &str) -> Value {
    serde_json::from_str(decimal).expect("a number, or null")
}

/// What a row says of usage and price: model, whether streamed, tokens in and out, USD.
type Told = (&'static str, bool, Option<(u64, u64)>, &'static str);

fn assert_row(row: &Value, told: Told) {
    let (model, streamed, tokens, cost) = told;
    assert_eq!(row["model"], json!((!model.is_empty()).then_some(model)), "{row}");
    assert_eq!((&row["streamed"], &row["success"]), (&json!(streamed), &json!(true)), "{row}");
    assert_eq!((&row["statusCode"], &row["errorClass"]), (&json!(200), &Value::Null), "{row}");
    assert_eq!(row["inputTokens"], json!(tokens.map(|(input, _)| input)), "{row}");
    assert_eq!(row["outputTokens"], json!(tokens.map(|(_, output)| output)), "{row}");
    assert_eq!(row["totalTokens"], json!(tokens.map(|(input, output)| input + output)), "{row}");
    assert_eq!(row["costUsd"], usd(cost), "{row}");
    assert_eq!((&row["source"], &row["creditsCharged"]), (&json!("byok"), &json!(0)), "{row}");
    assert!(row["latencyMs"].as_u64().is_some_and(|ms| ms < 20_000), "{row}");
    assert!(row["createdAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{row}");
}

fn posted(server: &Server, path: &str, payload: &Value) -> Request {
    server.post(&format!("/v1/{path}")).by("customer").json(payload)
}

#[test]
fn every_kind_of_call_leaves_its_row_with_usage_and_exact_cost() {
    let (_provider, server) = serving();
    let tokens = Some((11, 7));
    let form = |model: &str| {
        let parts = [form::file("file", "a.wav", &[7; 3000]), form::field("model", model)].concat();
        server.post("/v1/audio/transcriptions").by("customer").body(form::TYPE, form::whole(&parts))
    };
    let text = |model: &str, stream: bool| json!({"model": model, "input": "Hi", "prompt": "Hi", "stream": stream});
    let text_cost = "0.00000585";
    let cases: [(&str, Request, Told); 14] = [
        (
            "chat/completions",
            posted(&server, "chat/completions", &chat()),
            ("gpt-4o-mini", false, tokens, text_cost),
        ),
        (
            "chat/completions",
            posted(&server, "chat/completions", &streamed_chat()),
            ("gpt-4o-mini", true, tokens, text_cost),
        ),
        (
            "responses",
            posted(&server, "responses", &text("gpt-4o-mini", false)),
            ("gpt-4o-mini", false, tokens, text_cost),
        ),
        (
            "responses",
            posted(&server, "responses", &text("gpt-4o-mini", true)),
            ("gpt-4o-mini", true, tokens, text_cost),
        ),
        (
            "completions",
            posted(&server, "completions", &text("gpt-3.5-turbo-instruct", false)),
            ("gpt-3.5-turbo-instruct", false, tokens, "0.0000305"),
        ),
        (
            "completions",
            posted(&server, "completions", &text("gpt-3.5-turbo-instruct", true)),
            ("gpt-3.5-turbo-instruct", true, tokens, "0.0000305"),
        ),
        (
            "embeddings",
            posted(&server, "embeddings", &text("text-embedding-3-small", false)),
            ("text-embedding-3-small", false, Some((11, 0)), "0.00000022"),
        ),
        (
            "moderations",
            posted(&server, "moderations", &text("omni-moderation-latest", false)),
            ("omni-moderation-latest", false, None, "null"),
        ),
        (
            "images/generations",
            posted(&server, "images/generations", &text("gpt-image-1", false)),
            ("gpt-image-1", false, Some((11, 1056)), "0.042295"),
        ),
        (
            "audio/speech",
            posted(
                &server,
                "audio/speech",
                &json!({"model": "tts-1", "input": "Hellö, 世界!", "voice": "alloy"}),
            ),
            ("tts-1", false, None, "0.00015"),
        ),
        ("audio/transcriptions", form("whisper-1"), ("whisper-1", false, None, "0.0009")),
        (
            "audio/transcriptions",
            form("gpt-4o-transcribe"),
            ("gpt-4o-transcribe", false, Some((11, 3)), "0.0000575"),
        ),
        ("models", server.get("/v1/models").by("customer"), ("", false, None, "null")),
        (
            "responses/{id}",
            server.get("/v1/responses/resp_1").by("customer"),
            ("gpt-4o-mini", false, None, "null"),
        ),
    ];
    for (operation, asked, told) in cases {
        let reply = asked.send();
        reply.answered();
        let row = server.row(&reply);
        assert_eq!(row["operation"], operation);
        assert_eq!((&row["refId"], &row["provider"]), (&json!("customer"), &json!("openai")));
        assert_row(&row, told);
    }
    assert_eq!(server.calls("customer").len(), 14);
}

#[test]
fn a_model_without_a_price_is_listed_and_priced_from_the_moment_it_has_one() {
    let (_provider, server) = serving();
    let call = || server.chat("customer", &chat_for("my-finetune")).send();
    let unpriced = server.row(&call());
    assert_eq!((&unpriced["costUsd"], &unpriced["totalTokens"]), (&Value::Null, &json!(18)));
    let usage = server.get("/usage").send().json();
    assert_eq!(
        usage["unknownModels"],
        json!([{"provider": "openai", "model": "my-finetune", "requests": 1, "totalTokens": 18}])
    );
    assert_eq!(usage["totals"]["costUsd"], Value::Null, "unknown is not nothing");

    let prices = json!({"overrides": {"openai": {"my-finetune": {"input": 0.5, "output": 2.5}}}});
    server
        .patch("/projects/PROJECT/pricing".replace("PROJECT", &server.keys.project).as_str())
        .json(&prices)
        .send()
        .answered();
    assert_eq!(server.row(&call())["costUsd"], usd("0.000023"));
    for bad in [json!(-1), json!("0.5"), json!(1e300), json!({"x": 1}), json!(true)] {
        let bad = json!({"overrides": {"openai": {"other": {"input": 1, "output": 1}, "my-finetune": {"input": bad}}}});
        assert_eq!(
            server.patch("/pricing").json(&bad).send().refusal(),
            (422, "validation_failed".to_owned())
        );
    }
    let kept = server.get("/pricing").send().json();
    assert_eq!(kept["overrides"], prices["overrides"], "a bad change changes nothing");

    let dearer = json!({"overrides": {"openai": {"gpt-4o-mini": {"input": 1000000, "output": 0}}}});
    server.patch("/pricing").json(&dearer).send().answered();
    let row = server.row(&server.chat("customer", &chat()).send());
    assert_eq!(row["costUsd"], usd("11"), "an override goes before the built-in price");
    server.delete("/pricing").send().answered();
    let row = server.row(&server.chat("customer", &chat()).send());
    assert_eq!(row["costUsd"], usd("0.00000585"));
    assert_eq!(server.row(&call())["costUsd"], Value::Null);

    let usage = server.get("/usage?refId=customer").send().json();
    assert_eq!(usage["totals"]["requests"], 5);
    assert_eq!(usage["totals"]["costUsd"], usd("11.00002885"));
    assert_eq!(usage["unknownModels"][0]["requests"], 2);
}

#[test]
fn prices_of_the_operator_stand_between_a_projects_and_the_built_in_ones() {
    let provider = provider();
    let pricing = r#"{"openai": {"house-model": {"input": 1, "output": 1}, "gpt-4o-mini": {"input": 2, "output": 2}}}"#;
    let server = Launch::quickstart(&provider).with("BYO_MODEL_PRICING", pricing).start();
    server.connect("customer", KEY);
    let cost = |model: &str| {
        server.row(&server.chat("customer", &chat_for(model)).send())["costUsd"].clone()
    };
    assert_eq!(cost("house-model"), usd("0.000018"));
    assert_eq!(cost("gpt-4o-mini"), usd("0.000036"));
    assert_eq!(cost("gpt-4o"), usd("0.0000975"));
    let own = json!({"overrides": {"openai": {"house-model": {"input": 3, "output": 3}}}});
    server.patch("/pricing").json(&own).send().answered();
    assert_eq!(cost("house-model"), usd("0.000054"));
}

#[test]
fn nonsense_for_usage_is_unknown_and_zero_is_zero() {
    let (provider, server) = serving();
    for (usage, input, total, cost) in [
        (json!(null), json!(null), json!(null), "null"),
        (json!({}), json!(null), json!(null), "null"),
        (json!({"prompt_tokens": -1, "completion_tokens": 7}), json!(null), json!(null), "null"),
        (json!({"prompt_tokens": "11", "completion_tokens": 7}), json!(null), json!(null), "null"),
        (json!({"prompt_tokens": 1.5, "completion_tokens": 7}), json!(null), json!(null), "null"),
        (json!({"prompt_tokens": 1e30, "completion_tokens": 7}), json!(null), json!(null), "null"),
        (json!([11, 7]), json!(null), json!(null), "null"),
        (json!("many"), json!(null), json!(null), "null"),
        (json!({"prompt_tokens": 0, "completion_tokens": 0}), json!(0), json!(0), "0"),
        (
            json!({"prompt_tokens": 11.0, "completion_tokens": 7}),
            json!(11),
            json!(18),
            "0.00000585",
        ),
        (
            json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 99}),
            json!(11),
            json!(18),
            "0.00000585",
        ),
    ] {
        let body = json!({"choices": [], "model": "gpt-4o-mini", "usage": usage});
        provider.answer_next(Answer::json(200, &body));
        let row = server.row(&server.chat("customer", &chat()).send());
        assert_eq!((&row["inputTokens"], &row["totalTokens"]), (&input, &total), "{usage}");
        assert_eq!(row["costUsd"], usd(cost), "{usage}");
        assert_eq!(row["success"], true, "{usage}");
    }
}

#[test]
fn usage_that_an_address_of_the_customers_claims_is_marked_as_its_word() {
    let provider = provider();
    let theirs = crate::support::provider();
    let server =
        Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.1/32").start();
    let config = json!({"providerConfig": {"baseUrl": theirs.base_url()}});
    server.connect_with("theirs", KEY, &config).answered();
    server.connect("ours", KEY);
    for (ref_id, reported) in [("theirs", true), ("ours", false)] {
        let row = server.row(&server.chat(ref_id, &chat()).send());
        assert_eq!(row["customerReported"], reported, "{ref_id}");
    }
    assert_eq!(theirs.requests().iter().filter(|seen| seen.method == "POST").count(), 1);
    assert_eq!(provider.requests().iter().filter(|seen| seen.method == "POST").count(), 1);
}
