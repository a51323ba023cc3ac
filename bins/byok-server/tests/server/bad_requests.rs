//! What a careless or hostile caller sends: a clear refusal, and nothing reaches the provider.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::support::{chat, form, is, refused, serving};

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    let (provider, server) = serving();
    provider.take_requests();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        " ",
        "{",
        "[]",
        "null",
        "7",
        "\"{}\"",
        "{\"a\":}",
        "{} {}",
        "{\"a\":1,}",
        "{'a':1}",
        "\u{feff}{}",
        "{\"a\":\"\u{0}\"}",
        "{\"model\":\"a\",\"model\":\"b\"}",
        deep.as_str(),
    ] {
        let asked = server.post("/v1/chat/completions").by("customer");
        let name = &body[..body.len().min(40)];
        assert_eq!(
            refused(&asked.body("application/json", body)),
            is(400, "invalid_json"),
            "{name}"
        );
        let envelope = format!("{{\"refId\":\"customer\",\"providerPayload\":{body}}}");
        let asked = server.post("/proxy/openai/chat/completions");
        let expected = match body {
            "null" => is(422, "validation_failed"),
            _ => is(400, "invalid_json"),
        };
        assert_eq!(refused(&asked.body("application/json", envelope)), expected, "{name}");
        if body != "[]" {
            let asked = server.post("/keys/connect").body("application/json", body);
            assert_eq!(refused(&asked).0 / 100, 4, "{name}");
        }
    }
    assert_eq!(provider.requests().len(), 0);
    for body in [&b"\xff\xfe{}"[..], b"{\"a\":\"\xff\"}", b"{\"model\":\"\xc0\"}"] {
        // No UTF-8: refused here, or there by the provider who got the same bytes.
        let asked = server.post("/v1/chat/completions").by("customer");
        assert_eq!(asked.body("application/json", body).send().status, 400);
        assert!(provider.take_requests().iter().all(|seen| seen.body == body));
    }
    server.still_serves("customer");
}

#[test]
fn odd_documents_that_are_json_pass_to_the_byte() {
    let (provider, server) = serving();
    provider.answer_at("/chat/completions", Answer::json(200, &json!({"choices": []})));
    let many: String = (0..20_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
    for body in [
        "{\"a\":1e999,\"b\":-0.0,\"c\":1E+400}",
        "{\"\":1,\"\\u0000\":2,\"a\":\"\\ud800\"}",
        "{\"dup\":1,\"dup\":2}",
        &format!("{{\"n\":{}}}", "9".repeat(1_000_000)),
        &format!("{{{many}\"end\":0}}"),
        &deep,
    ] {
        provider.take_requests();
        let asked = server.post("/v1/chat/completions").by("customer");
        asked.body("application/json", body).send().answered();
        let seen = provider.take_requests().remove(0);
        assert!(seen.body == body.as_bytes(), "{}", &body[..body.len().min(60)]);
    }
}

#[test]
fn what_does_not_exist_is_not_found_and_methods_are_told() {
    let (provider, server) = serving();
    provider.take_requests();
    let envelope = json!({"refId": "customer", "providerPayload": chat()});
    for (path, expected) in [
        ("/proxy/openai/files", is(404, "not_found")),
        ("/proxy/openai/chat", is(404, "not_found")),
        ("/proxy/openai", is(404, "not_found")),
        ("/proxy/openai/", is(404, "not_found")),
        ("/proxy/openai/chat%2Fcompletions", is(404, "not_found")),
        ("/proxy/openai/../keys", is(404, "not_found")),
        ("/proxy/nobody/chat/completions", is(404, "not_found")),
        ("/proxy/OpenAI/chat/completions", is(404, "not_found")),
        ("/proxy/", is(404, "not_found")),
        ("/nowhere", is(404, "not_found")),
        ("/keys/connect/", is(404, "not_found")),
        ("//keys/connect", is(404, "not_found")),
        ("/KEYS/connect", is(404, "not_found")),
        ("/proxy/openai/chat/completions", is(200, "")),
    ] {
        let asked = server.post(path).json(&envelope);
        if expected.0 == 200 {
            asked.send().answered();
        } else {
            assert_eq!(refused(&asked), expected, "{path}");
        }
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let head = format!(
            "{method} /proxy/openai/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            server.keys.secret
        );
        let answer = String::from_utf8_lossy(&server.raw(head.as_bytes())).into_owned();
        assert!(
            answer.starts_with("HTTP/1.1 405") && answer.contains("\r\nallow: POST\r\n"),
            "{method}: {answer}"
        );
    }
    let reply = server.chat("customer", &chat()).header("x-byo-provider", "nobody").send();
    assert_eq!(reply.refusal(), is(404, "not_found"));
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn only_the_right_type_unencoded_is_read() {
    let (provider, server) = serving();
    provider.take_requests();
    let text = chat().to_string();
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
        "json",
        "application/json-seq",
    ] {
        for path in ["/v1/chat/completions", "/proxy/openai/chat/completions", "/keys/connect"] {
            let asked = server.post(path).by("customer").body(content_type, text.clone());
            assert_eq!(refused(&asked), is(415, "unsupported_media_type"), "{path} {content_type}");
        }
    }
    for content_type in [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=a",
    ] {
        let asked = server
            .post("/proxy/openai/audio/transcriptions")
            .body(content_type, form::whole(&form::field("refId", "customer")));
        assert_eq!(refused(&asked), is(415, "unsupported_media_type"), "{content_type}");
    }
    for coding in ["gzip", "br", "zstd", "deflate"] {
        for path in [
            "/v1/chat/completions",
            "/v1/files",
            "/v1/brand/new",
            "/proxy/openai/responses",
            "/keys/connect",
        ] {
            let content_type =
                if path.ends_with("files") { form::TYPE } else { "application/json" };
            let asked = server
                .post(path)
                .by("customer")
                .header("content-encoding", coding)
                .body(content_type, text.clone());
            assert_eq!(refused(&asked), is(415, "unsupported_media_type"), "{path} {coding}");
        }
    }
    assert_eq!(provider.requests().len(), 0);
    server.chat("customer", &chat()).send().answered();
    let asked = server.post("/v1/chat/completions").by("customer");
    asked.body("Application/JSON; charset=UTF-8", text).send().answered();
}

#[test]
fn the_fields_that_are_wrong_are_named_all_at_once() {
    let (_provider, server) = serving();
    let body = json!({"refId": "customer", "provider": "nobody", "providerKey": 7, "label": 1, "priority": "x", "colour": "red"});
    let reply = server.post("/keys/connect").json(&body).send();
    assert_eq!(reply.refusal(), is(422, "validation_failed"));
    let named: Vec<Value> = reply.json()["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["field"].clone())
        .collect();
    for field in ["provider", "providerKey", "label", "priority", "colour"] {
        assert!(named.contains(&json!(field)), "{field}: {named:?}");
    }
    let asked = server
        .post("/proxy/openai/chat/completions")
        .json(&json!({"refId": "customer", "payload": {}}));
    assert_eq!(refused(&asked), is(422, "validation_failed"));
    let asked = server.post("/proxy/openai/chat/completions").json(&json!({"refId": "customer"}));
    assert_eq!(refused(&asked), is(422, "validation_failed"));
}

#[test]
fn a_key_with_a_line_break_or_any_other_odd_character_is_refused_and_not_repeated() {
    let (provider, server) = serving();
    provider.take_requests();
    for bad in [
        "sk-canary\r\nX-Evil: 1",
        "sk-canary\n",
        "\nsk-canary",
        "sk-can\0ary",
        "sk canary",
        "sk-canary\u{e9}",
        "sk-canary\u{1F511}",
        " sk-canary",
        "",
    ] {
        let reply = server.connect_with("new", bad, &json!({}));
        assert_eq!(reply.refusal(), is(422, "validation_failed"), "{bad:?}");
        assert!(!reply.text().contains("canary"), "{}", reply.text());
        assert_eq!(reply.json()["errors"][0]["field"], "providerKey");
    }
    let huge = "k".repeat(200_000);
    assert_eq!(
        server.connect_with("new", &huge, &json!({})).refusal(),
        is(422, "validation_failed")
    );
    assert_eq!(provider.requests().len(), 0);
    let check = json!({"provider": "openai", "refId": "new"});
    assert_eq!(server.post("/keys/check").json(&check).send().json()["connected"], false);
}
