//! Calls to Bedrock, by the envelope, the drop-in routes and the OpenAI-compatible ones.

use byok_testkit::fake_provider::{Answer, aws_event, aws_exception};
use serde_json::{Value, json};

use crate::rig::{GOOD_KEY, Reply, Rig};

const NOVA: &str = "amazon.nova-lite-v1:0";
const NOVA_PATH: &str = "/model/amazon.nova-lite-v1%3A0";
const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const ARN: &str =
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0";
const ARN_PATH: &str = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0";
const EVENTS: &str = "application/vnd.amazon.eventstream";
const CONVERSED: &str = r#"{"metrics":{"latencyMs":800}, "output":{"message":{"content":[{"text":"Ciao \u00e9"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"cacheReadInputTokens":300,"cacheWriteInputTokens":0,"inputTokens":10,"outputTokens":42,"totalTokens":352}}"#;

fn conversing() -> Vec<u8> {
    [
        aws_event("messageStart", r#"{"p":"abc","role":"assistant"}"#),
        aws_event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Ciao"}}"#),
        aws_event("messageStop", r#"{"stopReason":"end_turn"}"#),
        aws_event(
            "metadata",
            r#"{"metrics":{"latencyMs":800},"usage":{"cacheReadInputTokens":300,"inputTokens":10,"outputTokens":42,"totalTokens":352}}"#,
        ),
    ]
    .concat()
}

fn events(stream: &[u8]) -> Answer {
    Answer::new(200, EVENTS, stream.to_vec()).chunked().in_pieces_of(50)
}

fn messages() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})
}

/// A server and a customer with a Bedrock API key.
async fn connected() -> Rig {
    let rig = Rig::start().await;
    rig.provider.answer_next(Answer::json(200, &json!({"modelSummaries": []})));
    let config = json!({"region": "us-east-1"});
    assert_eq!(rig.connect_at("bedrock", "c1", config).await["status"], "valid");
    let asked = rig.provider.take_requests().remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/foundation-models"));
    assert_eq!(asked.bearer(), Some(GOOD_KEY));
    rig
}

/// 10 tokens at 0.06 USD a million, 300 read from a cache at 0.015, 42 put out at 0.24.
async fn is_paid(rig: &Rig, reply: &Reply, operation: &str, streamed: bool) {
    let row = rig.row(reply).await;
    assert_eq!((&row["provider"], &row["model"]), (&json!("bedrock"), &json!(NOVA)), "{row}");
    assert_eq!((&row["operation"], &row["streamed"]), (&json!(operation), &json!(streamed)));
    assert_eq!((&row["inputTokens"], &row["cacheReadTokens"]), (&json!(310), &json!(300)));
    assert_eq!(row["outputTokens"], 42);
    assert_eq!(row["costUsd"], json!(0.00001518), "{row}");
}

#[tokio::test]
async fn converse_is_relayed_as_it_is_and_paid() {
    let rig = connected().await;
    rig.provider.answer_next(
        Answer::new(200, "application/json", CONVERSED).header("x-amzn-requestid", "aws-1"),
    );
    let path = format!("/bedrock{NOVA_PATH}/converse");
    let reply = rig.dropped_in(&path, "c1", &messages()).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, CONVERSED));
    assert_eq!(reply.header("x-amzn-requestid"), Some("aws-1"));
    is_paid(&rig, &reply, "converse", false).await;

    rig.provider.answer_next(Answer::new(200, "application/json", CONVERSED));
    let mut payload = messages();
    payload["modelId"] = NOVA.into();
    let reply = rig.enveloped("bedrock/converse", "c1", &payload).await;
    assert!(reply.text.contains(CONVERSED), "{}", reply.text);
    assert_eq!(reply.ok()["costUsd"], json!(0.00001518));
    is_paid(&rig, &reply, "converse", false).await;

    for seen in rig.provider.take_requests() {
        assert_eq!(seen.target, format!("{NOVA_PATH}/converse"));
        assert_eq!(seen.json(), messages());
    }
}

#[tokio::test]
async fn frames_are_relayed_byte_for_byte_and_paid() {
    let rig = connected().await;
    let stream = conversing();
    let path = format!("/bedrock{NOVA_PATH}/converse-stream");
    rig.provider.answer_next(events(&stream));
    let dropped_in = rig.dropped_in(&path, "c1", &messages()).await;
    rig.provider.answer_next(events(&stream));
    let mut payload = messages();
    payload["modelId"] = NOVA.into();
    let enveloped = rig.enveloped("bedrock/converseStream", "c1", &payload).await;
    for reply in [dropped_in, enveloped] {
        assert!(reply.status == 200 && reply.whole);
        assert_eq!(reply.header("content-type"), Some(EVENTS));
        assert_eq!(reply.bytes, stream);
        is_paid(&rig, &reply, "converseStream", true).await;
    }
}

#[tokio::test]
async fn a_stream_cut_anywhere_ends_as_broken_with_one_row() {
    let rig = connected().await;
    let stream = conversing();
    let path = format!("/bedrock{NOVA_PATH}/converse-stream");
    for end in [1, 11, 12, 40, 130, stream.len() - 200, stream.len() - 1] {
        rig.provider.answer_next(events(&stream[..end]));
        let reply = rig.dropped_in(&path, "c1", &messages()).await;
        assert!(!reply.whole, "{end}");
        assert!(stream.starts_with(&reply.bytes), "{end}");
        assert_eq!(rig.row(&reply).await["errorClass"], "truncated", "{end}");
    }
    // A wrong checksum is AWS's to explain: its bytes pass, and are not believed.
    let mut wrong = stream.clone();
    *wrong.last_mut().expect("bytes") ^= 1;
    rig.provider.answer_next(events(&wrong));
    let reply = rig.dropped_in(&path, "c1", &messages()).await;
    assert_eq!((reply.whole, &reply.bytes), (false, &wrong));
    assert_eq!(rig.row(&reply).await["errorClass"], "truncated");
}

#[tokio::test]
async fn an_exception_inside_a_stream_is_the_calls_failure() {
    let rig = connected().await;
    let begun = aws_event("messageStart", r#"{"role":"assistant"}"#);
    let failed = aws_exception("throttlingException", r#"{"message":"Too many requests"}"#);
    let stream = [begun, failed].concat();
    rig.provider.answer_next(events(&stream));
    let path = format!("/bedrock{NOVA_PATH}/converse-stream");
    let reply = rig.dropped_in(&path, "c1", &messages()).await;
    assert!(reply.whole);
    assert_eq!(reply.bytes, stream);
    assert_eq!(rig.row(&reply).await["errorClass"], "rate_limited");
}

#[tokio::test]
async fn invocations_are_paid_by_the_models_own_words_or_awss_headers() {
    let rig = connected().await;
    let claude = r#"{"id":"m1","type":"message","model":"claude-sonnet-4-5-20250929","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":42}}"#;
    rig.provider.answer_next(Answer::new(200, "application/json", claude));
    let payload = json!({"anthropic_version": "bedrock-2023-05-31", "messages": []});
    let reply = rig.dropped_in(&format!("/bedrock/model/{CLAUDE}/invoke"), "c1", &payload).await;
    assert_eq!(reply.text, claude);
    // AnthropicBedrock leaves the colon as it is, and so does everything here.
    let seen = rig.provider.take_requests().remove(0);
    assert_eq!(seen.target, format!("/model/{CLAUDE}/invoke"));
    let row = rig.row(&reply).await;
    assert_eq!((&row["model"], &row["operation"]), (&json!(CLAUDE), &json!("invokeModel")));
    // 10 at 3 USD a million, 300 at 0.3, 150 at 3.75, 50 at 6, 42 at 15.
    assert_eq!(row["costUsd"], json!(0.0016125), "{row}");

    let answer = Answer::new(200, "application/json", r#"{"text":"Ciao"}"#)
        .header("x-amzn-bedrock-input-token-count", "11")
        .header("x-amzn-bedrock-output-token-count", "7");
    rig.provider.answer_next(answer);
    let payload = json!({"modelId": "cohere.command-r-v1:0", "message": "Hi"});
    let reply = rig.enveloped("bedrock/invokeModel", "c1", &payload).await;
    assert_eq!(reply.header("x-amzn-bedrock-input-token-count"), Some("11"));
    let row = rig.row(&reply).await;
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&json!(11), &json!(7)), "{row}");
}

#[tokio::test]
async fn a_body_is_taken_under_whatever_content_type_an_sdk_gives_it() {
    let rig = connected().await;
    for kind in ["", "application/octet-stream", "application/json; charset=utf-8"] {
        rig.provider.answer_next(Answer::new(200, "application/json", CONVERSED));
        let path = format!("/bedrock{NOVA_PATH}/invoke");
        let reply = rig.dropped_in_as(kind, &path, &messages()).await;
        is_paid(&rig, &reply, "invokeModel", false).await;
        let seen = rig.provider.take_requests().remove(0);
        assert_eq!(seen.header("content-type").unwrap_or_default(), kind);
        assert_eq!(seen.json(), messages());
    }
    assert_eq!(rig.dropped_in_as("", "/v1/chat/completions", &messages()).await.status, 415);
}

#[tokio::test]
async fn an_arn_goes_out_as_one_segment_signed_as_it_is_sent() {
    let rig = Rig::start().await;
    rig.provider.answer_with("/foundation-models", |_| Answer::json(200, &json!({})));
    let config = json!({
        "region": "eu-west-1", "accessKeyId": "ASIAIOSFODNN7EXAMPLE", "sessionToken": "tok/en==",
    });
    // The provider takes API keys only, unless told what to answer.
    rig.provider.answer_next(Answer::json(200, &json!({"modelSummaries": []})));
    assert_eq!(rig.connect_at("bedrock", "c1", config).await["status"], "valid");
    let mut payload = messages();
    payload["modelId"] = ARN.into();
    rig.provider.answer_next(Answer::new(200, "application/json", CONVERSED));
    rig.enveloped("bedrock/converse", "c1", &payload).await.ok();
    rig.provider.answer_next(Answer::new(200, "application/json", CONVERSED));
    let path = format!("/bedrock{ARN_PATH}/converse");
    assert_eq!(rig.dropped_in(&path, "c1", &messages()).await.status, 200);
    let seen = rig.provider.take_requests();
    assert_eq!(seen[0].target, "/foundation-models");
    for seen in &seen[1..] {
        assert_eq!(seen.target, format!("{ARN_PATH}/converse"));
    }
    for seen in &seen {
        let signed = seen.header("authorization").expect("signed");
        let begins = "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20270115/eu-west-1/bedrock/aws4_request, ";
        assert!(signed.starts_with(begins), "{signed}");
        assert_eq!(seen.header("x-amz-date"), Some("20270115T080000Z"));
        assert_eq!(seen.header("x-amz-security-token"), Some("tok/en=="));
        let head = String::from_utf8_lossy(&seen.head).into_owned();
        assert!(!head.contains(GOOD_KEY), "the key itself is sent");
    }
}

#[tokio::test]
async fn a_hostile_model_leaves_as_one_segment_or_not_at_all() {
    let rig = connected().await;
    let long = "m".repeat(4096);
    for model in [
        "", "../x", "..%2f", "%2e%2e", "%252e", "a\\b", "a;b", "a?b", "a#b", "a@b", "a\r\nb",
        "a\0", &long,
    ] {
        let reply = rig.enveloped("bedrock/converse", "c1", &json!({"modelId": model})).await;
        let told = reply.refused(400, "invalid_parameter");
        assert!(told["message"].as_str().is_some_and(|text| text.contains("modelId")), "{told}");
    }
    for path in ["..%2Fx", "a%2F..%2Fb", "%2e%2e", "a%252Fb", "a%5Cb", "a%0D%0Ab", "a%2F"] {
        let path = format!("/bedrock/model/{path}/converse");
        assert_eq!(rig.dropped_in(&path, "c1", &messages()).await.status, 400, "{path}");
    }
    assert!(rig.provider.take_requests().is_empty());
}

#[tokio::test]
async fn refusals_come_in_the_form_that_awss_sdks_read() {
    let rig = connected().await;
    let path = format!("/bedrock{NOVA_PATH}/converse");
    let reply = rig.dropped_in(&path, "nobody", &messages()).await;
    reply.refused(404, "key_not_connected");
    assert_eq!(reply.header("x-amzn-errortype"), Some("ResourceNotFoundException"));

    let body = json!({"message": "Too many tokens per day, please wait before trying again."});
    let answer = Answer::json(429, &body).header("x-amzn-ErrorType", "ThrottlingException");
    rig.provider.answer_next(answer);
    let reply = rig.dropped_in(&path, "c1", &messages()).await;
    assert_eq!((reply.status, reply.json()), (429, body));
    assert_eq!(reply.header("x-amzn-errortype"), Some("ThrottlingException"));
    assert_eq!(rig.row(&reply).await["errorClass"], "quota_exhausted");
}

#[tokio::test]
async fn a_region_that_is_no_label_connects_nothing() {
    let rig = Rig::start().await;
    for region in ["evil.com#", "x.evil.com/", "US-EAST-1", "a@b", ""] {
        let body = json!({
            "provider": "bedrock", "refId": "c1", "providerKey": GOOD_KEY,
            "providerConfig": {"region": region},
        });
        let reply = rig.as_a("POST", "/keys/connect", Some(body)).await;
        assert_eq!(reply.invalid_fields(), ["providerConfig.region"], "{region}");
    }
    assert!(rig.provider.take_requests().is_empty());
}

#[tokio::test]
async fn the_compatible_endpoint_and_unknown_paths_pass() {
    let rig = connected().await;
    let document = json!({
        "id": "c1", "object": "chat.completion", "model": "openai.gpt-oss-20b-1:0", "choices": [],
        "usage": {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140},
    });
    rig.provider.answer_next(Answer::json(200, &document));
    let payload = json!({"model": "openai.gpt-oss-20b-1:0", "messages": []});
    let reply = rig.compatible("bedrock", "chat/completions", &payload).await;
    assert_eq!(reply.ok(), document);
    let row = rig.row(&reply).await;
    assert_eq!((&row["provider"], &row["inputTokens"]), (&json!("bedrock"), &json!(100)), "{row}");

    rig.provider.answer_next(Answer::json(200, &json!({"action": "NONE"})));
    let payload = json!({"source": "INPUT", "content": []});
    let reply = rig.dropped_in("/bedrock/guardrail/g1/version/1/apply", "c1", &payload).await;
    assert_eq!(reply.status, 200);
    let targets: Vec<_> =
        rig.provider.take_requests().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/openai/v1/chat/completions", "/guardrail/g1/version/1/apply"]);
}
