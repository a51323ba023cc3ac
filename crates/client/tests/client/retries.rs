//! What is sent again, and what is never.

use std::time::Duration;

use byok_client::Error;
use serde_json::json;
use tokio::net::TcpListener;

use crate::script::{Reply, Script, builder, envelope, json as answered, refusal};

const STATS: &str = r#"{"requests24h":1,"succeeded24h":1,"failed24h":0,"totalTokens24h":9,"costUsd24h":0.25,"activeRefIds24h":1,"deltaPct":{"requests":null,"totalTokens":12.5,"costUsd":null}}"#;

#[tokio::test]
async fn reads_are_repeated_after_failures_that_pass() {
    let script = Script::of([
        refusal("429 Too Many", &[("retry-after", "0")]),
        Reply::Bytes(Vec::new()),
        answered(STATS),
    ])
    .await;
    let stats = script.client().usage().stats().await.expect("at last");
    assert_eq!((stats.requests, stats.cost_usd.expect("a cost").to_string().as_str()), (1, "0.25"));
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn reads_are_repeated_as_often_as_was_allowed_and_no_more() {
    for (retries, requests) in [(0, 1), (1, 2)] {
        let replies = (0..3).map(|_| refusal("503 Oh", &[("retry-after", "0")]));
        let script = Script::of(replies).await;
        let byok = script.builder().retries(retries).build().expect("a client");
        let error = byok.usage().stats().await.expect_err("it stays away");
        assert!(matches!(error, Error::Server(_)), "{error:?}");
        assert_eq!(script.requests().len(), requests);
    }
    for status in ["400 Bad", "401 No", "404 No", "500 Oh"] {
        let script = Script::of([refusal(status, &[]), answered(STATS)]).await;
        assert!(script.client().usage().stats().await.is_err());
        assert_eq!(script.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn the_server_is_waited_for_as_it_asks() {
    let script =
        Script::of([refusal("429 Too Many", &[("retry-after", "1")]), answered(STATS)]).await;
    let begun = tokio::time::Instant::now();
    script.client().usage().stats().await.expect("after a second");
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let script = Script::of([refusal("429 Too Many", &[("retry-after", "3600")])]).await;
    let error = script.client().usage().stats().await.expect_err("too long to wait");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
}

#[tokio::test]
async fn a_call_and_a_change_that_were_sent_are_never_sent_again() {
    let failures = || {
        [
            refusal("503 Oh", &[("retry-after", "0")]),
            refusal("429 Too Many", &[("retry-after", "0")]),
            Reply::Bytes(Vec::new()),
            Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
        ]
    };
    for failure in failures() {
        let script = Script::of([failure, envelope("{}")]).await;
        assert!(script.client().openai("c").responses().create(json!({})).await.is_err());
        assert_eq!(script.requests().len(), 1);
    }
    for failure in failures() {
        let script = Script::of([failure, envelope("{}")]).await;
        assert!(script.client().keys().connect("openai", "c", "sk-1").send().await.is_err());
        assert_eq!(script.requests().len(), 1);
    }
}

#[tokio::test]
async fn credits_are_given_once_and_so_may_be_sent_twice() {
    let given = r#"{"balance":5,"held":0,"available":5,"transaction":{"id":"txn_1","type":"grant","amount":5,"shortfall":0,"balanceAfter":5,"requestId":null,"reason":"order","createdAt":"2026-01-31T12:00:00.000Z"}}"#;
    let script = Script::of([Reply::Bytes(Vec::new()), answered(given)]).await;
    let granted = script.client().credits().grant("c", 5, "order-1").reason("order").send().await;
    assert_eq!(granted.expect("given").transaction.amount, 5);
    let keys: Vec<_> =
        script.requests().iter().map(|r| r.header("idempotency-key").map(str::to_owned)).collect();
    assert_eq!(keys, [Some("order-1".to_owned()), Some("order-1".to_owned())]);
}

#[tokio::test]
async fn even_a_call_is_repeated_when_nothing_could_be_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let byok = builder(&format!("http://{address}")).retries(6).build().expect("a client");
    let call = tokio::spawn(async move { byok.openai("c").responses().create(json!({})).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let listener = TcpListener::bind(&address).await.expect("the same port");
    let script = Script::on(listener, address, [envelope("{}")]);
    call.await.expect("no panic").expect("once somebody listens");
    assert_eq!(script.requests().len(), 1);
}
