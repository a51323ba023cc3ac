//! The customer that a request names: not at all, twice, or in a way that no customer is named.

use serde_json::json;

use crate::support::{KEY, chat, form, is, refused, serving};

#[test]
fn a_missing_ref_id_is_told_in_the_shape_of_the_route() {
    let (provider, server) = serving();
    provider.take_requests();
    let reply = server.post("/v1/chat/completions").json(&chat()).send();
    let error = reply.json()["error"].clone();
    assert_eq!(reply.status, 400);
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("invalid_request_error"), &json!("missing_ref_id"))
    );
    assert!(error["message"].as_str().is_some_and(|text| text.contains("X-BYO-Ref-Id")));
    for body in [
        json!({}),
        json!({"refId": null, "providerPayload": {}}),
        json!({"providerPayload": chat()}),
    ] {
        let asked = server.post("/proxy/openai/chat/completions").json(&body);
        assert_eq!(refused(&asked), is(400, "missing_ref_id"), "{body}");
        let asked =
            server.post("/keys/connect").json(&json!({"provider": "openai", "providerKey": KEY}));
        assert_eq!(refused(&asked), is(400, "missing_ref_id"));
    }
    let parts = [form::file("file", "a.wav", b"RIFF"), form::field("refId", "customer")].concat();
    let asked = server.post("/proxy/openai/audio/transcriptions");
    let late = asked.body(form::TYPE, form::whole(&parts));
    assert_eq!(refused(&late), is(400, "missing_ref_id"), "after the file it is too late");
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn a_silly_ref_id_is_refused_on_every_route() {
    let (provider, server) = serving();
    provider.take_requests();
    let long = "x".repeat(10 << 10);
    for bad in [
        "a\nb",
        "a\r\nX-Evil: 1",
        "a\0b",
        "a\tb",
        "\u{1b}[31m",
        "a\u{85}b",
        " a",
        "a ",
        long.as_str(),
    ] {
        let body = json!({"refId": bad, "providerPayload": chat()});
        let asked = server.post("/proxy/openai/chat/completions").json(&body);
        assert_eq!(refused(&asked), is(400, "invalid_ref_id"), "{bad:.20?}");
        for (path, more) in [
            ("connect", json!({"providerKey": KEY})),
            ("check", json!({})),
            ("validate", json!({})),
        ] {
            let mut body = json!({"refId": bad, "provider": "openai"});
            if let Some(key) = more.get("providerKey") {
                body["providerKey"] = key.clone();
            }
            let asked = server.post(&format!("/keys/{path}")).json(&body);
            assert_eq!(refused(&asked), is(400, "invalid_ref_id"), "{path} {bad:.20?}");
        }
        let parts = [form::field("refId", bad), form::file("file", "a.wav", b"RIFF")].concat();
        let asked =
            server.post("/proxy/openai/audio/transcriptions").body(form::TYPE, form::whole(&parts));
        assert_eq!(refused(&asked).0, 400, "{bad:.20?}");
    }
    for bad in [json!(7), json!(["customer"]), json!({"a": 1}), json!(true)] {
        let asked = server
            .post("/proxy/openai/chat/completions")
            .json(&json!({"refId": bad, "providerPayload": chat()}));
        assert_eq!(refused(&asked), is(400, "invalid_ref_id"), "{bad}");
    }
    // As a header: those that HTTP lets through at all.
    for bad in ["\u{85}x", "a\tb", long.as_str()] {
        let reply = server.chat(bad, &chat()).send();
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (400, &json!("invalid_ref_id")),
            "{bad:.20?}"
        );
    }
    let log = server.log();
    assert!(!log.contains('\u{1b}') && !log.contains("X-Evil: 1\n"), "{log}");
    assert_eq!(provider.requests().len(), 0);
    server.still_serves("customer");
}

#[test]
fn two_ref_ids_or_two_keys_are_no_choice_to_be_made_here() {
    let (provider, server) = serving();
    server.connect("other", "sk-proj-other-0123456789abcdef");
    provider.take_requests();
    let reply = server.chat("customer", &chat()).by("other").send();
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("invalid_ref_id")));
    let asked = server.chat("customer", &chat()).header("x-api-key", &server.keys.publishable);
    assert_eq!(refused(&asked), is(401, "unauthenticated"));
    let body = "{\"refId\":\"customer\",\"refId\":\"other\",\"providerPayload\":{}}";
    let asked = server.post("/proxy/openai/chat/completions").body("application/json", body);
    assert_eq!(refused(&asked), is(400, "invalid_json"));
    let parts = [
        form::field("refId", "customer"),
        form::field("refId", "other"),
        form::file("file", "a", b"x"),
    ]
    .concat();
    let asked =
        server.post("/proxy/openai/audio/transcriptions").body(form::TYPE, form::whole(&parts));
    let reply = asked.send();
    // The first one counts; the second is a field like any other.
    assert_eq!(server.row(&reply)["refId"], "customer");
    assert_eq!(provider.requests()[0].bearer(), Some(KEY));
}
