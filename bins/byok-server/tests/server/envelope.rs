//! The envelope: the provider's answer inside ours, neither changed.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::support::{chat, failed, form, serving, streamed_chat};

/// An answer no serializer of ours would write: its own spacing, order, escapes and numbers.
const ODD: &str = "{ \"usage\":{\"prompt_tokens\":11,\r\n\"completion_tokens\":7,\"total_tokens\":18},\
    \"z\":1.50e+3,\"choices\":[{\"index\":0,\"message\":{\"content\":\"\\u00e9\u{2028}\u{1F600}\\/ \"}}],\
    \t\"model\":\"gpt-4o-mini\",\"a\":12345678901234567890.10,\"a\":null }\n";

#[test]
fn the_envelope_holds_the_providers_bytes_and_says_what_was_used_and_paid() {
    let (provider, server) = serving();
    for pieces in [1, 7, ODD.len()] {
        let answer = Answer::new(200, "application/json", ODD).chunked().in_pieces_of(pieces);
        provider.answer_next(answer);
        let reply = server.envelope("chat/completions", "customer", &chat()).send();
        let id = reply.header("x-request-id").expect("an id");
        let expected = format!(
            "{{\"success\":true,\"statusCode\":200,\"provider\":\"openai\",\"requestId\":\"{id}\",\
             \"keySource\":\"byok\",\"data\":{ODD},\"usage\":{{\"inputTokens\":11,\
             \"outputTokens\":7,\"totalTokens\":18,\"cacheReadTokens\":0,\"cacheWriteTokens\":0,\
             \"reasoningTokens\":0}},\"costUsd\":0.00000585}}"
        );
        assert_eq!(String::from_utf8_lossy(reply.answered()), expected);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("x-byo-provider"), Some("openai"));
        assert_eq!(reply.header("x-byo-key-source"), Some("byok"));
    }
}

#[test]
fn the_payload_reaches_the_provider_as_it_was_written() {
    let (provider, server) = serving();
    provider.take_requests();
    let payload = "{ \"model\":\"gpt-4o-mini\",\n\t\"messages\" : [], \"temperature\":1.0, \
        \"seed\":12345678901234567890, \"x\":\"\\u00e9\\/\u{1F600}\", \"x\":1 }";
    for body in [
        format!("{{\"refId\":\"customer\",\"providerPayload\":{payload}}}"),
        format!(" {{ \"providerPayload\" :\r\n{payload} , \"refId\":\"cu\\u0073tomer\" }} "),
    ] {
        let asked = server.post("/proxy/openai/chat/completions").body("application/json", body);
        assert_eq!(asked.send().json()["success"], true);
        let seen = provider.take_requests().remove(0);
        assert_eq!(seen.target, "/v1/chat/completions");
        assert_eq!(String::from_utf8_lossy(&seen.body), payload);
    }
}

#[test]
fn an_answer_that_is_not_one_value_cannot_pass_for_a_part_of_the_envelope() {
    let (provider, server) = serving();
    for forged in [
        r#"{"id":"c1"},"requestId":"forged","keySource":"credits","success":false,"x":{}"#,
        r#"1,"success":false"#,
        r#"{}},"a":"#,
        "\"\u{1}\"",
    ] {
        provider.answer_next(Answer::new(200, "application/json", forged));
        let reply = server.envelope("chat/completions", "customer", &chat()).send();
        assert_eq!(reply.status, 200, "{forged}");
        let told = reply.json();
        // What is no document to begin with is no answer either.
        let begun = !forged.starts_with('1');
        assert_eq!((&told["success"], &told["keySource"]), (&json!(begun), &json!("byok")));
        assert_eq!(told["requestId"], reply.header("x-request-id").expect("an id"));
        assert_eq!(told["data"], forged, "as text");
        // One that is too long to be here whole is broken off.
        let filled = forged.replacen('{', &format!("{{\"f\":\"{}\",", "x".repeat(100_000)), 1);
        if filled.len() > forged.len() {
            let answer = Answer::new(200, "application/json", filled).chunked();
            provider.answer_next(answer.in_pieces_of(7000));
            let reply = server.envelope("chat/completions", "customer", &chat()).send();
            assert!(!reply.whole, "{}", &reply.text()[99_900..]);
            failed(&server.row(&reply), 200, "truncated");
        }
    }
    server.still_serves("customer");
}

#[test]
fn an_envelope_is_an_object_and_a_customers_key_names_its_customer() {
    let (_provider, server) = serving();
    for body in [r#"["customer",{}]"#, "[]", "7", "null", "\"x\""] {
        let asked = server.post("/proxy/openai/chat/completions").body("application/json", body);
        let reply = asked.send();
        assert_eq!(reply.refusal(), (400, "invalid_json".to_owned()), "{body}");
        assert!(reply.text().contains("send a JSON object with refId"), "{}", reply.text());
    }
    let (_, token) = server.api_key(&json!({"type": "customer", "refId": "customer"}));
    let payload = json!({"providerPayload": chat()});
    let ask = |body| server.post("/proxy/openai/chat/completions").key(&token).json(body).send();
    let reply = ask(&payload);
    assert_eq!(reply.json()["success"], true, "{}", reply.text());
    assert_eq!(server.row(&reply)["refId"], "customer");
    let other = json!({"refId": "other", "providerPayload": chat()});
    assert_eq!(ask(&other).refusal(), (403, "forbidden".to_owned()));
    let parts = [form::field("model", "whisper-1"), form::file("file", "a.wav", b"RIFF")].concat();
    let asked = server.post("/proxy/openai/audio/transcriptions").key(&token);
    let reply = asked.body(form::TYPE, form::whole(&parts)).send();
    assert_eq!(server.row(&reply)["refId"], "customer", "{}", reply.text());
}

#[test]
fn a_refusal_of_the_provider_is_told_in_the_envelope_and_explained() {
    let (provider, server) = serving();
    for (name, answer, status, class, says) in [
        ("key", Answer::key_rejected("sk-other-0123456789"), 401, "key_rejected", "accept"),
        ("quota", Answer::quota_exhausted(), 429, "quota_exhausted", "credit or quota"),
        ("rate", Answer::rate_limited(7), 429, "rate_limited", "after 7 s"),
        ("model", Answer::model_not_found("gpt-9"), 404, "request_rejected", "message says why"),
        ("fault", Answer::server_error(), 500, "provider_down", "Try again"),
        ("busy", Answer::overloaded(), 503, "provider_down", "Try again"),
    ] {
        server.connect(name, crate::support::KEY);
        provider.answer_next(answer.clone());
        let verbatim = server.chat(name, &chat()).send();
        assert_eq!((verbatim.status, verbatim.whole), (status, true), "{name}");

        provider.answer_next(answer);
        let reply = server.envelope("chat/completions", name, &chat()).send();
        let told: Value = serde_json::from_slice(reply.answered()).expect("JSON");
        assert_eq!((&told["success"], &told["statusCode"]), (&json!(false), &json!(status)));
        assert_eq!((&told["usage"], &told["costUsd"]), (&Value::Null, &Value::Null), "{name}");
        assert!(told["explanation"].as_str().is_some_and(|text| text.contains(says)), "{told}");
        let data = [b"\"data\":".as_slice(), &verbatim.body].concat();
        assert!(memchr::memmem::find(&reply.body, &data).is_some(), "{name}: {}", reply.text());
        let row = server.row(&reply);
        assert_eq!((&row["errorClass"], &row["statusCode"]), (&json!(class), &json!(status)));
        assert_eq!((&row["success"], &row["costUsd"]), (&json!(false), &Value::Null));
    }
    server.still_serves("customer");
}

#[test]
fn every_operation_of_the_envelope_goes_to_its_path() {
    let (provider, server) = serving();
    for operation in
        ["chat/completions", "responses", "embeddings", "images/generations", "moderations"]
    {
        provider.take_requests();
        let payload = json!({"model": "gpt-4o-mini", "input": "x", "prompt": "x"});
        let reply = server.envelope(operation, "customer", &payload).send().json();
        assert_eq!((&reply["success"], &reply["statusCode"]), (&json!(true), &json!(200)));
        assert_eq!(provider.take_requests()[0].target, format!("/v1/{operation}"));
    }
    let speech = json!({"model": "tts-1", "input": "Hello", "voice": "alloy"});
    let reply = server.envelope("audio/speech", "customer", &speech).send();
    assert_eq!(reply.header("content-type"), Some("audio/mpeg"));
    assert!(reply.answered().starts_with(b"\xff\xfb\x90\x64"), "the sound itself");
}

#[test]
fn a_stream_is_answered_as_the_stream_itself() {
    let (provider, server) = serving();
    let mut payload = streamed_chat();
    payload["stream_options"] = json!({"include_usage": true});
    let reply = server.envelope("chat/completions", "customer", &payload).send();
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let direct = server.chat("customer", &payload).send();
    assert_eq!(reply.answered(), direct.answered());
    assert_eq!(server.row(&reply)["streamed"], true);
    drop(provider);
}

#[test]
fn a_form_goes_on_without_its_ref_id() {
    let (provider, server) = serving();
    provider.take_requests();
    let rest = [
        form::field("model", "whisper-1"),
        form::file("file", "talk.wav", b"RIFF\r\n--not the boundary\r\n\0\xff"),
        form::field("response_format", "json"),
    ]
    .concat();
    let with_ref_id = form::whole(&[form::field("refId", "customer"), rest.clone()].concat());
    let asked = server.post("/proxy/openai/audio/transcriptions");
    let reply = asked.body(form::TYPE, with_ref_id).send();
    let told: Value = serde_json::from_slice(reply.answered()).expect("JSON");
    assert_eq!((&told["success"], &told["data"]["text"]), (&json!(true), &json!("Hello there.")));
    let seen = provider.take_requests().remove(0);
    assert_eq!(seen.target, "/v1/audio/transcriptions");
    assert_eq!(seen.header("content-type"), Some(form::TYPE));
    assert!(seen.body == form::whole(&rest), "{}", String::from_utf8_lossy(&seen.body));

    let row = server.row(&reply);
    assert_eq!(
        (&row["model"], &row["operation"]),
        (&json!("whisper-1"), &json!("audio/transcriptions"))
    );
    assert_eq!(row["costUsd"], json!(0.0009));
}
