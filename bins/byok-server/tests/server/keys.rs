//! Who may use whose key, and when no longer.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::support::{KEY, Launch, Server, chat, is, provider, serving};

/// Another project on the same server: its id and its secret key.
fn project(server: &Server, name: &str) -> (String, String) {
    let asked = server.post("/projects").key(&server.keys.admin).json(&json!({"name": name}));
    let made = asked.send().json();
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    (text("id"), text("secretKey"))
}

#[test]
fn a_revoked_provider_key_is_gone_at_once() {
    let (provider, server) = serving();
    for _ in 0..3 {
        server.still_serves("customer");
        let seen = provider.requests().len();
        let revoked =
            server.delete("/keys/revoke").json(&json!({"provider": "openai", "refId": "customer"}));
        assert_eq!(revoked.send().json(), json!({"revoked": true}));
        for asked in [
            server.chat("customer", &chat()),
            server.envelope("chat/completions", "customer", &chat()),
        ] {
            assert_eq!(asked.send().refusal(), is(404, "key_not_connected"));
        }
        assert_eq!(revoked.send().refusal(), is(404, "key_not_connected"));
        assert_eq!(provider.requests().len(), seen, "nobody was called");
        server.connect("customer", KEY);
    }
}

#[test]
fn a_revoked_token_opens_nothing_from_the_next_request_on() {
    let (_provider, server) = serving();
    for (kind, route) in [("secret", "/usage"), ("customer", "/v1/models")] {
        let (id, key) = server.api_key(
            &json!({"type": kind, "name": "Temporary", "refId": (kind == "customer").then_some("customer")}),
        );
        let asked = server.get(route).key(&key).by("customer");
        assert_eq!(asked.send().status, 200, "{kind}");
        server.delete(&format!("/projects/{}/api-keys/{id}", server.keys.project)).send();
        assert_eq!(asked.send().refusal(), is(401, "unauthenticated"), "{kind}");
    }
    let path = format!("/projects/{}", server.keys.project);
    assert_eq!(server.delete(&path).key(&server.keys.admin).send().status / 100, 2);
    assert_eq!(server.chat("customer", &chat()).send().refusal(), is(401, "unauthenticated"));
}

#[test]
fn a_token_that_is_not_ours_word_for_word_opens_nothing() {
    let (provider, server) = serving();
    provider.take_requests();
    let secret = &server.keys.secret;
    let flipped = |at: usize| {
        let mut bytes = secret.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).expect("ASCII")
    };
    for token in [
        String::new(),
        "byo_sk_live_".to_owned(),
        flipped(14),
        flipped(30),
        flipped(secret.len() - 1),
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}a"),
        secret.to_uppercase(),
        secret.replace("_live_", "_test_"),
        server.keys.admin[1..].to_owned(),
        format!("{}0", server.keys.admin),
        "x".repeat(50_000),
    ] {
        for asked in [server.chat("customer", &chat()), server.get("/usage")] {
            let reply = asked.key(&token).send();
            assert!([401, 431].contains(&reply.status), "{token:.30}: {}", reply.status);
        }
    }
    for scheme in ["Basic", "bearer", "Token"] {
        let asked =
            server.get("/usage").anonymous().header("authorization", &format!("{scheme} {secret}"));
        assert_eq!(asked.send().status, if scheme == "bearer" { 200 } else { 401 }, "{scheme}");
    }
    assert_eq!(server.get("/usage").anonymous().send().refusal(), is(401, "unauthenticated"));
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn another_projects_key_sees_nothing_of_this_one() {
    let (provider, server) = serving();
    let (id, theirs) = project(&server, "Other");
    server.still_serves("customer");
    let row = server.call("customer");
    provider.take_requests();
    for asked in
        [server.chat("customer", &chat()), server.envelope("chat/completions", "customer", &chat())]
    {
        assert_eq!(asked.key(&theirs).send().refusal(), is(404, "key_not_connected"));
    }
    let ours = format!("/projects/{}", server.keys.project);
    let log = format!("/logs/{}", row["id"].as_str().expect("an id"));
    for path in [
        ours.clone(),
        format!("{ours}/usage"),
        format!("{ours}/logs"),
        format!("{ours}/v1/models"),
        log,
    ] {
        let reply = server.get(&path).key(&theirs).by("customer").send();
        assert_eq!(reply.refusal(), is(404, "not_found"), "{path}");
    }
    assert_eq!(server.get("/logs").key(&theirs).send().json()["total"], 0);
    assert_eq!(server.get("/keys").key(&theirs).send().json()["total"], 0);
    let revoke =
        server.delete("/keys/revoke").json(&json!({"provider": "openai", "refId": "customer"}));
    assert_eq!(revoke.key(&theirs).send().refusal(), is(404, "key_not_connected"));
    assert_eq!(provider.requests().len(), 0);

    // The same refId over there is somebody else.
    let connect = json!({"provider": "openai", "refId": "customer", "providerKey": "sk-proj-theirs-0123456789"});
    server.post("/keys/connect").key(&theirs).json(&connect).send().answered();
    provider.take_requests();
    server.chat("customer", &chat()).key(&theirs).send().answered();
    server.still_serves("customer");
    let keys: Vec<_> =
        provider.take_requests().iter().map(|seen| seen.bearer().map(str::to_owned)).collect();
    assert_eq!(keys, [Some("sk-proj-theirs-0123456789".to_owned()), Some(KEY.to_owned())]);
    assert_eq!(
        server.get(&format!("/projects/{id}/logs")).key(&server.keys.admin).send().json()["total"],
        1
    );
}

#[test]
fn a_key_that_the_provider_rejects_is_tried_last_until_it_works_again() {
    let (provider, server) = serving();
    let second = "sk-proj-second-0123456789abcdef";
    server.connect_with("customer", second, &json!({"label": "second", "priority": 5})).answered();
    let used = || {
        let reply = server.chat("customer", &chat()).send();
        server.row(&reply);
        let seen = provider.take_requests();
        let keys = seen.iter().map(|seen| seen.bearer().unwrap_or_default().to_owned());
        (reply.status, keys.collect::<Vec<_>>())
    };
    provider.take_requests();
    assert_eq!(used(), (200, vec![KEY.to_owned()]), "by priority");
    provider.accept_only([second]);
    let both = vec![KEY.to_owned(), second.to_owned()];
    assert_eq!(used(), (200, both), "the next key takes over");
    assert_eq!(used(), (200, vec![second.to_owned()]), "the next call begins with it");
    let keys = server.get("/keys?refId=customer").send().json();
    let status = |label: Value| {
        let rows = keys["data"].as_array().expect("rows");
        rows.iter().find(|row| row["label"] == label).expect("that key")["status"].clone()
    };
    assert_eq!((status(Value::Null), status(json!("second"))), (json!("invalid"), json!("valid")));
    provider.accept_only(["neither"]);
    assert_eq!(used().0, 401);
    provider.accept_only([KEY]);
    let statuses = [used().0, used().0, used().0];
    assert!(statuses.contains(&200), "a key that works again is found again: {statuses:?}");
    assert!(!keys.to_string().contains(KEY) && !keys.to_string().contains(second));
}

#[test]
fn connecting_tells_what_the_provider_says_and_replaces_what_was_there() {
    let provider = provider();
    let server = Launch::quickstart(&provider).start();
    let status = |reply: crate::support::Reply| {
        reply.json()["status"].as_str().unwrap_or_default().to_owned()
    };
    provider.accept_only([KEY]);
    assert_eq!(
        status(server.connect_with("customer", "sk-proj-wrong-0123456789", &json!({}))),
        "invalid"
    );
    let refused =
        server.connect_with("other", "sk-proj-wrong-0123456789", &json!({"requireValid": true}));
    assert_eq!(refused.refusal(), is(422, "validation_failed"));
    assert_eq!(server.get("/keys?refId=other").send().json()["total"], 0);
    let valid = server.connect_with("customer", KEY, &json!({})).json();
    assert_eq!((&valid["status"], &valid["updated"]), (&json!("valid"), &json!(true)));
    assert!(
        valid["keyHint"].as_str().is_some_and(|hint| hint.ends_with(&KEY[KEY.len() - 4..])),
        "{valid}"
    );
    for answer in [Answer::server_error(), Answer::overloaded(), Answer::raw(""), Answer::html()] {
        provider.answer_next(answer);
        assert_eq!(status(server.connect_with("customer", KEY, &json!({}))), "unverified");
    }
    for answer in [Answer::quota_exhausted(), Answer::rate_limited(3)] {
        provider.answer_next(answer);
        assert_eq!(status(server.connect_with("customer", KEY, &json!({}))), "valid");
    }
    let rows = server.get("/keys?refId=customer").send().json();
    assert_eq!(rows["total"], 1);
    let validate =
        server.post("/keys/validate").json(&json!({"provider": "openai", "refId": "customer"}));
    assert_eq!(validate.send().json()["valid"], true);
    provider.accept_only(["another"]);
    let told = validate.send().json();
    assert_eq!((&told["valid"], &told["status"]), (&json!(false), &json!("invalid")));
}

#[test]
fn what_an_answer_tells_of_its_keys_limits_is_shown_with_the_key() {
    let (provider, server) = serving();
    let shown = || server.get("/keys?refId=customer").send().json()["data"][0].clone();
    assert_eq!(shown()["rateLimits"], Value::Null);
    let told = Answer::json(200, &json!({"id": "c", "choices": []}))
        .header("x-ratelimit-limit-requests", "500")
        .header("x-ratelimit-remaining-requests", "499")
        .header("x-ratelimit-reset-requests", "120ms");
    provider.answer_next(told);
    server.chat("customer", &chat()).send().answered();
    let row = shown();
    let limit = &row["rateLimits"][0];
    assert_eq!((&limit["kind"], &limit["limit"]), (&json!("requests"), &json!(500)));
    assert_eq!(limit["remaining"], 499);
    assert!(limit["resetAt"].is_string() && row["rateLimitsAt"].is_string(), "{row}");
    // An answer that tells nothing takes nothing back.
    provider.answer_next(Answer::json(200, &json!({"id": "c", "choices": []})));
    server.chat("customer", &chat()).send().answered();
    assert_eq!(shown()["rateLimits"], row["rateLimits"]);
}

#[test]
fn a_key_of_another_provider_is_rejected_with_a_word_on_where_it_belongs() {
    let (provider, server) = serving();
    provider.accept_only([KEY]);
    let key = "sk-ant-api03-0123456789abcdefghij";
    let connected = server.connect_with("newcomer", key, &json!({})).json();
    assert_eq!(connected["status"], "invalid");
    let message = connected["message"].as_str().expect("a sentence");
    assert!(message.contains("Anthropic") && !message.contains("0123"), "{message}");
}
