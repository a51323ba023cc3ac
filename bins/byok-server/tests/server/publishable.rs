//! Keys that browsers and tools hold: what they may do, and that they may do nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use byok_domain::Timestamp;
use serde_json::{Value, json};

use crate::support::{KEY, Request, chat, is, serving};

#[test]
fn a_publishable_key_connects_and_does_nothing_else() {
    let (provider, server) = serving();
    let publishable = server.keys.publishable.clone();
    provider.take_requests();
    let fields = json!({"provider": "openai", "refId": "customer"});
    let elsewhere: Vec<Request> = vec![
        server.chat("customer", &chat()),
        server.envelope("chat/completions", "customer", &chat()),
        server.get("/v1/models").by("customer"),
        server.get("/keys"),
        server.get("/usage"),
        server.get("/logs"),
        server.get("/audit-logs"),
        server.get("/pricing"),
        server.patch("/pricing").json(&json!({"overrides": {}})),
        server.patch("/origins").json(&json!({"allowedOrigins": []})),
        server.post("/keys/validate").json(&fields),
        server.delete("/keys/revoke").json(&fields),
        server.get(&format!("/projects/{}", server.keys.project)),
        server
            .post(&format!("/projects/{}/api-keys", server.keys.project))
            .json(&json!({"type": "secret", "name": "x"})),
        server.post("/projects").json(&json!({"name": "x"})),
    ];
    for asked in elsewhere {
        let reply = asked.clone().key(&publishable).send();
        assert_eq!(reply.refusal(), is(403, "forbidden"), "{}", asked.head());
    }
    let connect = |ref_id: &str, more: Value| {
        let mut body = json!({"provider": "openai", "refId": ref_id, "providerKey": "sk-proj-intruder-0123456789"});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        server.post("/keys/connect").key(&publishable).json(&body).send()
    };
    assert_eq!(connect("customer", json!({})).refusal(), is(409, "key_exists"));
    assert_eq!(connect("customer", json!({"label": "beside"})).refusal().0 / 100, 4);
    let config = json!({"providerConfig": {"baseUrl": "https://api.example.com/v1"}});
    assert_eq!(connect("new", config).refusal(), is(403, "forbidden"));
    assert_eq!(provider.requests().len(), 0, "the provider was not even asked");
    server.still_serves("customer");
    assert_eq!(provider.requests()[0].bearer(), Some(KEY));

    // It makes a new one, and replaces one that does not work.
    provider.accept_only([KEY]);
    assert_eq!(connect("new", json!({})).json()["status"], "invalid");
    provider.behave();
    let replaced = connect("new", json!({})).json();
    assert_eq!((&replaced["status"], &replaced["updated"]), (&json!("valid"), &json!(true)));
    let check = server
        .post("/keys/check")
        .key(&publishable)
        .json(&json!({"provider": "openai", "refId": "new"}));
    assert_eq!(check.send().json()["connected"], true);
}

#[test]
fn a_publishable_key_is_used_from_the_projects_pages_only() {
    let (_provider, server) = serving();
    let allowed =
        json!({"allowedOrigins": ["https://app.example.com", "https://*.customers.example.com"]});
    server.patch("/origins").json(&allowed).send().answered();
    let check = server
        .post("/keys/check")
        .key(&server.keys.publishable)
        .json(&json!({"provider": "openai", "refId": "customer"}));
    for (origin, passes) in [
        ("https://app.example.com", true),
        ("https://a.customers.example.com", true),
        ("http://app.example.com", false),
        ("https://app.example.com.evil.com", false),
        ("https://evil.com/https://app.example.com", false),
        ("https://app.example.com:8443", false),
        ("https://customers.example.com.evil.com", false),
        ("https://xcustomers.example.com", false),
        ("null", false),
        ("", false),
    ] {
        let reply = check.clone().header("origin", origin).send();
        if passes {
            assert_eq!(reply.status, 200, "{origin}");
            assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
            assert_eq!(reply.header("access-control-allow-credentials"), None);
        } else {
            assert_eq!(reply.refusal(), is(403, "origin_not_allowed"), "{origin}");
            assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        }
    }
    assert_eq!(check.send().refusal(), is(403, "origin_not_allowed"), "none at all");
}

#[test]
fn a_customer_key_calls_for_its_own_ref_id_and_does_nothing_else() {
    let (provider, server) = serving();
    server.connect("other", "sk-proj-other-0123456789abcdef");
    let (_, key) =
        server.api_key(&json!({"type": "customer", "name": "Tool", "refId": "customer"}));
    assert!(key.starts_with("byo_ck_"), "{key:.8}");
    provider.take_requests();
    server.post("/v1/chat/completions").key(&key).json(&chat()).send().answered();
    server.chat("customer", &chat()).key(&key).send().answered();
    server.envelope("chat/completions", "customer", &chat()).key(&key).send().answered();
    let seen = provider.take_requests();
    assert!(seen.len() == 3 && seen.iter().all(|seen| seen.bearer() == Some(KEY)));
    for asked in
        [server.chat("other", &chat()), server.envelope("chat/completions", "other", &chat())]
    {
        assert_eq!(asked.key(&key).send().refusal(), is(403, "forbidden"));
    }
    let fields = json!({"provider": "openai", "refId": "customer", "providerKey": KEY});
    for asked in [
        server.post("/keys/connect").json(&fields),
        server.get("/keys"),
        server.get("/usage"),
        server.get("/logs?refId=customer"),
        server.get("/audit-logs"),
    ] {
        assert_eq!(asked.key(&key).send().refusal(), is(403, "forbidden"));
    }
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn a_customer_key_opens_nothing_once_its_time_is_over() {
    let (_provider, server) = serving();
    let wanted = |expires_at: &str| json!({"type": "customer", "name": "Tool", "refId": "customer", "expiresAt": expires_at});
    let path = format!("/projects/{}/api-keys", server.keys.project);
    let past = server.post(&path).json(&wanted("2020-01-01T00:00:00.000Z")).send();
    assert_eq!(past.refusal(), is(422, "validation_failed"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let end = Timestamp::from_millis(i64::try_from(now).expect("in this age") + 1500);
    let (_, key) = server.api_key(&wanted(&end.to_string()));
    let asked = server.get("/v1/models").key(&key);
    assert_eq!(asked.send().status, 200);
    std::thread::sleep(Duration::from_millis(1600));
    assert_eq!(asked.send().refusal(), is(401, "unauthenticated"));
}
