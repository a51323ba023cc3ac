//! Anthropic's wire through the server: what reaches the provider, what comes back, what is
//! recorded and charged.

use byok_testkit::fake_provider::{Answer, FakeProvider};
use serde_json::{Value, json};

use crate::support::{Launch, Reply, Request, Server, form, provider};

/// A customer's key that no provider issued.
const KEY: &str = "sk-ant-api03-Qk7wT2mZx9Lr4VbN8cYs3HdJ6fGa1PeU5oRiXt0KqWzBvM";

/// What prices 10 uncached, 300 read, 150 and 50 written tokens in, 42 out, at claude-opus-4-7's:
/// (10·5 + 300·0.5 + 150·6.25 + 50·10 + 42·25) / 1,000,000.
const COST: f64 = 0.002_687_5;

/// An answer no serializer of ours would write.
const ODD: &str = "{ \"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\r\n\
    \"model\":\"claude-opus-4-7\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"\\u00e9\",\"signature\":\"s\"},\
    {\"type\":\"text\",\"text\":\"\u{2028}\u{1F600}\\/ \"}],\"stop_reason\":\"end_turn\",\t\"x\":1.50e+3,\
    \"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":300,\
    \"cache_creation\":{\"ephemeral_5m_input_tokens\":150,\"ephemeral_1h_input_tokens\":50},\
    \"output_tokens\":42,\"output_tokens_details\":{\"thinking_tokens\":30},\"service_tier\":\"standard\"} }\n";

const EVENTS: [&str; 8] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-4-7\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":300,\"cache_creation\":{\"ephemeral_5m_input_tokens\":150,\"ephemeral_1h_input_tokens\":50},\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: brand_new\ndata: {\"type\":\"brand_new\"}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":42}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

/// A server in front of a provider, with one customer's Anthropic key connected: `customer`.
fn serving() -> (FakeProvider, Server) {
    let provider = provider();
    let base = format!("http://{}", provider.address());
    let server = Launch::quickstart(&provider).with("BYO_ANTHROPIC_BASE_URL", base).start();
    for ref_id in ["customer", "other"] {
        let reply = server.connect_with(ref_id, KEY, &json!({"provider": "anthropic"}));
        assert_eq!(reply.json()["status"], "valid", "{}", reply.text());
    }
    (provider, server)
}

fn payload(stream: bool) -> Value {
    let mut payload = json!({"model": "claude-opus-4-7", "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hi"}]});
    if stream {
        payload["stream"] = true.into();
    }
    payload
}

fn messages(server: &Server, stream: bool) -> Request {
    server.post("/anthropic/v1/messages").by("customer").json(&payload(stream))
}

fn envelope(server: &Server, operation: &str, payload: &Value) -> Reply {
    let body = json!({"refId": "customer", "providerPayload": payload});
    server.post(&format!("/proxy/anthropic/{operation}")).json(&body).send()
}

/// Asserts that the row of `reply` has the usage and the cost of the answers above.
fn counted(server: &Server, reply: &Reply, streamed: bool) {
    let row = server.row(reply);
    for (field, value) in [
        ("provider", json!("anthropic")),
        ("operation", json!("messages")),
        ("model", json!("claude-opus-4-7")),
        ("streamed", json!(streamed)),
        ("success", json!(true)),
        ("inputTokens", json!(510)),
        ("cacheReadTokens", json!(300)),
        ("cacheWriteTokens", json!(200)),
        ("outputTokens", json!(42)),
        ("totalTokens", json!(552)),
        ("costUsd", json!(COST)),
    ] {
        assert_eq!(row[field], value, "{field}: {row}");
    }
}

#[test]
fn a_key_is_validated_and_a_call_carries_it_where_anthropic_takes_it() {
    let (provider, server) = serving();
    let asked = provider.take_requests().remove(0);
    assert_eq!((&*asked.method, &*asked.target), ("GET", "/v1/models?limit=1"));
    assert_eq!(asked.header("anthropic-version"), Some("2023-06-01"));

    provider.answer_next(Answer::new(200, "application/json", ODD).in_pieces_of(5));
    let body = "{ \"model\":\"claude-opus-4-7\",\"max_tokens\":64,\"seed\":12345678901234567890,\
        \"messages\" : [{\"role\":\"user\",\"content\":\"\\u00e9\\/\"}] }";
    let reply = server
        .post("/anthropic/v1/messages?beta=true")
        .by("customer")
        .header("anthropic-version", "2026-10-21")
        .header("anthropic-beta", "context-1m-2025-08-07,files-api-2025-04-14")
        .header("anthropic-workspace-id", "wrkspc_1")
        .body("application/json", body)
        .send();
    assert_eq!(String::from_utf8_lossy(reply.answered()), ODD);
    assert_eq!(reply.header("x-byo-provider"), Some("anthropic"));
    counted(&server, &reply, false);

    let seen = provider.take_requests().remove(0);
    assert_eq!(seen.target, "/v1/messages?beta=true");
    assert_eq!(String::from_utf8_lossy(&seen.body), body);
    assert_eq!(seen.header("x-api-key"), Some(KEY));
    assert_eq!((seen.bearer(), seen.header("anthropic-workspace-id")), (None, None));
    assert_eq!(seen.header("anthropic-version"), Some("2026-10-21"));
    let beta = "context-1m-2025-08-07,files-api-2025-04-14";
    assert_eq!(seen.header("anthropic-beta"), Some(beta));
}

#[test]
fn a_stream_passes_as_it_is_and_is_counted_in_both_families() {
    let (provider, server) = serving();
    for pieces in [1, 100] {
        provider.answer_next(Answer::events(EVENTS).in_pieces_of(pieces));
        let reply = messages(&server, true).send();
        assert_eq!(String::from_utf8_lossy(reply.answered()), EVENTS.concat());
        assert_eq!(reply.header("content-type"), Some("text/event-stream"));
        counted(&server, &reply, true);
    }
    provider.answer_next(Answer::events(EVENTS));
    let reply = envelope(&server, "messages", &payload(true));
    assert_eq!(String::from_utf8_lossy(reply.answered()), EVENTS.concat());
    counted(&server, &reply, true);
}

#[test]
fn fast_mode_and_inference_in_the_united_states_are_charged_for() {
    let (provider, server) = serving();
    for (served, cost) in [
        // 1000·5 + 100·25 = 7500 millionths at claude-opus-4-8's prices.
        (json!({"speed": "standard", "inference_geo": "global"}), 0.0075),
        (json!({"speed": "fast"}), 0.015),
        (json!({"inference_geo": "us"}), 0.00825),
        (json!({"speed": "fast", "inference_geo": "us"}), 0.0165),
    ] {
        let mut usage = json!({"input_tokens": 1000, "output_tokens": 100});
        usage.as_object_mut().expect("an object").extend(served.as_object().expect("one").clone());
        let answer = json!({"type": "message", "model": "claude-opus-4-8", "usage": usage});
        provider.answer_next(Answer::json(200, &answer));
        let reply = messages(&server, false).send();
        assert_eq!(server.row(&reply)["costUsd"], json!(cost), "{served}");
    }
}

#[test]
fn the_envelope_holds_the_providers_bytes_and_says_what_was_used_and_paid() {
    let (provider, server) = serving();
    provider.take_requests();
    provider.answer_next(Answer::new(200, "application/json", ODD));
    let reply = envelope(&server, "messages", &payload(false));
    let id = reply.header("x-request-id").expect("an id");
    let expected = format!(
        "{{\"success\":true,\"statusCode\":200,\"provider\":\"anthropic\",\"requestId\":\"{id}\",\
         \"keySource\":\"byok\",\"data\":{ODD},\"usage\":{{\"inputTokens\":510,\
         \"outputTokens\":42,\"totalTokens\":552,\"cacheReadTokens\":300,\"cacheWriteTokens\":200,\
         \"reasoningTokens\":30}},\"costUsd\":{COST}}}"
    );
    assert_eq!(String::from_utf8_lossy(reply.answered()), expected);
    counted(&server, &reply, false);
    let seen = provider.take_requests().remove(0);
    assert_eq!(seen.target, "/v1/messages");
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
}

#[test]
fn counting_tokens_is_no_use_of_the_model() {
    let (provider, server) = serving();
    let counts = Answer::new(200, "application/json", "{\"input_tokens\":14}");
    provider.answer_at("/v1/messages/count_tokens", counts);
    let path = "/anthropic/v1/messages/count_tokens";
    let direct = server.post(path).by("customer").json(&payload(false)).send();
    assert_eq!(direct.json(), json!({"input_tokens": 14}));
    let enveloped = envelope(&server, "messages/count_tokens", &payload(false));
    assert_eq!(enveloped.json()["data"], json!({"input_tokens": 14}));
    for reply in [direct, enveloped] {
        let row = server.row(&reply);
        assert_eq!(row["operation"], "messages/count_tokens");
        assert_eq!((&row["success"], &row["model"]), (&json!(true), &json!("claude-opus-4-7")));
        assert_eq!((&row["inputTokens"], &row["costUsd"]), (&Value::Null, &Value::Null), "{row}");
    }
}

#[test]
fn a_stream_that_fails_or_breaks_off_leaves_a_row_that_says_so() {
    let (provider, server) = serving();
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    provider.answer_next(Answer::events(EVENTS[..4].iter().copied().chain([error])));
    let reply = messages(&server, true).send();
    assert_eq!(String::from_utf8_lossy(reply.answered()), EVENTS[..4].concat() + error);
    let row = server.row(&reply);
    assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("provider_down")));

    provider.answer_next(Answer::events(EVENTS[..7].iter().copied()));
    let reply = messages(&server, true).send();
    assert_eq!((reply.status, reply.whole), (200, false), "a broken end is not hidden");
    let row = server.row(&reply);
    assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("truncated")));
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&json!(510), &json!(42)), "{row}");
}

#[test]
fn refusals_are_told_apart_and_ours_read_as_anthropics() {
    let (provider, server) = serving();
    let error = |status, kind: &str, message: &str| {
        Answer::json(
            status,
            &json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}),
        )
        .header("request-id", "req_1")
        .header("anthropic-ratelimit-requests-remaining", "0")
    };
    let low = "Your credit balance is too low to access the Anthropic API.";
    for (answer, status, class) in [
        (error(400, "invalid_request_error", low), 400, "quota_exhausted"),
        (error(429, "rate_limit_error", "Slow down."), 429, "rate_limited"),
        (error(529, "overloaded_error", "Overloaded"), 529, "provider_down"),
        (error(404, "not_found_error", "model: claude-0"), 404, "request_rejected"),
        (error(401, "authentication_error", "invalid x-api-key"), 401, "key_rejected"),
    ] {
        provider.answer_next(answer);
        let reply = messages(&server, false).send();
        assert_eq!((reply.status, reply.header("request-id")), (status, Some("req_1")));
        assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), Some("0"));
        assert_eq!(reply.json()["request_id"], "req_1");
        assert_eq!(server.row(&reply)["errorClass"], class);
    }
    let nobody = server.post("/anthropic/v1/messages").json(&payload(false));
    for (asked, status, kind, code) in [
        (nobody.clone(), 400, "invalid_request_error", "missing_ref_id"),
        (nobody.clone().by("stranger"), 404, "not_found_error", "key_not_connected"),
        (nobody.anonymous(), 401, "authentication_error", "unauthenticated"),
    ] {
        let reply = asked.send();
        let told = reply.json();
        assert_eq!((reply.status, &told["type"]), (status, &json!("error")), "{told}");
        assert_eq!(told["error"]["type"], kind);
        assert_eq!(told["error"]["details"]["error_code"], code);
        assert_eq!(told["error"]["message"], told["message"]);
    }
}

#[test]
fn files_and_batches_belong_to_the_customer_who_made_them() {
    let (provider, server) = serving();
    provider.answer_at("/v1/files", Answer::json(200, &json!({"id": "file_1", "type": "file"})));
    let made = json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended"});
    provider.answer_at("/v1/messages/batches", Answer::json(200, &made));
    let line = "{\"custom_id\":\"a\",\"result\":{\"message\":{\"usage\":{\"output_tokens\":5}}}}\n";
    provider.answer_at("/results", Answer::new(200, "application/x-jsonl", line.repeat(3)));

    let parts = form::file("file", "a.txt", b"text");
    let upload = server.post("/anthropic/v1/files").by("customer");
    assert_eq!(upload.body(form::TYPE, form::whole(&parts)).send().json()["id"], "file_1");
    let mut with_file = payload(false);
    with_file["messages"][0]["content"] =
        json!([{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]);
    let batch = json!({"requests": [{"custom_id": "a", "params": with_file}]});
    let batches = server.post("/anthropic/v1/messages/batches");
    let reply = batches.clone().by("customer").json(&batch).send();
    assert_eq!(reply.json()["id"], "msgbatch_1");
    assert_eq!(server.row(&reply)["inputTokens"], Value::Null);

    provider.take_requests();
    let messages = server.post("/anthropic/v1/messages");
    for asked in [
        server.get("/anthropic/v1/files/file_1"),
        server.get("/anthropic/v1/files/file_1/content"),
        messages.json(&with_file),
        batches.json(&batch),
        server.get("/anthropic/v1/messages/batches/msgbatch_1"),
        server.get("/anthropic/v1/messages/batches/msgbatch_1/results"),
        server.post("/anthropic/v1/messages/batches/msgbatch_1/cancel"),
        server.delete("/anthropic/v1/messages/batches/msgbatch_1"),
    ] {
        let reply = asked.by("other").send();
        assert_eq!((reply.status, &reply.json()["type"]), (404, &json!("error")));
        assert_eq!(provider.take_requests().len(), 0, "it reached the provider");
    }
    let results = server.get("/anthropic/v1/messages/batches/msgbatch_1/results");
    let reply = results.by("customer").send();
    assert_eq!(String::from_utf8_lossy(reply.answered()), line.repeat(3));
    assert_eq!(reply.header("content-type"), Some("application/x-jsonl"));
    assert_eq!(
        server.row(&reply)["outputTokens"],
        Value::Null,
        "a batch is not counted by looking"
    );
}

#[test]
fn openais_wire_reaches_the_compatible_endpoint_with_the_customers_key() {
    let (provider, server) = serving();
    provider.take_requests();
    let reply = server
        .post("/v1/chat/completions")
        .by("customer")
        .header("x-byo-provider", "anthropic")
        .json(&json!({"model": "claude-opus-4-7", "messages": [], "stream": true}))
        .send();
    assert!(!String::from_utf8_lossy(reply.answered()).contains("\"usage\":{"), "it is hidden");
    let seen = provider.take_requests().remove(0);
    assert_eq!((&*seen.target, seen.bearer()), ("/v1/chat/completions", Some(KEY)));
    assert_eq!(seen.header("x-api-key"), None);
    assert_eq!(seen.json()["stream_options"]["include_usage"], true);
    let row = server.row(&reply);
    assert_eq!((&row["provider"], &row["inputTokens"]), (&json!("anthropic"), &json!(11)));
    assert_eq!((&row["outputTokens"], &row["costUsd"]), (&json!(7), &json!(0.00023)), "{row}");
}

#[test]
fn a_token_of_a_person_goes_as_a_bearer_with_its_beta() {
    let (provider, server) = serving();
    let token = "sk-ant-oat01-Qk7wT2mZx9Lr4VbN8cYs3HdJ6fGa1PeU5o";
    server.connect_with("person", token, &json!({"provider": "anthropic"})).answered();
    provider.take_requests();
    provider.answer_next(Answer::new(200, "application/json", ODD));
    server.post("/anthropic/v1/messages").by("person").json(&payload(false)).send().answered();
    let seen = provider.take_requests().remove(0);
    assert_eq!((seen.bearer(), seen.header("x-api-key")), (Some(token), None));
    assert_eq!(seen.header("anthropic-beta"), Some("oauth-2025-04-20"));
}
