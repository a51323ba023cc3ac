//! What is sent, and where.

use byok_client::keys::KeyStatus;
use byok_client::{Byok, KeySource};
use serde_json::{Value, json};

use crate::script::{KEY, Reply, Script, answer, envelope, json as answered};

/// Any characters that a customer's id may have, and some that it may not.
const ODD: &str = "a/b%2F?c=d&e#f \"g\" \\ ü 日本 {h} +";

fn body(request: &crate::script::Request) -> Value {
    serde_json::from_str(&request.body).expect("JSON")
}

#[test]
fn a_client_is_cheap_to_share() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Byok>();
    fn sent<T: Send>(_: T) {}
    let byok = Byok::builder("k").base_url("http://localhost").build().expect("a client");
    sent(byok.usage().stats());
    sent(byok.openai("c").responses().create(json!({})));
    sent(
        async move { byok.openai("c").responses().stream(json!({})).await?.next().await.transpose() },
    );
}

#[test]
fn the_environment_says_where_the_server_is_if_nobody_else_does() {
    let said = std::env::var("BYO_BASE_URL").unwrap_or_else(|_| "http://localhost:3000".to_owned());
    let byok = Byok::new("k").expect("a client");
    assert!(format!("{byok:?}").contains(&said), "{byok:?}");
}

#[tokio::test]
async fn every_request_has_the_key_and_the_headers_that_were_added() {
    let script = Script::of([envelope("{}")]).await;
    let byok = Byok::builder(KEY)
        .base_url(format!("{}/below/", script.url()))
        .header("x-gateway", "token")
        .build()
        .expect("a client");
    byok.in_project("proj_1")
        .openai("c")
        .chat()
        .completions()
        .create(json!({}))
        .await
        .expect("an answer");
    let request = script.only_request();
    assert_eq!(request.line(), "POST /below/projects/proj_1/proxy/openai/chat/completions");
    assert_eq!(request.header("authorization"), Some("Bearer byo_sk_test_canary"));
    assert_eq!(request.header("x-gateway"), Some("token"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").expect("one").starts_with("byok-client/"));
}

#[tokio::test]
async fn a_ref_id_with_any_characters_arrives_as_it_is() {
    let script = Script::of([
        envelope("{}"),
        answered(r#"{"balance":1,"held":0,"available":1}"#),
        answered(r#"{"data":[],"total":0,"limit":50,"offset":0}"#),
    ])
    .await;
    let byok = script.client();
    byok.openai(ODD).responses().create(json!({})).await.expect("an answer");
    byok.credits().get(ODD).await.expect("an answer");
    byok.keys()
        .list()
        .ref_id(ODD)
        .provider("openai")
        .status(KeyStatus::Valid)
        .send()
        .await
        .expect("an answer");
    let [call, path, query] = script.requests().try_into().expect("three");
    assert_eq!(body(&call), json!({"refId": ODD, "providerPayload": {}}));

    let segment = path.line().strip_prefix("GET /customers/").expect("the route");
    let segment = segment.strip_suffix("/credits").expect("one segment");
    assert!(!segment.contains(['/', '?', '#', ' ']), "{segment}");
    assert_eq!(decoded(segment), ODD);
    let (_, query) = query.line().split_once('?').expect("a query");
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " "))))
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs, [pair("refId", ODD), pair("provider", "openai"), pair("status", "valid")]);

    let other = byok.openai_compatible(ODD).expect("a header");
    assert_eq!(other.headers["x-byo-ref-id"].as_bytes(), ODD.as_bytes());
    assert_eq!(other.base_url, format!("{}/v1", script.url()));
    assert_eq!(other.api_key, KEY);
    assert!(!other.headers.contains_key("authorization"));
    assert!(byok.openai_compatible("a\nb").is_err());
    let project = byok.in_project("p 1").openai_compatible("c").expect("a header");
    assert_eq!(project.base_url, format!("{}/projects/p%201/v1", script.url()));
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(&after[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(hex, 16).expect("two digits"));
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[tokio::test]
async fn each_operation_has_its_route() {
    type Make = fn(&Byok) -> byok_client::StreamingOperation;
    let streaming: [(Make, &str, &str); 9] = [
        (|b| b.openai("c").responses(), "openai/responses", "openai/responses"),
        (
            |b| b.openai("c").chat().completions(),
            "openai/chat/completions",
            "openai/chat/completions",
        ),
        (
            |b| b.azure_openai("c").chat().completions(),
            "azure-openai/chat/completions",
            "azure-openai/chat/completions",
        ),
        (|b| b.anthropic("c").messages(), "anthropic/messages", "anthropic/messages"),
        (
            |b| b.google("c").generate_content(),
            "google/generateContent",
            "google/streamGenerateContent",
        ),
        (|b| b.bedrock("c").converse(), "bedrock/converse", "bedrock/converseStream"),
        (
            |b| b.bedrock("c").invoke_model(),
            "bedrock/invokeModel",
            "bedrock/invokeModelWithResponseStream",
        ),
        (|b| b.cohere("c").chat(), "cohere/chat", "cohere/chat"),
        (
            |b| b.host("groq", "c").chat().completions(),
            "groq/chat/completions",
            "groq/chat/completions",
        ),
    ];
    for (make, created, streamed) in streaming {
        let stream = answer("200 OK", &[("content-type", "text/event-stream")], "data: {}\n\n");
        let script = Script::of([envelope("{}"), Reply::Bytes(stream)]).await;
        let byok = script.client();
        make(&byok).create(json!({"a": 1})).await.expect("an answer");
        make(&byok).stream(json!({"a": 1})).await.expect("a stream");
        let [one, other] = script.requests().try_into().expect("two");
        assert_eq!(one.line(), format!("POST /proxy/{created}"));
        assert_eq!(other.line(), format!("POST /proxy/{streamed}"));
        assert_eq!(body(&one)["providerPayload"], json!({"a": 1}));
        let flag = created == streamed;
        assert_eq!(body(&other)["providerPayload"].get("stream").is_some(), flag, "{streamed}");
    }
    type Plain = fn(&Byok) -> byok_client::Operation;
    let plain: [(Plain, &str); 9] = [
        (|b| b.openai("c").embeddings(), "openai/embeddings"),
        (|b| b.openai("c").images(), "openai/images/generations"),
        (|b| b.openai("c").moderations(), "openai/moderations"),
        (|b| b.anthropic("c").count_tokens(), "anthropic/messages/count_tokens"),
        (|b| b.google("c").embed_content(), "google/embedContent"),
        (|b| b.azure_openai("c").embeddings(), "azure-openai/embeddings"),
        (|b| b.cohere("c").embed(), "cohere/embed"),
        (|b| b.mistral("c").embeddings(), "mistral/embeddings"),
        (|b| b.host("xai", "c").embeddings(), "xai/embeddings"),
    ];
    for (make, route) in plain {
        let script = Script::of([envelope("{}")]).await;
        make(&script.client()).create(json!({})).await.expect("an answer");
        assert_eq!(script.only_request().line(), format!("POST /proxy/{route}"));
    }
}

#[tokio::test]
async fn options_go_where_the_api_takes_them() {
    let page = || answered(r#"{"data":[],"total":0,"limit":50,"offset":0}"#);
    let script = Script::of([
        page(),
        page(),
        answered(r#"{"overrides":{}}"#),
        answered(r#"{"allowedOrigins":[]}"#),
        answered("[]"),
        answered("[]"),
    ])
    .await;
    let byok = script.client();
    byok.logs()
        .list()
        .success(false)
        .source(KeySource::Byok)
        .since("2026-01-01")
        .limit(7)
        .send()
        .await
        .expect("a page");
    byok.audit().list_project("proj_1").action("key.revoked").send().await.expect("a page");
    byok.pricing()
        .update("proj_1", json!({"openai": {"m": {"input": 0.5}}}))
        .await
        .expect("prices");
    byok.origins().clear("proj_1").await.expect("origins");
    byok.tiers().replace([]).await.expect("tiers");
    byok.tiers().get().await.expect("tiers");
    let lines: Vec<String> = script
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.line(), request.body))
        .collect();
    assert_eq!(
        lines,
        [
            "GET /logs?success=false&source=byok&since=2026-01-01&limit=7 ",
            "GET /projects/proj_1/audit-logs?action=key.revoked ",
            r#"PATCH /projects/proj_1/pricing {"overrides":{"openai":{"m":{"input":0.5}}}}"#,
            r#"PATCH /projects/proj_1/origins {"allowedOrigins":[]}"#,
            "PUT /tiers []",
            "GET /tiers ",
        ]
    );
}
