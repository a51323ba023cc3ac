//! The server over TLS and HTTP/2: the settings, a call, a stream, and a new certificate.

use std::fs;
use std::time::{Duration, Instant};

use byok_testkit::fake_provider::{Answer, FakeProvider, Gate};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::tls::{Caller, Pair, whole};
use crate::support::{KEY, Launch, SOON, Server, chat, provider, serving, soon, streamed_chat};

fn serving_https() -> (FakeProvider, Pair, Server) {
    let (provider, pair) = (provider(), Pair::new());
    let launch = Launch::quickstart(&provider).with_tls();
    pair.put(&launch);
    let server = launch.start();
    (provider, pair, server)
}

/// Calls the model; the answer's status and text.
async fn call(caller: &mut Caller, server: &Server) -> (u16, String) {
    let answer = caller.post(server, "/v1/chat/completions", &chat()).await;
    (answer.status().as_u16(), whole(answer).await)
}

async fn connect(caller: &mut Caller, server: &Server) {
    let body = json!({"provider": "openai", "refId": "customer", "providerKey": KEY});
    let answer = caller.post(server, "/keys/connect", &body).await;
    let json: Value = serde_json::from_str(&whole(answer).await).expect("JSON");
    assert_eq!(json["status"], "valid", "{json}");
}

#[test]
fn a_pair_that_cannot_be_served_with_ends_the_start_with_one_line_that_names_the_variable() {
    let provider = provider();
    let (pair, other) = (Pair::new(), Pair::new());
    let (chain, key) = (Some(&*pair.chain), Some(&*pair.key));
    for (name, variable, chain, key) in [
        ("no certificate", "BYO_TLS_CERT", None, key),
        ("no key", "BYO_TLS_KEY", chain, None),
        ("certificate is no PEM", "BYO_TLS_CERT", Some("canary"), key),
        ("key is no PEM", "BYO_TLS_KEY", chain, Some("canary")),
        ("of two pairs", "BYO_TLS_KEY", chain, Some(&*other.key)),
    ] {
        let launch = Launch::quickstart(&provider).with_tls();
        for (file, content) in [("cert.pem", chain), ("key.pem", key)] {
            if let Some(content) = content {
                fs::write(launch.scratch().path(file), content).expect("a writable folder");
            }
        }
        refused(name, variable, &launch);
    }
    for (variable, other) in [("BYO_TLS_CERT", "BYO_TLS_KEY"), ("BYO_TLS_KEY", "BYO_TLS_CERT")] {
        let launch = Launch::quickstart(&provider).with_tls().with(other, "");
        pair.put(&launch);
        refused("alone", &format!("{variable} is set and {other} is not"), &launch);
    }
}

fn refused(name: &str, said: &str, launch: &Launch) {
    let output = launch.refused();
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{name}: {lines}");
    assert_eq!(lines.lines().count(), 1, "{name}: {lines}");
    assert!(lines.starts_with(&format!("byok-server: {said}")), "{name}: {lines}");
    let folder = launch.scratch().path("").display().to_string();
    assert!(!lines.contains("canary") && !lines.contains(&folder), "{name}: {lines}");
}

#[tokio::test]
async fn quickstart_over_tls_prints_an_https_address_that_answers_both_protocols() {
    let (_provider, pair, server) = serving_https();
    let printed = server.launch.scratch().text("stdout-0.log");
    let url = format!("https://{}", server.address);
    assert!(printed.contains(&format!("BYOK serves on {url}.")), "{printed}");
    assert!(printed.contains(&format!("curl {url}/keys/connect")), "{printed}");
    assert!(!printed.contains("http://"), "{printed}");
    for protocol in ["h2", "http/1.1"] {
        let mut caller = pair.dial(server.address, protocol).await.expect("a handshake");
        connect(&mut caller, &server).await;
        let (status, answer) = call(&mut caller, &server).await;
        assert!(status == 200 && answer.contains("Hello there."), "{protocol}: {status} {answer}");
    }
    assert!(Pair::new().dial(server.address, "h2").await.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_served_and_one_that_cannot_be_is_not() {
    let (_provider, old, server) = serving_https();
    let mut kept = old.dial(server.address, "h2").await.expect("a handshake");
    connect(&mut kept, &server).await;

    let (good, unfit) = (Pair::new(), Pair::new());
    let bad = Pair { chain: good.chain.clone(), key: unfit.key };
    bad.put(&server.launch);
    let refused = "ERROR";
    let told = tokio::task::spawn_blocking({
        let launch = server.launch.clone();
        move || soon(SOON, || launch.scratch().text("stderr-0.log").contains(refused))
    });
    assert!(told.await.expect("no panic"), "{}", server.log());
    let line = server.log().lines().find(|line| line.contains(refused)).map(str::to_owned);
    let line = line.expect("just seen");
    assert!(line.contains("BYO_TLS_KEY names a file with a key that is not the one"), "{line}");
    old.dial(server.address, "h2").await.expect("the old one stays");

    good.put(&server.launch);
    let started = Instant::now();
    while good.dial(server.address, "h2").await.is_err() {
        assert!(started.elapsed() < SOON, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(old.dial(server.address, "http/1.1").await.is_err());
    assert_eq!(call(&mut kept, &server).await.0, 200, "connections that stand go on");
    let errors = server.log().lines().filter(|line| line.contains(refused)).count();
    assert_eq!(errors, 1, "{}", server.log());
}

#[tokio::test]
async fn http2_needs_no_tls_for_a_call_and_its_stream() {
    let (provider, server) = serving();
    let mut caller = Caller::prior_knowledge(server.address).await;
    connect(&mut caller, &server).await;
    let (status, answer) = call(&mut caller, &server).await;
    assert!(status == 200 && answer.contains("Hello there."), "{status} {answer}");

    let mut long = chat();
    long["user"] = "x".repeat(33 << 20).into();
    let refused = caller.post(&server, "/v1/chat/completions", &long).await;
    assert_eq!(refused.status(), 413);
    assert!(whole(refused).await.contains("body_too_large"));

    let gate = Gate::new();
    let (first, second) = ("data: {\"choices\":[]}\n\n", "data: [DONE]\n\n");
    let events = Answer::events([first, second]).hold_at(first.len() as u64, &gate);
    provider.answer_next(events);
    let mut answer = caller.post(&server, "/v1/chat/completions", &streamed_chat()).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let piece = answer.frame().await.expect("more").expect("a piece");
    assert_eq!(piece.into_data().expect("data"), first);
    gate.open();
    assert_eq!(whole(answer).await, second);
}

#[tokio::test]
async fn whoever_resets_a_stream_ends_it_at_the_provider_and_no_other_stream() {
    let (provider, server) = serving();
    let mut caller = Caller::prior_knowledge(server.address).await;
    let event = "data: {\"model\":\"gpt-4o-mini\",\"choices\":[]}\n\n";
    provider.answer_next(Answer::events([event, event]).stall_at(event.len() as u64));
    let mut answer = caller.post(&server, "/v1/chat/completions", &streamed_chat()).await;
    answer.frame().await.expect("more").expect("a piece");
    let left = provider.clients_left();
    drop(answer);
    // The client's own connection moves on only while this thread runs it.
    let started = Instant::now();
    while provider.clients_left() == left {
        assert!(started.elapsed() < SOON, "the provider goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(call(&mut caller, &server).await.0, 200);
    let (calls, started) = (|| server.calls("customer"), Instant::now());
    while calls().len() < 2 {
        assert!(started.elapsed() < SOON, "{:?}", calls());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let classes: Vec<_> = calls().iter().map(|row| row["errorClass"].clone()).collect();
    assert_eq!(classes, [Value::Null, json!("client_closed")]);
}
