//! Google's wire through the server: what reaches the provider, what comes back, what is recorded
//! and charged.

use byok_testkit::fake_provider::{Answer, FakeProvider};
use serde_json::{Value, json};

use crate::support::{Launch, Reply, Server, provider};

/// A customer's key that no provider issued.
const KEY: &str = "AQ.Qk7wT2mZx9Lr4VbN8cYs3HdJ6fGa1PeU5oRiXt0KqWzBvM";

/// What prices 65 uncached, 40 cached tokens in and 50 out, thoughts among them, at
/// gemini-2.5-pro's: (65·1.25 + 40·0.125 + 50·10) / 1,000,000.
const COST: f64 = 0.000_586_25;

/// An answer no serializer of ours would write.
const ODD: &str = "{ \"candidates\" : [{\"content\":{\"parts\":[{\"text\":\"\\u00e9\u{2028}\u{1F600}\\/ \"}],\
    \"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0,\"x\":1.50e+3}],\r\n\
    \t\"usageMetadata\":{\"promptTokenCount\":100,\"candidatesTokenCount\":20,\"thoughtsTokenCount\":30,\
    \"cachedContentTokenCount\":40,\"toolUsePromptTokenCount\":5,\"totalTokenCount\":155},\
    \"modelVersion\":\"gemini-2.5-pro\",\"responseId\":\"x\" }\n";

const CHUNKS: [&str; 3] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"thoughtsTokenCount":30,"totalTokenCount":130},"modelVersion":"gemini-2.5-pro"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":9,"totalTokenCount":139},"modelVersion":"gemini-2.5-pro"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":30,"cachedContentTokenCount":40,"toolUsePromptTokenCount":5,"totalTokenCount":155},"modelVersion":"gemini-2.5-pro"}"#,
];

fn events() -> [String; 3] {
    CHUNKS.map(|chunk| format!("data: {chunk}\r\n\r\n"))
}

/// A server in front of a provider, with one customer's Google key connected: `customer`.
fn serving() -> (FakeProvider, Server) {
    let provider = provider();
    let base = format!("http://{}", provider.address());
    let server = Launch::quickstart(&provider).with("BYO_GOOGLE_BASE_URL", base).start();
    provider.answer_at("/v1beta/models", Answer::json(200, &json!({"models": []})));
    for ref_id in ["customer", "other"] {
        let reply = server.connect_with(ref_id, KEY, &json!({"provider": "google"}));
        assert_eq!(reply.json()["status"], "valid", "{}", reply.text());
    }
    (provider, server)
}

fn contents() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
}

fn enveloped(server: &Server, operation: &str, payload: &str) -> Reply {
    let body = format!("{{\"refId\":\"customer\",\"providerPayload\":{payload}}}");
    server.post(&format!("/proxy/google/{operation}")).body("application/json", body).send()
}

/// Asserts that the row of `reply` has the usage and the cost of the answers above.
fn counted(server: &Server, reply: &Reply, operation: &str, streamed: bool) {
    counted_for("gemini-2.5-pro", server, reply, operation, streamed);
}

fn counted_for(model: &str, server: &Server, reply: &Reply, operation: &str, streamed: bool) {
    let row = server.row(reply);
    for (field, value) in [
        ("provider", json!("google")),
        ("operation", json!(operation)),
        ("model", json!(model)),
        ("streamed", json!(streamed)),
        ("success", json!(true)),
        ("inputTokens", json!(105)),
        ("cacheReadTokens", json!(40)),
        ("outputTokens", json!(50)),
        ("reasoningTokens", json!(30)),
        ("totalTokens", json!(155)),
        ("costUsd", json!(COST)),
    ] {
        assert_eq!(row[field], value, "{field}: {row}");
    }
}

#[test]
fn the_key_goes_in_a_header_and_never_in_an_address() {
    let (provider, server) = serving();
    let asked = provider.take_requests().remove(0);
    assert_eq!((&*asked.method, &*asked.target), ("GET", "/v1beta/models?pageSize=1"));
    assert_eq!((asked.header("x-goog-api-key"), asked.bearer()), (Some(KEY), None));

    let token = &server.keys.secret;
    let body =
        "{ \"contents\":[{\"parts\":[{\"text\":\"\\u00e9\\/\"}]}],\"seed\":12345678901234567890 }";
    for (query, sent) in [
        (format!("?key={token}"), ""),
        (format!("?alt=json&k%65y={token}&key=AIzaSy1&%24a=b%26c"), "?alt=json&%24a=b%26c"),
    ] {
        provider.answer_next(Answer::new(200, "application/json", ODD).in_pieces_of(5));
        let target = format!("/google/v1beta/models/gemini-2.5-pro:generateContent{query}");
        let reply = server
            .post(&target)
            .by("customer")
            .header("x-goog-api-client", "google-genai-sdk/3.4.0")
            .header("x-goog-user-project", "somebody")
            .body("application/json", body)
            .send();
        assert_eq!(String::from_utf8_lossy(reply.answered()), ODD);
        counted(&server, &reply, "generateContent", false);
        let seen = provider.take_requests().pop().expect("a request");
        assert_eq!(seen.target, format!("/v1beta/models/gemini-2.5-pro:generateContent{sent}"));
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        assert_eq!((seen.header("x-goog-api-key"), seen.bearer()), (Some(KEY), None));
        assert_eq!(seen.header("x-goog-api-client"), Some("google-genai-sdk/3.4.0"));
        assert_eq!(seen.header("x-goog-user-project"), None);
        assert!(!String::from_utf8_lossy(&seen.head).contains("byo_"), "a token of ours went on");
    }
}

#[test]
fn a_token_in_the_query_is_no_credential_and_one_in_the_sdks_header_is() {
    let (provider, server) = serving();
    let path = "/google/v1beta/models/gemini-2.5-pro:generateContent";
    let by_query = format!("{path}?key={}", server.keys.secret);
    let reply = server.post(&by_query).anonymous().by("customer").json(&contents()).send();
    assert_eq!((reply.status, &reply.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    provider.answer_next(Answer::new(200, "application/json", ODD));
    let token = server.keys.secret.clone();
    let asked = server.post(path).anonymous().by("customer").header("x-goog-api-key", &token);
    counted(&server, &asked.json(&contents()).send(), "generateContent", false);
}

#[test]
fn a_stream_passes_as_it_is_in_all_its_forms_and_is_counted() {
    let (provider, server) = serving();
    let array = format!("[{}\n]\n", CHUNKS.join("\n,\r\n"));
    for version in ["v1beta", "v1"] {
        let path = format!("/google/{version}/models/gemini-2.5-pro:streamGenerateContent");
        for pieces in [1, 100] {
            provider.answer_next(Answer::events(events()).in_pieces_of(pieces));
            let asked = server.post(&format!("{path}?alt=sse")).by("customer").json(&contents());
            let reply = asked.send();
            assert_eq!(String::from_utf8_lossy(reply.answered()), events().concat());
            assert_eq!(reply.header("content-type"), Some("text/event-stream"));
            counted(&server, &reply, "streamGenerateContent", true);

            let answer = Answer::new(200, "application/json", array.clone()).chunked();
            provider.answer_next(answer.in_pieces_of(pieces));
            let reply = server.post(&path).by("customer").json(&contents()).send();
            assert_eq!(String::from_utf8_lossy(reply.answered()), array);
            counted(&server, &reply, "streamGenerateContent", false);
        }
    }
    provider.take_requests();
    provider.answer_next(Answer::events(events()));
    let reply =
        enveloped(&server, "streamGenerateContent", r#"{"model":"gemini-2.5-pro","contents":[]}"#);
    assert_eq!(String::from_utf8_lossy(reply.answered()), events().concat());
    counted(&server, &reply, "streamGenerateContent", true);
    let seen = provider.take_requests().remove(0);
    assert_eq!(seen.target, "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
    assert_eq!(&seen.body[..], br#"{"contents":[]}"#);
}

#[test]
fn the_envelope_puts_the_model_into_the_path_and_holds_the_providers_bytes() {
    let (provider, server) = serving();
    for (model, segment) in [
        ("gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("tunedModels/mine-1", "tunedModels/mine-1"),
        ("../files?key=x#y", "models/..%2Ffiles%3Fkey%3Dx%23y"),
    ] {
        provider.take_requests();
        provider.answer_next(Answer::new(200, "application/json", ODD));
        let payload = format!("{{ \"contents\" : [1.0], \"model\":\"{model}\" }}");
        let reply = enveloped(&server, "generateContent", &payload);
        let id = reply.header("x-request-id").expect("an id");
        let expected = format!(
            "{{\"success\":true,\"statusCode\":200,\"provider\":\"google\",\"requestId\":\"{id}\",\
             \"keySource\":\"byok\",\"data\":{ODD},\"usage\":{{\"inputTokens\":105,\
             \"outputTokens\":50,\"totalTokens\":155,\"cacheReadTokens\":40,\"cacheWriteTokens\":0,\
             \"reasoningTokens\":30}},\"costUsd\":{COST}}}"
        );
        assert_eq!(String::from_utf8_lossy(reply.answered()), expected);
        // The log shows the model that was asked for; the price is that of the one that answered.
        let asked = model.trim_start_matches("models/");
        counted_for(asked, &server, &reply, "generateContent", false);
        let seen = provider.take_requests().remove(0);
        assert_eq!(seen.target, format!("/v1beta/{segment}:generateContent"));
        assert_eq!(&seen.body[..], b"{ \"contents\" : [1.0] }", "{model}");
        assert_eq!(seen.header("x-goog-api-key"), Some(KEY));
    }
    for payload in [r#"{"contents":[]}"#, r#"{"model":"a\nb"}"#, r#"{"model":7}"#] {
        let reply = enveloped(&server, "generateContent", payload);
        assert_eq!(reply.refusal(), (400, "invalid_parameter".to_owned()), "{payload}");
    }
    assert_eq!(provider.take_requests().len(), 0);
}

#[test]
fn embeddings_are_counted_and_counting_tokens_is_no_use() {
    let (provider, server) = serving();
    let counts = Answer::json(200, &json!({"totalTokens": 31}));
    provider.answer_at(":countTokens", counts);
    let embedded = json!({"embeddings": [{"values": [0.1]}],
        "usageMetadata": {"promptTokenCount": 1000, "totalTokenCount": 1000}});
    provider.answer_at(":batchEmbedContents", Answer::json(200, &embedded));
    let base = "/google/v1/models/gemini-embedding-001";
    let reply = server.post(&format!("{base}:countTokens")).by("customer").json(&contents()).send();
    assert_eq!(reply.json()["totalTokens"], 31);
    let row = server.row(&reply);
    assert_eq!((&row["success"], &row["model"]), (&json!(true), &json!("gemini-embedding-001")));
    assert_eq!((&row["inputTokens"], &row["costUsd"]), (&Value::Null, &Value::Null), "{row}");

    let payload = json!({"requests": [{"model": "models/gemini-embedding-001"}]});
    let reply = server.post(&format!("{base}:batchEmbedContents")).by("customer").json(&payload);
    let row = server.row(&reply.send());
    assert_eq!((&row["inputTokens"], &row["costUsd"]), (&json!(1000), &json!(0.00015)), "{row}");
}

#[test]
fn a_stream_that_fails_or_breaks_off_leaves_a_row_that_says_so() {
    let (provider, server) = serving();
    let path = "/google/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
    let asked = server.post(path).by("customer").json(&contents());
    let [first, second, _] = events();
    let error = "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"overloaded\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n";
    provider.answer_next(Answer::events([first.clone(), error.to_owned()]));
    let reply = asked.send();
    assert_eq!(String::from_utf8_lossy(reply.answered()), format!("{first}{error}"));
    let row = server.row(&reply);
    assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("provider_down")));

    provider.answer_next(Answer::events([first, second]));
    let reply = asked.send();
    assert_eq!((reply.status, reply.whole), (200, false), "a broken end is not hidden");
    let row = server.row(&reply);
    assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("truncated")));
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&json!(100), &json!(39)), "{row}");
}

#[test]
fn refusals_are_told_apart_the_key_in_them_is_masked_and_ours_read_as_googles() {
    let (provider, server) = serving();
    let error = |code: u16, message: &str, details: Value| {
        let body = json!({"error": {"code": code, "message": message, "details": details}});
        Answer::json(code, &body)
    };
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    let limit = |id: &str| json!([{"violations": [{"quotaId": id, "quotaValue": "5"}]}]);
    let echo = format!("Invalid API key: {KEY}");
    let bad_key = json!([{"reason": "API_KEY_INVALID"}, {"detail": echo}]);
    for (answer, status, class) in [
        (error(429, quota, limit("RequestsPerDay-FreeTier")), 429, "quota_exhausted"),
        (error(429, quota, limit("RequestsPerMinute")), 429, "rate_limited"),
        (error(503, "The model is overloaded.", json!([])), 503, "provider_down"),
        (error(404, "models/x is not found", json!([])), 404, "request_rejected"),
        (
            error(400, "API key not valid. Please pass a valid API key.", bad_key),
            400,
            "key_rejected",
        ),
    ] {
        provider.answer_next(answer.clone());
        let path = "/google/v1beta/models/gemini-2.5-pro:generateContent";
        let reply = server.post(path).by("customer").json(&contents()).send();
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &json!(status)));
        assert!(!reply.text().contains(KEY), "the key is shown");
        assert_eq!(server.row(&reply)["errorClass"], class);
        provider.answer_next(answer);
        let reply = enveloped(&server, "streamGenerateContent", r#"{"model":"gemini-2.5-pro"}"#);
        let told = reply.json();
        assert_eq!((&told["success"], &told["statusCode"]), (&json!(false), &json!(status)));
        assert!(!reply.text().contains(KEY), "the key is shown");
    }
    let nobody = server.post("/google/v1/models/gemini-2.5-pro:generateContent").json(&contents());
    for (asked, code, status, reason) in [
        (nobody.clone(), 400, "INVALID_ARGUMENT", "missing_ref_id"),
        (nobody.clone().by("stranger"), 404, "NOT_FOUND", "key_not_connected"),
        (nobody.anonymous(), 401, "UNAUTHENTICATED", "unauthenticated"),
    ] {
        let reply = asked.send();
        let told = reply.json();
        assert_eq!((reply.status, &told["error"]["code"]), (code, &json!(code)), "{told}");
        assert_eq!(told["error"]["status"], status);
        assert_eq!(told["error"]["details"][0]["reason"], reason);
        assert_eq!(told["error"]["message"], told["message"]);
    }
}

#[test]
fn files_and_caches_belong_to_the_customer_who_made_them() {
    let (provider, server) = serving();
    let file = json!({"file": {"name": "files/f1", "uri": "https://g.example/v1beta/files/f1"}});
    provider.answer_at("/upload/v1beta/files", Answer::json(200, &file));
    let cache = json!({"name": "cachedContents/c1", "usageMetadata": {"totalTokenCount": 5000}});
    provider.answer_at("/v1beta/cachedContents", Answer::json(200, &cache));

    let upload = server.post("/google/upload/v1beta/files").by("customer");
    let upload = upload.header("x-goog-upload-protocol", "raw").body("text/plain", "text");
    assert_eq!(upload.send().json()["file"]["name"], "files/f1");
    let seen = provider.take_requests().pop().expect("a request");
    assert_eq!((&*seen.target, &seen.body[..]), ("/upload/v1beta/files", &b"text"[..]));
    assert_eq!(seen.header("x-goog-upload-protocol"), Some("raw"));
    let caches = server.post("/google/v1beta/cachedContents");
    let reply = caches.by("customer").json(&json!({"model": "models/gemini-2.5-pro"})).send();
    assert_eq!(reply.json()["name"], "cachedContents/c1");
    assert_eq!(server.row(&reply)["inputTokens"], Value::Null);

    provider.take_requests();
    let generate = server.post("/google/v1beta/models/gemini-2.5-pro:generateContent");
    let uri = "https://generativelanguage.googleapis.com/v1beta/files/f1";
    for asked in [
        server.get("/google/v1beta/files/f1"),
        server.get("/google/v1beta/files/f1:download?alt=media"),
        server.delete("/google/v1beta/files/f1"),
        server.get("/google/v1/cachedContents/c1"),
        generate.clone().json(&json!({"cachedContent": "cachedContents/c1"})),
        generate.json(&json!({"contents": [{"parts": [{"file_data": {"file_uri": uri}}]}]})),
    ] {
        let reply = asked.by("other").send();
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (404, &json!(404)));
        assert_eq!(provider.take_requests().len(), 0, "it reached the provider");
    }
}

#[test]
fn openais_wire_reaches_the_compatible_endpoint_with_the_customers_key() {
    let (provider, server) = serving();
    let payload = json!({"model": "gemini-2.5-flash", "messages": []});
    let answer = json!({"id": "c1", "object": "chat.completion", "model": "gemini-2.5-flash",
        "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}});
    provider.answer_at("/v1beta/openai/chat/completions", Answer::json(200, &answer));
    for (target, named) in
        [("/v1/chat/completions?key=x", true), ("/google/v1beta/openai/chat/completions", false)]
    {
        provider.take_requests();
        let asked = server.post(target).by("customer");
        let asked = if named { asked.header("x-byo-provider", "google") } else { asked };
        let reply = asked.json(&payload).send();
        assert_eq!(reply.json(), answer);
        let seen = provider.take_requests().remove(0);
        assert_eq!(seen.target, "/v1beta/openai/chat/completions");
        assert_eq!((seen.bearer(), seen.header("x-goog-api-key")), (Some(KEY), None));
        let row = server.row(&reply);
        assert_eq!((&row["provider"], &row["inputTokens"]), (&json!("google"), &json!(11)));
        assert_eq!((&row["outputTokens"], &row["costUsd"]), (&json!(7), &json!(0.000_020_8)));
    }
}
