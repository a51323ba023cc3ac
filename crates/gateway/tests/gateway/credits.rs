//! Calls on credits: what is set aside, charged and given back.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use byok_domain::routing::Mode;
use byok_domain::{ErrorClass, KeyStatus};
use byok_gateway::{CallBody, CallError};
use byok_testkit::fake_provider::{Answer, Gate};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::json;

use crate::rig::{MODEL, OWN, PLATFORM, PRICE, Rig};

fn on_credits(credits: u64) -> Rig {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.grant(credits);
    rig
}

#[tokio::test]
async fn what_a_call_may_cost_is_set_aside_until_it_ends() {
    let rig = on_credits(1_000_000);
    let gate = Gate::new();
    let body = json!({
        "model": MODEL, "choices": [{"message": {"content": "Hi"}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
    });
    rig.answers(PLATFORM, Answer::json(200, &body).held(&gate));
    let payload = json!({"model": MODEL, "messages": [], "max_tokens": 1000});
    let bytes = payload.to_string().len() as u64;
    let call = rig.chat(payload);
    let meanwhile = async {
        assert!(
            rig.provider
                .eventually(std::time::Duration::from_secs(5), |provider| {
                    provider.requests().len() == 1
                })
                .await
        );
        // 1,000 output tokens at 20 credits, and a third of the bytes at 10.
        assert_eq!(rig.till.held(), 1_000 * 20 + bytes.div_ceil(3) * 10);
        gate.open();
    };
    let (reply, ()) = tokio::join!(call, meanwhile);
    assert_eq!(reply.answer().status, 200);
    assert_eq!(rig.record().await.aftermath.credits.map(|c| c.get()), Some(PRICE));
    assert_eq!((rig.till.held(), rig.till.balance()), (0, 1_000_000 - PRICE));
}

#[tokio::test]
async fn the_last_credits_admit_a_call_that_may_cost_more_and_never_fall_below_nothing() {
    let rig = on_credits(100);
    assert_eq!(rig.call().await.paid(), "credits: no_key");
    let record = rig.record().await;
    assert_eq!(record.aftermath.held.map(|held| held.get()), Some(100));
    assert_eq!(rig.till.balance(), 0);
    rig.books.change(|books| books.balance = 0);
    rig.forget();
    assert_eq!(rig.call().await.paid(), "InsufficientCredits");
}

#[tokio::test]
async fn of_many_calls_for_the_last_credit_one_passes() {
    let rig = on_credits(1);
    let calls = futures_util::future::join_all((0..20).map(|_| rig.call())).await;
    let passed = calls.iter().filter(|call| call.paid().starts_with("credits")).count();
    assert_eq!(passed, 1);
    assert_eq!(rig.tried().len(), 1);
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_before_anything_is_sent() {
    for payload in [json!({"model": "nobody-knows"}), json!({"messages": []})] {
        let rig = on_credits(100_000);
        let error = rig.chat(payload).await.error();
        assert!(matches!(error, CallError::Unpriced(_)), "{error:?}");
        assert!(rig.tried().is_empty() && rig.records().await.is_empty());
        assert_eq!((rig.till.asked(), rig.till.held()), (0, 0));
    }
}

#[tokio::test]
async fn a_key_that_was_passed_over_is_tried_for_what_credits_cannot_price() {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.books.connect(crate::rig::Key::new(OWN).invalid());
    rig.grant(100_000);
    assert_eq!(rig.call().await.paid(), "credits: key_rejected");
    assert_eq!(rig.chat(json!({"model": "nobody-knows"})).await.paid(), "byok");
}

#[tokio::test]
async fn a_fallback_that_credits_cannot_price_tells_what_the_provider_said() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::key_rejected(OWN));
    let reply = rig.chat(json!({"model": "nobody-knows"})).await;
    assert_eq!(reply.paid(), "byok");
    assert_eq!(reply.answer().status, 401);
}

#[tokio::test]
async fn an_answer_that_does_not_tell_its_usage_is_charged_what_was_expected() {
    let rig = on_credits(1_000_000);
    rig.answers(PLATFORM, Answer::json(200, &json!({"choices": []})));
    rig.chat(json!({"model": MODEL, "max_tokens": 10})).await.answer();
    let record = rig.record().await;
    assert!(record.usage.is_none() && record.usage_estimated);
    assert_eq!(record.aftermath.credits, record.aftermath.held);
    assert!(record.aftermath.credits.is_some_and(|credits| credits.get() > 200));
}

#[tokio::test]
async fn what_providers_answer_for_nothing_costs_no_credits() {
    let rig = on_credits(5);
    assert_eq!(rig.get("models").await.paid(), "credits: no_key");
    assert_eq!(rig.record().await.aftermath.credits.map(|c| c.get()), Some(0));
    assert_eq!((rig.till.balance(), rig.till.held()), (5, 0));
}

#[tokio::test]
async fn credits_do_not_pay_for_what_a_provider_stores() {
    // The platform's account stores what all its customers made.
    for (method, path) in [
        (Method::GET, "files/file-1"),
        (Method::GET, "files/file-1/content"),
        (Method::DELETE, "files/file-1"),
        (Method::GET, "files"),
        (Method::GET, "responses/resp_1"),
        (Method::GET, "organization/costs"),
    ] {
        let rig = on_credits(100_000);
        let reply = rig.at(path, method, HeaderMap::new(), CallBody::Empty).await;
        let error = reply.error();
        assert!(
            matches!(error, CallError::KeyNotConnected(_) | CallError::Unpriced(_)),
            "{path}: {error:?}"
        );
        assert!(rig.tried().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_stored_object_is_looked_for_with_the_key_that_made_it_and_no_other() {
    const SECOND: &str = "sk-customer-0123456789-second";
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.connect(crate::rig::Key::new(SECOND).after(1));
    rig.books.change(|books| books.file = Some(("c1", Some(SECOND))));
    rig.forget();
    rig.answers(SECOND, Answer::key_rejected(SECOND));
    assert_eq!(rig.get("files/file-1").await.answer().status, 401);
    assert_eq!(rig.tried(), [SECOND]);
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_stops_calls_on_credits_and_no_others() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.till.break_down();
    assert_eq!(rig.call().await.paid(), "byok");
    rig.answers(OWN, Answer::key_rejected(OWN));
    let error = rig.call().await.error();
    assert!(matches!(error, CallError::Ledger(_)), "{error:?}");
    let records = rig.records().await;
    assert_eq!(records[1].status, 503);
    assert_eq!(records[1].error, Some(ErrorClass::KeyRejected));
}

#[tokio::test]
async fn a_caller_who_leaves_while_credits_are_set_aside_leaves_none_set_aside() {
    let rig = on_credits(100_000);
    {
        let mut call = Box::pin(rig.call());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(call.as_mut().poll(&mut cx), Poll::Pending));
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((rig.till.asked(), rig.till.held()), (2, 0), "held, and given back");
    assert!(rig.records().await.is_empty());
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_answer_is_charged_an_estimate() {
    let rig = on_credits(100_000);
    rig.answers(PLATFORM, Answer::json(200, &json!({})).stalled());
    tokio::select! {
        _ = rig.call() => panic!("it stalls"),
        there = rig.provider.eventually(std::time::Duration::from_secs(5), |provider| {
            provider.requests().len() == 1
        }) => assert!(there),
    }
    let record = rig.record().await;
    assert_eq!(record.error, Some(ErrorClass::ClientClosed));
    assert!(record.usage_estimated);
    let charged = record.aftermath.credits.expect("charged").get();
    assert!(charged > 0 && charged < 1_000, "the question alone: {charged}");
    assert_eq!((rig.till.balance(), rig.till.held()), (100_000 - charged, 0));
}

#[tokio::test]
async fn a_caller_who_leaves_amid_the_answer_is_charged_what_came() {
    let rig = on_credits(100_000);
    let event =
        "data: {\"model\":\"priced\",\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    rig.answers(PLATFORM, Answer::events([event; 10]).stall_at(event.len() as u64 * 4));
    let payload = json!({"model": MODEL, "stream": true}).to_string();
    let body = CallBody::Json(payload.into());
    let call = rig.prepared("chat/completions", &Method::POST, HeaderMap::new(), body);
    let mut answer = rig.gateway.call(call).await.expect("an answer");
    let mut read = 0;
    while read < event.len() * 4 {
        let frame = answer.body.frame().await.expect("more").expect("unbroken");
        read += frame.into_data().expect("data").len();
    }
    drop(answer);
    let record = rig.record().await;
    assert_eq!(record.error, Some(ErrorClass::ClientClosed));
    assert_eq!(record.usage.map(|usage| usage.output), Some(4));
    assert!(record.usage_estimated);
    let charged = record.aftermath.credits.expect("charged").get();
    assert_eq!((rig.till.balance(), rig.till.held()), (100_000 - charged, 0));
}

#[tokio::test]
async fn an_answer_that_is_drained_is_charged_its_true_usage() {
    let rig = on_credits(100_000);
    rig.books.change(|books| books.settings.client_gone = byok_domain::ClientGone::Drain);
    rig.forget();
    let body = CallBody::Json(json!({"model": MODEL, "stream": true}).to_string().into());
    let call = rig.prepared("chat/completions", &Method::POST, HeaderMap::new(), body);
    let mut answer = rig.gateway.call(call).await.expect("an answer");
    answer.body.frame().await.expect("more").expect("unbroken");
    drop(answer);
    let mut records = rig.records().await;
    for _ in 0..100 {
        if !records.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        records = rig.records().await;
    }
    assert_eq!(records[0].aftermath.credits.map(|credits| credits.get()), Some(PRICE));
    assert_eq!(rig.till.balance(), 100_000 - PRICE);
}

#[tokio::test]
async fn a_rate_and_a_markup_are_charged_rounded_up() {
    let rig = on_credits(100_000);
    rig.books.change(|books| {
        let rate = r#"{"creditsPerUsd": 1000, "markup": 1.5}"#;
        books.routing.credit_rate = serde_json::from_str(rate).expect("a rate");
        books.routing.mode = Mode::CreditFirst;
        for key in &mut books.keys {
            key.status = KeyStatus::Valid;
        }
    });
    rig.forget();
    rig.call().await.answer();
    // 0.025 USD × 1,000 × 1.5 = 37.5.
    assert_eq!(rig.record().await.aftermath.credits.map(|c| c.get()), Some(38));
}
