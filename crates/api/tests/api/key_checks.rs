//! Keys that are asked about once a day, without anybody's call.

use std::sync::Arc;
use std::time::Duration;

use byok_domain::time::{DAY_MS, HOUR_MS};
use byok_gateway::{Ambient, CheckPace, KeyChecker};
use byok_testkit::fake_provider::Answer;
use byok_webhooks::NoticeBox;
use serde_json::{Value, json};

use crate::rig::{GOOD_KEY, Rig};

/// Enough rounds for all that is due to be asked about, and for nothing else.
const A_WHILE: Duration = Duration::from_millis(300);

/// A checker on the rig's store and clock that is in a hurry.
fn checker(rig: &Rig) -> KeyChecker {
    let millis = Duration::from_millis;
    let pace = CheckPace { round: millis(10), rest: millis(10), ..CheckPace::default() };
    let store = Arc::new(rig.store.clone());
    KeyChecker::start(rig.gateway.clone(), store, pace, &tokio::runtime::Handle::current())
}

async fn key(rig: &Rig, ref_id: &str) -> Value {
    let list = rig.as_a("GET", &format!("/keys?refId={ref_id}"), None).await.ok();
    list["data"][0].clone()
}

/// The key once its status is this.
async fn becomes(rig: &Rig, ref_id: &str, status: &str) -> Value {
    for _ in 0..500 {
        let key = key(rig, ref_id).await;
        if key["status"] == status {
            return key;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} does not become {status}", key(rig, ref_id).await);
}

/// How often the provider was asked about the keys since the last look.
fn asked(rig: &Rig) -> usize {
    let requests = rig.provider.take_requests();
    assert!(requests.iter().all(|seen| seen.method == "GET"), "{requests:?}");
    requests.len()
}

/// The deliveries that an endpoint got of an event.
async fn told(rig: &Rig, endpoint: &Value, event: &str) -> usize {
    let path = format!("/webhooks/{}/deliveries", endpoint["id"].as_str().expect("an id"));
    let list = rig.as_a("GET", &path, None).await.ok();
    let list = list["data"].as_array().expect("a list");
    list.iter().filter(|delivery| delivery["event"] == event).count()
}

#[tokio::test]
async fn a_key_that_the_provider_takes_no_longer_turns_invalid_without_a_call_and_back() {
    let rig = Rig::start().await;
    let body = json!({ "url": "https://example.com/in", "events": ["*"] });
    let endpoint = rig.as_a("POST", "/webhooks", Some(body)).await.ok();
    rig.connect("c1").await;
    rig.connect("c2").await;
    asked(&rig);
    let _checker = checker(&rig);

    rig.clock.advance_millis(11 * HOUR_MS);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(asked(&rig), 0, "what was told lately is not asked for");
    rig.clock.advance_millis(13 * HOUR_MS);
    let before = rig.clock.now();
    for customer in ["c1", "c2"] {
        for _ in 0..500 {
            let at = key(&rig, customer).await["lastValidatedAt"].clone();
            if at == before.to_string() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(key(&rig, customer).await["lastValidatedAt"], before.to_string());
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(asked(&rig), 2, "each once");

    rig.provider.accept_only(["sk-another-0123456789abcdef"]);
    rig.clock.advance_millis(DAY_MS);
    for customer in ["c1", "c2"] {
        let key = becomes(&rig, customer, "invalid").await;
        assert_eq!(key["lastValidatedAt"], rig.clock.now().to_string());
        assert!(key["lastError"].as_str().is_some_and(|text| text.contains("rejects")), "{key}");
    }
    let (now, until) = (rig.clock.now(), rig.clock.now().plus_millis(DAY_MS));
    let notices = rig.store.claim_notices(now, until, 100).await.expect("notices");
    assert_eq!(notices.len(), 2, "each customer is written to once");
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(asked(&rig), 2);
    rig.clock.advance_millis(DAY_MS);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(asked(&rig), 2, "what is invalid is asked about too");
    assert_eq!(told(&rig, &endpoint, "byok.key_invalid").await, 2, "once for each");
    let log = rig.as_a("GET", "/audit-logs?action=provider_key.invalidated", None).await.ok();
    assert_eq!((&log["total"], &log["data"][0]["actorType"]), (&json!(2), &json!("system")));

    rig.provider.accept_only([GOOD_KEY]);
    rig.clock.advance_millis(DAY_MS);
    let key = becomes(&rig, "c1", "valid").await;
    assert_eq!(key["lastError"], Value::Null);
    becomes(&rig, "c2", "valid").await;
    assert_eq!(told(&rig, &endpoint, "byok.key_invalid").await, 2);
}

#[tokio::test]
async fn a_provider_that_cannot_answer_changes_nothing_and_is_asked_again_later() {
    let rig = Rig::start().await;
    rig.connect("c1").await;
    let before = key(&rig, "c1").await;
    asked(&rig);
    let _checker = checker(&rig);
    rig.clock.advance_millis(DAY_MS);
    for answer in [
        Answer::server_error(),
        Answer::overloaded(),
        Answer::rate_limited(30),
        Answer::html(),
        Answer::json(404, &json!({})),
    ] {
        rig.provider.answer_with("", move |_| answer.clone());
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(asked(&rig), 1, "once, and then not for a while");
        assert_eq!(key(&rig, "c1").await, before);
        rig.clock.advance_millis(6 * HOUR_MS);
    }
    rig.provider.behave();
    rig.provider.accept_only(["sk-another-0123456789abcdef"]);
    becomes(&rig, "c1", "invalid").await;
}

#[tokio::test]
async fn a_provider_that_knows_the_key_of_an_empty_account_has_told_what_was_asked() {
    let rig = Rig::start().await;
    rig.connect("c1").await;
    rig.provider.accept_only(["sk-another-0123456789abcdef"]);
    rig.clock.advance_millis(DAY_MS);
    let _checker = checker(&rig);
    becomes(&rig, "c1", "invalid").await;
    rig.provider.behave();
    rig.provider.answer_with("", |_| Answer::quota_exhausted());
    rig.clock.advance_millis(DAY_MS);
    becomes(&rig, "c1", "valid").await;
}

#[tokio::test]
async fn an_answered_call_spares_the_question() {
    let rig = Rig::start().await;
    rig.connect("used").await;
    rig.connect("idle").await;
    rig.clock.advance_millis(20 * HOUR_MS);
    let payload = json!({ "model": "gpt-4o-mini", "messages": [] });
    rig.enveloped("openai/chat/completions", "used", &payload).await.ok();
    assert_eq!(key(&rig, "used").await["lastValidatedAt"], rig.clock.now().to_string());
    rig.provider.take_requests();
    rig.clock.advance_millis(5 * HOUR_MS);
    let _checker = checker(&rig);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(asked(&rig), 1, "about the idle one alone");
    rig.clock.advance_millis(20 * HOUR_MS);
    tokio::time::sleep(A_WHILE).await;
    assert!(asked(&rig) >= 1, "it is idle too by now");
}

#[tokio::test]
async fn a_revoked_key_and_a_removed_project_are_not_asked_about() {
    let rig = Rig::start().await;
    rig.connect("c1").await;
    let other = json!({ "provider": "openai", "refId": "c1", "providerKey": GOOD_KEY });
    rig.send("POST", "/keys/connect", Some(&rig.b.secret), Some(other)).await.ok();
    let body = json!({ "provider": "openai", "refId": "c1" });
    rig.as_a("DELETE", "/keys/revoke", Some(body)).await.ok();
    let path = format!("/projects/{}", rig.b.id);
    rig.send("DELETE", &path, Some(crate::rig::ADMIN), None).await.ok();
    asked(&rig);
    let _checker = checker(&rig);
    rig.clock.advance_millis(2 * DAY_MS);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(asked(&rig), 0);
}
