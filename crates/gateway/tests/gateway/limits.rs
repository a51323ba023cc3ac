//! Limits of plans, which bind calls on credits and no others.

use byok_domain::limits::Limit;
use byok_domain::routing::Mode;
use byok_domain::tiers::Tiers;
use byok_gateway::{CallBody, CallError};
use byok_testkit::fake_provider::Answer;
use http::{HeaderMap, Method};
use serde_json::json;

use crate::rig::{MODEL, OWN, PLATFORM, Rig};

/// A rig whose one plan has these limits, on credits alone.
fn limited(minute: Option<u64>, day: Option<u64>, at_once: Option<u64>) -> Rig {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    let tiers = json!([{
        "name": "only", "byokAllowed": true, "requestsPerMinute": minute,
        "tokensPerDay": day, "concurrentRequests": at_once,
    }]);
    let tiers = serde_json::from_value(tiers).expect("tiers");
    rig.books.change(|books| books.tiers = Tiers::parse(tiers).expect("sound"));
    rig.grant(1_000_000);
    rig
}

fn reached(error: &CallError) -> (Limit, u32) {
    let CallError::Limited(reached) = error else { panic!("{error:?}") };
    (reached.limit, reached.retry_after_s)
}

#[tokio::test]
async fn calls_in_a_minute_are_limited_and_the_answers_tell_what_is_left() {
    let rig = limited(Some(2), None, None);
    for left in ["1", "0"] {
        let answer = rig.call().await.answer();
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(left));
    }
    assert_eq!(reached(&rig.refused().await), (Limit::RequestsPerMinute, 60));
    assert_eq!(rig.tried().len(), 2);
    rig.clock.advance_seconds(60);
    assert_eq!(rig.call().await.answer().status, 200);
    assert_eq!(rig.records().await.len(), 3, "what was never sent leaves no record");
}

#[tokio::test]
async fn tokens_of_a_day_are_limited() {
    // An answer counts 18 tokens.
    let rig = limited(None, Some(30), None);
    rig.call().await.answer();
    rig.call().await.answer();
    assert_eq!(reached(&rig.refused().await).0, Limit::TokensPerDay);
    rig.clock.advance_seconds(24 * 3600);
    assert_eq!(rig.call().await.answer().status, 200);
}

#[tokio::test]
async fn calls_at_the_same_time_are_limited_until_their_answers_end_or_are_dropped() {
    let rig = limited(None, None, Some(1));
    let begin = || {
        let body = CallBody::Json(json!({"model": MODEL, "stream": true}).to_string().into());
        rig.gateway.call(rig.prepared("chat/completions", &Method::POST, HeaderMap::new(), body))
    };
    let under_way = begin().await.expect("an answer");
    assert_eq!(reached(&rig.refused().await), (Limit::ConcurrentRequests, 1));
    drop(under_way);
    assert_eq!(rig.stream().await.answer().status, 200);
    assert_eq!(rig.call().await.answer().status, 200);
    rig.answers(PLATFORM, Answer::server_error());
    assert_eq!(rig.call().await.answer().status, 500);
    assert_eq!(rig.call().await.answer().status, 500, "a failure frees its place too");
}

#[tokio::test]
async fn a_customers_own_key_passes_every_limit() {
    let rig = limited(Some(1), Some(1), Some(1));
    rig.books.connect(crate::rig::Key::new(OWN));
    rig.forget();
    for _ in 0..5 {
        assert_eq!(rig.call().await.paid(), "byok");
    }
}

#[tokio::test]
async fn a_call_that_credits_cannot_pay_for_is_not_limited_nor_counted() {
    let rig = limited(Some(2), None, None);
    rig.books.change(|books| books.routing.mode = Mode::CreditFirst);
    rig.books.connect(crate::rig::Key::new(OWN));
    rig.forget();
    // One stream holds all there is.
    rig.grant(1);
    let body = CallBody::Json(json!({"model": MODEL, "stream": true}).to_string().into());
    let call = rig.prepared("chat/completions", &Method::POST, HeaderMap::new(), body);
    let under_way = rig.gateway.call(call).await.expect("an answer");
    for _ in 0..5 {
        assert_eq!(rig.call().await.paid(), "byok");
    }
    drop(under_way);
    rig.grant(1_000_000);
    assert_eq!(rig.call().await.paid(), "credits");
    assert_eq!(reached(&rig.refused().await).0, Limit::RequestsPerMinute);
    rig.records().await;
    assert_eq!(rig.till.held(), 0);
}

#[tokio::test]
async fn a_fallback_is_limited_as_a_call_on_credits_is() {
    let rig = limited(Some(1), None, None);
    rig.books.connect(crate::rig::Key::new(OWN));
    rig.forget();
    rig.answers(OWN, Answer::key_rejected(OWN));
    assert_eq!(rig.call().await.paid(), "credits: key_rejected");
    assert_eq!(reached(&rig.refused().await).0, Limit::RequestsPerMinute);
    let records = rig.records().await;
    assert_eq!((records[1].status, records[1].aftermath.credits), (429, None));
    assert_eq!(rig.till.held(), 0);
}
