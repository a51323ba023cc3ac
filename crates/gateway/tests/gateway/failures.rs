//! What becomes of a call when an attempt fails, by what failed and what there is beside it.

use byok_domain::routing::{FallbackOn, FallbackReason, Mode};
use byok_domain::{ErrorClass, KeySource};
use byok_gateway::CallError;
use byok_testkit::fake_provider::{Answer, Cut, FakeProvider};

use crate::rig::{Key, OWN, PLATFORM, Rig};

const SECOND: &str = "sk-customer-0123456789-second";
const THIRD: &str = "sk-customer-0123456789-third";

/// Every class of failure, as the provider tells it.
fn failures() -> Vec<(&'static str, Answer)> {
    vec![
        ("key_rejected", Answer::key_rejected(OWN)),
        ("quota_exhausted", Answer::quota_exhausted()),
        ("provider_down", Answer::overloaded()),
        ("rate_limited", Answer::rate_limited(7)),
        ("request_rejected", Answer::model_not_found("priced")),
    ]
}

fn status_of(class: &str) -> u16 {
    match class {
        "key_rejected" => 401,
        "quota_exhausted" | "rate_limited" => 429,
        "provider_down" => 503,
        _ => 404,
    }
}

#[tokio::test]
async fn a_failure_of_the_customers_key_falls_back_to_credits_where_the_table_says_so() {
    for (class, answer) in failures() {
        let rig = Rig::with_key_and_credits(100_000);
        rig.answers(OWN, answer);
        let reply = rig.call().await;
        if matches!(class, "rate_limited" | "request_rejected") {
            assert_eq!(reply.paid(), "byok", "{class}");
            assert_eq!(reply.answer().status, status_of(class), "{class}");
            assert_eq!(rig.tried(), [OWN], "{class}");
            continue;
        }
        assert_eq!(reply.paid(), format!("credits: {class}"));
        assert_eq!(reply.answer().status, 200);
        assert_eq!(rig.tried(), [OWN, PLATFORM], "{class}");
        let record = rig.record().await;
        assert_eq!((record.source, record.status, record.error), (KeySource::Credits, 200, None));
        assert_eq!(record.aftermath.fallback.map(FallbackReason::as_str), Some(class));
        let [attempt] = &record.aftermath.attempts[..] else { panic!("one attempt") };
        assert_eq!(attempt.key, Some(Key::new(OWN).id()));
        assert_eq!(attempt.source, KeySource::Byok);
        assert_eq!((attempt.class.as_str(), attempt.status), (class, status_of(class)));
    }
}

#[tokio::test]
async fn a_refusal_on_a_web_page_is_what_its_status_says() {
    for (status, class, paid) in [
        (429, "rate_limited", "byok"),
        (413, "request_rejected", "byok"),
        (404, "request_rejected", "byok"),
        (401, "key_rejected", "credits: key_rejected"),
        (502, "provider_down", "credits: provider_down"),
    ] {
        let rig = Rig::with_key_and_credits(100_000);
        rig.answers(OWN, Answer::new(status, "text/html", "<html>no</html>"));
        assert_eq!(rig.call().await.paid(), paid, "{status}");
        let record = rig.record().await;
        let told = record.aftermath.attempts.first().map(|attempt| attempt.class);
        assert_eq!(told.or(record.error).map(ErrorClass::as_str), Some(class), "{status}");
    }
}

#[tokio::test]
async fn without_credits_a_key_that_failed_is_402_and_a_provider_that_failed_is_told() {
    for (class, answer) in failures() {
        let rig = Rig::with_key_and_credits(0);
        rig.answers(OWN, answer);
        let reply = rig.call().await;
        if matches!(class, "key_rejected" | "quota_exhausted") {
            let CallError::NotPaid(not_paid) = reply.error() else { panic!("{class}: not paid") };
            assert_eq!(not_paid.why, byok_domain::routing::Refusal::InsufficientCredits);
            assert_eq!(not_paid.failed.map(ErrorClass::as_str), Some(class));
            let record = rig.record().await;
            assert_eq!((record.status, record.source), (402, KeySource::Byok), "{class}");
            assert_eq!(record.key, Some(Key::new(OWN).id()), "the key is told of");
            assert_eq!(record.error.map(ErrorClass::as_str), Some(class));
        } else {
            assert_eq!(reply.answer().status, status_of(class), "{class}");
        }
        assert_eq!(rig.tried(), [OWN], "{class}");
    }
}

#[tokio::test]
async fn a_project_that_sells_no_credits_passes_every_refusal_through() {
    for (class, answer) in failures() {
        let rig = Rig::start();
        rig.books.connect(Key::new(OWN));
        rig.answers(OWN, answer);
        let reply = rig.call().await;
        assert_eq!(reply.paid(), "byok");
        let answer = reply.answer();
        assert_eq!(answer.status, status_of(class), "{class}");
        assert!(answer.text.contains("error"), "{class}: {}", answer.text);
        let record = rig.record().await;
        assert_eq!(record.error.map(ErrorClass::as_str), Some(class));
        assert!(record.aftermath.attempts.is_empty(), "{class}");
    }
}

#[tokio::test]
async fn only_byok_first_falls_back_and_only_on_what_the_project_lists() {
    let quiet = FallbackOn::NONE;
    let all = FallbackOn::default();
    let quota = FallbackOn::NONE.with(FallbackReason::QuotaExhausted).expect("may be listed");
    for (mode, on, paid) in [
        (Mode::ByokFirst, all, "credits: key_rejected"),
        (Mode::ByokFirst, quota, "byok"),
        (Mode::ByokFirst, quiet, "byok"),
        (Mode::ByokOnly, all, "ByokRequired"),
    ] {
        let rig = Rig::with_key_and_credits(100_000);
        rig.books.change(|books| {
            books.routing.mode = mode;
            books.routing.fallback_on = on;
        });
        rig.forget();
        rig.answers(OWN, Answer::key_rejected(OWN));
        assert_eq!(rig.call().await.paid(), paid, "{mode:?}");
    }
}

#[tokio::test]
async fn several_keys_are_tried_by_priority_before_credits_are() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.connect(Key::new(SECOND).after(1));
    rig.forget();
    rig.answers(OWN, Answer::key_rejected(OWN));
    let reply = rig.call().await;
    assert_eq!(reply.paid(), "byok");
    assert_eq!(rig.tried(), [OWN, SECOND]);
    let record = rig.record().await;
    assert_eq!(record.key, Some(Key::new(SECOND).id()));
    assert_eq!(record.aftermath.attempts[0].key, Some(Key::new(OWN).id()));
    assert_eq!(record.aftermath.fallback, None);

    rig.answers(SECOND, Answer::quota_exhausted());
    assert_eq!(rig.call().await.paid(), "credits: quota_exhausted");
    assert_eq!(rig.tried(), [OWN, SECOND, PLATFORM]);
}

#[tokio::test]
async fn a_call_has_three_attempts_at_most_and_the_last_is_for_credits() {
    const FOURTH: &str = "sk-customer-0123456789-fourth";
    let keys = [(OWN, 0), (SECOND, 1), (THIRD, 2), (FOURTH, 3)];
    for (credits, tried, paid) in [
        (100_000, vec![OWN, SECOND, PLATFORM], "credits: key_rejected"),
        (0, vec![OWN, SECOND, THIRD], "InsufficientCredits"),
    ] {
        let rig = Rig::start();
        rig.books.sell(PLATFORM);
        rig.grant(credits);
        for (key, priority) in keys {
            rig.books.connect(Key::new(key).after(priority));
            rig.answers(key, Answer::key_rejected(key));
        }
        rig.forget();
        assert_eq!(rig.call().await.paid(), paid);
        assert_eq!(rig.tried(), tried);
        assert_eq!(rig.records().await.len(), 1, "one call is one record");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_not_asked_again_with_another_key_at_the_same_address() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.connect(Key::new(SECOND).after(1));
    let elsewhere = FakeProvider::start().expect("a provider");
    rig.forget();
    rig.answers(OWN, Answer::server_error());
    assert_eq!(rig.call().await.paid(), "credits: provider_down");
    assert_eq!(rig.tried(), [OWN, PLATFORM]);

    rig.books.connect(Key::new(THIRD).after(2).at(elsewhere.base_url()));
    rig.forget();
    assert_eq!(rig.call().await.paid(), "byok");
    assert_eq!(rig.tried(), [OWN]);
    assert_eq!(elsewhere.requests().len(), 1);
}

#[tokio::test]
async fn a_customer_who_breaks_its_own_base_url_spends_its_own_credits_and_only_by_policy() {
    let broken = FakeProvider::start().expect("a provider");
    broken.answer_at("", Answer::server_error());
    for (on, paid, spent) in
        [(FallbackOn::default(), "credits: provider_down", true), (FallbackOn::NONE, "byok", false)]
    {
        let rig = Rig::start();
        rig.books.connect(Key::new(OWN).at(broken.base_url()));
        rig.books.sell(PLATFORM);
        rig.books.change(|books| books.routing.fallback_on = on);
        rig.grant(100_000);
        let reply = rig.call().await;
        assert_eq!(reply.paid(), paid);
        let record = rig.record().await;
        assert_eq!(record.aftermath.credits.is_some(), spent);
        assert_eq!(record.customer_reported, !spent, "the platform's own answer is no claim");
        assert_eq!(rig.till.balance() < 100_000, spent);
    }
}

#[tokio::test]
async fn usage_that_a_customers_own_address_claims_moves_no_credits() {
    let liar = FakeProvider::start().expect("a provider");
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN).at(liar.base_url()));
    rig.books.sell(PLATFORM);
    rig.grant(100_000);
    assert_eq!(rig.call().await.paid(), "byok");
    let record = rig.record().await;
    assert!(record.customer_reported && record.usage.is_some());
    assert_eq!((record.aftermath.credits, rig.till.balance()), (None, 100_000));
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_down() {
    for (what, answer) in [
        ("closes the connection", Answer::raw("")),
        ("cuts it", Answer::json(200, &serde_json::json!({})).cut_wire_at(3, Cut::Reset)),
        ("does not answer", Answer::json(200, &serde_json::json!({})).stalled()),
        ("redirects", Answer::redirect(302, "https://example.com/")),
        ("shows a page", Answer::html()),
    ] {
        let rig = Rig::with_key_and_credits(100_000);
        rig.answers(OWN, answer);
        assert_eq!(rig.call().await.paid(), "credits: provider_down", "{what}");
        assert_eq!(rig.tried(), [OWN, PLATFORM], "{what}");
    }
}

#[tokio::test]
async fn a_document_that_tells_an_error_behind_a_200_falls_back_too() {
    let quota = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::new(200, "application/json", quota));
    assert_eq!(rig.call().await.paid(), "credits: quota_exhausted");
}

#[tokio::test]
async fn what_credits_pay_for_is_tried_once_and_told_as_it_is() {
    for (class, answer) in failures() {
        let rig = Rig::with_key_and_credits(100_000);
        rig.books.change(|books| books.routing.mode = Mode::CreditFirst);
        rig.forget();
        rig.answers(PLATFORM, answer);
        let reply = rig.call().await;
        assert_eq!(reply.paid(), "credits", "{class}");
        assert_eq!(reply.answer().status, status_of(class), "{class}");
        assert_eq!(rig.tried(), [PLATFORM], "{class}");
        let record = rig.record().await;
        assert_eq!(record.aftermath.credits.map(|c| c.get()), Some(0), "{class}");
        assert_eq!((rig.till.balance(), rig.till.held()), (100_000, 0), "{class}");
    }
}

#[tokio::test]
async fn each_attempt_sends_the_whole_payload_under_its_own_key() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::key_rejected(OWN));
    rig.stream().await.answer();
    let requests = rig.provider.take_requests();
    let [first, second] = &requests[..] else { panic!("two attempts") };
    assert_eq!(first.body, second.body);
    assert!(first.json()["stream_options"]["include_usage"] == true);
    assert_eq!((first.bearer(), second.bearer()), (Some(OWN), Some(PLATFORM)));
}
