//! The drop-in routes: what goes up to the provider, and what comes back down, to the byte.

use std::net::TcpListener;

use byok_testkit::fake_provider::{Answer, echoing_authorization};
use serde_json::{Value, json};

use crate::support::{KEY, Launch, chat, provider, serving, streamed_chat};

#[test]
fn status_body_and_harmless_headers_come_back_and_no_other() {
    let (provider, server) = serving();
    let body = "{\r\n  \"choices\": [],  \"\\u0078\": 1.0e2}\n";
    for (status, reason) in
        [(200, "200 OK"), (201, "201 Created"), (400, "400 Bad"), (418, "418"), (500, "500")]
    {
        let answer = Answer::new(status, "application/json; charset=utf-8", body)
            .header("X-Request-Id", "req_provider_1")
            .header("Retry-After", "3")
            .header("x-ratelimit-remaining-tokens", "7")
            .header("x-ratelimit-reset-requests", "8ms")
            .header("Set-Cookie", "session=canary; Path=/")
            .header("Access-Control-Allow-Origin", "*")
            .header("Access-Control-Allow-Credentials", "true")
            .header("Clear-Site-Data", "\"*\"")
            .header("WWW-Authenticate", "Bearer realm=\"canary\"")
            .header("Location", "https://canary.example")
            .header("Refresh", "0; url=https://canary.example")
            .header("Link", "<https://canary.example>; rel=preload")
            .header("Server", "canary")
            .header("Via", "1.1 canary")
            .header("Alt-Svc", "h3=\":443\"")
            .header("openai-organization", "org-canary")
            .header("x-byo-fallback", "canary")
            .header("x-byo-provider", "canary")
            .header("Content-Security-Policy", "default-src canary");
        provider.answer_next(answer);
        let reply = server.chat("customer", &chat()).send();
        assert!(format!("{reason} ").starts_with(&reply.status.to_string()), "{}", reply.status);
        assert_eq!((reply.text().as_str(), reply.whole), (body, true));
        let mut names = reply.header_names();
        names.retain(|name| name != "date" && name != "connection");
        assert_eq!(
            names,
            [
                "content-length",
                "content-type",
                "retry-after",
                "x-byo-key-source",
                "x-byo-provider",
                "x-content-type-options",
                "x-provider-request-id",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-requests",
                "x-request-id",
            ]
        );
        assert!(!String::from_utf8_lossy(&reply.head).contains("canary"));
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(reply.header("x-provider-request-id"), Some("req_provider_1"));
    }
}

#[test]
fn what_a_browser_might_run_comes_back_as_mere_bytes() {
    let (provider, server) = serving();
    for (sent, passed) in [
        ("application/json", true),
        ("text/event-stream; charset=utf-8", true),
        ("text/plain", true),
        ("audio/mpeg", true),
        ("image/png", true),
        ("application/octet-stream", true),
        ("image/svg+xml", false),
        ("text/html", false),
        ("text/javascript", false),
        ("application/xhtml+xml", false),
        ("application/pdf", false),
        ("text/xml", false),
        ("TEXT/HTML", false),
        ("video/mp4", false),
    ] {
        let body = "<svg onload=alert(1)>";
        provider.answer_next(Answer::new(200, sent, body));
        let reply = server.get("/v1/some/page").by("customer").send();
        assert_eq!(reply.text(), body, "{sent}");
        let expected = if passed { sent } else { "application/octet-stream" };
        assert_eq!(reply.header("content-type"), Some(expected));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn the_provider_sees_the_customers_key_and_nothing_of_ours() {
    let (provider, server) = serving();
    provider.take_requests();
    let body = "{\"model\":\"gpt-4o-mini\", \"messages\":[],\n\"n\":1.0}";
    let secret = server.keys.secret.clone();
    let asked = server
        .post("/v1/chat/completions?beta=a%20b&x=%2F")
        .by("customer")
        .header("x-api-key", &secret)
        .header("api-key", &secret)
        .header("x-goog-api-key", &secret)
        .header("cookie", "session=canary")
        .header("forwarded", "for=canary")
        .header("x-forwarded-for", "10.1.2.3")
        .header("x-forwarded-host", "canary.example")
        .header("x-real-ip", "10.1.2.3")
        .header("openai-organization", "org-canary")
        .header("openai-project", "proj-canary")
        .header("x-byo-canary", "1")
        .header("referer", "https://canary.example")
        .header("origin", "https://canary.example")
        .header("te", "trailers, canary")
        .header("accept-encoding", "gzip, br")
        .header("accept", "application/json")
        .header("user-agent", "OpenAI/Python 2.0")
        .header("x-stainless-lang", "python")
        .header("idempotency-key", "once")
        .body("application/json", body);
    asked.send().answered();
    let seen = provider.take_requests().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/v1/chat/completions?beta=a%20b&x=%2F")
    );
    assert_eq!(String::from_utf8_lossy(&seen.body), body);
    let mut headers: Vec<String> = seen
        .headers()
        .iter()
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "accept-encoding: identity".to_owned(),
            "accept: application/json".to_owned(),
            format!("authorization: Bearer {KEY}"),
            format!("content-length: {}", body.len()),
            "content-type: application/json".to_owned(),
            format!("host: {}", provider.address()),
            "idempotency-key: once".to_owned(),
            "user-agent: OpenAI/Python 2.0".to_owned(),
            "x-stainless-lang: python".to_owned(),
        ]
    );
    for token in [&server.keys.admin, &secret, &server.keys.publishable] {
        assert!(!String::from_utf8_lossy(&seen.head).contains(token.as_str()));
    }
}

#[test]
fn an_organisation_and_a_project_are_the_keys_own() {
    let (provider, server) = serving();
    let config = json!({"providerConfig": {"organization": "org-1", "project": "proj-1"}});
    server.connect_with("with", KEY, &config).answered();
    provider.take_requests();
    server.chat("with", &chat()).header("openai-organization", "org-2").send().answered();
    let seen = provider.take_requests().remove(0);
    assert_eq!(seen.header("openai-organization"), Some("org-1"));
    assert_eq!(seen.header("openai-project"), Some("proj-1"));
}

#[test]
fn nothing_in_a_request_chooses_where_it_goes_or_is_fetched() {
    let canary = TcpListener::bind("127.0.0.1:0").expect("a free port");
    canary.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/v1", canary.local_addr().expect("bound"));
    let host = url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let provider = provider();
    let mut launch =
        Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8");
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
        launch = launch.with(variable, url.clone());
    }
    let server = launch.start();
    server.connect("customer", KEY);
    let mut payload = chat();
    for field in
        ["api_base", "base_url", "baseUrl", "endpoint", "host", "url", "webhook", "api_key"]
    {
        payload[field] = url.as_str().into();
    }
    payload["messages"] = json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "file", "file": {"file_url": url}},
    ]}]);
    for asked in [
        server.chat("customer", &payload),
        server.envelope("chat/completions", "customer", &payload),
    ] {
        let mut asked = asked;
        for header in [
            "x-base-url",
            "x-upstream",
            "x-original-url",
            "x-rewrite-url",
            "x-forwarded-host",
            "x-host",
            "x-portkey-custom-host",
            "x-byo-base-url",
        ] {
            asked = asked.header(header, &url);
        }
        asked.send().answered();
    }
    let before = provider.requests().len();
    let absolute = format!(
        "GET {url}/models HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
         x-byo-ref-id: customer\r\nconnection: close\r\n\r\n",
        server.keys.secret
    );
    server.raw(absolute.as_bytes());
    assert!(canary.accept().is_err(), "somebody called the canary");
    // Whether the absolute form is answered or refused, it went nowhere else.
    assert!(provider.requests().len() <= before + 1);
    server.still_serves("customer");
}

#[test]
fn a_key_that_the_provider_repeats_is_masked() {
    let (provider, server) = serving();
    let mask = "*".repeat(KEY.len());
    provider.answer_with("/chat/completions", echoing_authorization);
    let echo = |status: u16| {
        move |seen: &byok_testkit::fake_provider::Seen| {
            let key = seen.bearer().unwrap_or_default();
            let error = Answer::error(status, "invalid_request_error", "x", &format!("no {key}!"));
            error.header("x-request-id", key).header("retry-after", key)
        }
    };
    let mut replies = vec![
        ("drop-in", server.chat("customer", &chat()).send()),
        ("envelope", server.envelope("chat/completions", "customer", &chat()).send()),
        ("stream", server.chat("customer", &streamed_chat()).send()),
    ];
    provider.answer_with("/embeddings", echo(401));
    provider.answer_with("/responses", echo(400));
    replies.push(("401", server.post("/v1/embeddings").by("customer").json(&chat()).send()));
    replies.push(("envelope 401", server.envelope("embeddings", "customer", &chat()).send()));
    replies.push(("400", server.post("/v1/responses").by("customer").json(&chat()).send()));
    for (name, reply) in replies {
        let all = [reply.head.as_slice(), &reply.body].concat();
        assert!(
            memchr::memmem::find(&all, KEY.as_bytes()).is_none(),
            "{name}: {}",
            String::from_utf8_lossy(&all)
        );
        assert!(reply.text().contains(&mask), "{name}: {}", reply.text());
        assert!(reply.whole, "{name}");
    }
}

#[test]
fn the_operator_calls_by_the_projects_path() {
    let (provider, server) = serving();
    let project = server.keys.project.clone();
    for path in [
        format!("/projects/{project}/v1/chat/completions"),
        format!("/projects/{project}/proxy/openai/chat/completions"),
    ] {
        let body = if path.contains("proxy") {
            json!({"refId": "customer", "providerPayload": chat()})
        } else {
            chat()
        };
        for key in [&server.keys.admin, &server.keys.secret] {
            let asked = server.post(&path).key(key).by("customer").json(&body);
            asked.send().answered();
        }
        let elsewhere = path.replace(&project, "proj_00000000000000000000000000000000");
        for key in [&server.keys.admin, &server.keys.secret] {
            let asked = server.post(&elsewhere).key(key).by("customer").json(&body);
            assert_eq!(asked.send().refusal(), (404, "not_found".to_owned()));
        }
    }
    let reply = server.chat("customer", &chat()).key(&server.keys.admin).send();
    assert_eq!(reply.refusal(), (400, "invalid_parameter".to_owned()));
    assert_eq!(provider.requests().len(), 5);
}

#[test]
fn a_path_that_nobody_knows_is_forwarded_and_metered_unless_that_is_turned_off() {
    let (provider, server) = serving();
    let usage =
        json!({"usage": {"prompt_tokens": 5, "completion_tokens": 3}, "model": "gpt-4o-mini"});
    provider.answer_at("/brand/new", Answer::json(200, &usage));
    let reply = server.post("/v1/brand/new").by("customer").json(&json!({"x": 1})).send();
    assert_eq!(reply.json(), usage);
    let row = server.row(&reply);
    assert_eq!((&row["totalTokens"], &row["model"]), (&json!(8), &json!("gpt-4o-mini")));
    for path in
        ["/v1/../admin", "/v1/a/../b", "/v1/a%2f..%2fb", "/v1/%2e%2e/b", "/v1/a//b", "/v1/a%5cb"]
    {
        let reply = server.post(path).by("customer").json(&json!({})).send();
        let (status, code) = reply.refusal();
        assert!([400, 404].contains(&status), "{path}: {status} {code}");
    }
    let paths: Vec<String> = provider.requests().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(paths, ["/v1/models", "/v1/brand/new"]);

    let launch = server.launch.clone().with("BYO_FORWARD_UNKNOWN_PATHS", "false");
    let mut server = server;
    assert!(server.stop().success());
    let server = server.again(launch);
    let reply = server.post("/v1/brand/new").by("customer").json(&json!({"x": 1})).send();
    assert_eq!(reply.refusal(), (404, "not_found".to_owned()));
    server.still_serves("customer");
}

#[test]
fn models_are_listed_with_the_customers_key() {
    let (_provider, server) = serving();
    let list: Value = server.get("/v1/models").by("customer").send().json();
    assert_eq!(list["data"][0]["id"], "gpt-4o-mini");
    assert_eq!(server.get("/v1/models/gpt-4o").by("customer").send().json()["id"], "gpt-4o");
    let reply = server.get("/v1/models").by("nobody").send();
    assert_eq!(reply.refusal(), (404, "key_not_connected".to_owned()));
}

#[test]
fn a_refusal_of_ours_is_told_where_the_sdk_looks_for_it_and_where_all_of_ours_are() {
    let (_provider, server) = serving();
    let body = json!({"refId": "nobody", "providerPayload": chat()});
    let plain = server.post("/proxy/openai/chat/completions").json(&body).send().json();
    let shaped = server.chat("nobody", &chat()).send();
    assert_eq!(shaped.header("content-type"), Some("application/json"));
    let shaped = shaped.json();
    assert_eq!(
        (&plain["error"], &shaped["error"]["code"]),
        (&json!("key_not_connected"), &plain["error"])
    );
    assert_eq!(shaped["message"], plain["message"]);
    assert_eq!(shaped["error"]["message"], plain["message"]);
    assert_eq!(
        (&shaped["error"]["type"], &shaped["error"]["param"]),
        (&json!("invalid_request_error"), &Value::Null)
    );
}
