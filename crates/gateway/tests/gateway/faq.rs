//! What customers are told about their own keys, in the words that they are told it in.

use byok_domain::routing::Mode;
use byok_gateway::CallError;
use byok_testkit::fake_provider::Answer;

use crate::rig::{Key, OWN, PLATFORM, PRICE, Rig, chat};

#[tokio::test]
async fn if_my_key_fails_in_byok_first_mode_and_i_have_credits_the_request_is_retried_with_them() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::key_rejected(OWN));
    let reply = rig.call().await;
    assert_eq!(reply.paid(), "credits: key_rejected");
    assert_eq!(reply.answer().status, 200);
    rig.records().await;
    assert_eq!(rig.till.balance(), 100_000 - PRICE);
}

#[tokio::test]
async fn if_my_key_fails_in_byok_first_mode_and_i_have_no_credits_i_get_a_402() {
    let rig = Rig::with_key_and_credits(0);
    rig.answers(OWN, Answer::quota_exhausted());
    assert!(matches!(rig.refused().await, CallError::NotPaid(_)));
    assert_eq!(rig.record().await.status, 402);
}

#[tokio::test]
async fn in_byok_first_mode_i_do_not_need_credits_if_i_have_a_key() {
    assert_eq!(Rig::with_key_and_credits(0).call().await.paid(), "byok");
}

#[tokio::test]
async fn in_credit_first_mode_my_key_is_used_only_when_credits_run_out() {
    let rig = Rig::with_key_and_credits(PRICE);
    rig.books.change(|books| books.routing.mode = Mode::CreditFirst);
    rig.forget();
    assert_eq!(rig.call().await.paid(), "credits");
    rig.records().await;
    assert_eq!(rig.till.balance(), 0);
    assert_eq!(rig.call().await.paid(), "byok");
}

#[tokio::test]
async fn in_byok_only_mode_internal_keys_are_never_used() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.change(|books| books.routing.mode = Mode::ByokOnly);
    rig.forget();
    assert_eq!(rig.call().await.paid(), "byok");
    rig.answers(OWN, Answer::key_rejected(OWN));
    assert_eq!(rig.call().await.paid(), "ByokRequired");
    assert_eq!(rig.tried(), [OWN, OWN]);
    assert_eq!(rig.till.asked(), 0);
}

#[tokio::test]
async fn i_get_byok_required_in_byok_only_mode_when_i_have_no_key() {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.books.change(|books| books.routing.mode = Mode::ByokOnly);
    rig.grant(100_000);
    assert_eq!(rig.call().await.paid(), "ByokRequired");
}

#[tokio::test]
async fn if_i_hit_my_providers_rate_limit_i_get_the_error_with_an_explanation_and_no_fallback() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::rate_limited(7));
    let answer = rig.call().await.answer();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    let explanation = answer.explanation.expect("an explanation");
    assert!(explanation.contains("Try again after 7 s"), "{explanation}");
    assert_eq!((rig.tried(), rig.till.asked()), (vec![OWN.to_owned()], 0));
}

#[tokio::test]
async fn if_my_provider_goes_down_credits_take_over_and_my_key_is_retried_and_switched_back_to() {
    let rig = Rig::with_key_and_credits(1_000_000);
    rig.answers(OWN, Answer::overloaded());
    for _ in 0..5 {
        assert_eq!(rig.call().await.paid(), "credits: provider_down");
    }
    assert_eq!(rig.call().await.paid(), "credits: circuit_open");
    rig.answers_with(OWN, chat);
    rig.clock.advance_seconds(30);
    assert_eq!(rig.call().await.paid(), "byok");
    assert_eq!(rig.call().await.paid(), "byok");
}

#[tokio::test]
async fn i_am_never_charged_twice_when_i_use_my_key() {
    let rig = Rig::with_key_and_credits(100_000);
    for _ in 0..3 {
        assert_eq!(rig.call().await.paid(), "byok");
    }
    rig.records().await;
    assert_eq!((rig.till.balance(), rig.till.asked()), (100_000, 0));
}

#[tokio::test]
async fn my_key_bypasses_the_limits_of_my_plan() {
    let rig = Rig::with_key_and_credits(1_000_000);
    // `premium` takes a hundred calls a minute on credits.
    for _ in 0..120 {
        assert_eq!(rig.call().await.paid(), "byok");
    }
}

#[tokio::test]
async fn on_the_free_plan_my_keys_are_kept_unused_until_i_upgrade_again() {
    let rig = Rig::with_key_and_credits(10_000_000);
    rig.books.change(|books| books.tier = Some("free".to_owned()));
    rig.forget();
    assert_eq!(rig.call().await.paid(), "credits");
    for _ in 0..9 {
        rig.call().await.answer();
    }
    let limited = rig.refused().await;
    assert!(matches!(limited, CallError::Limited(_)), "the free plan's limits: {limited:?}");
    rig.books.change(|books| books.tier = Some("premium".to_owned()));
    rig.forget();
    assert_eq!(rig.call().await.paid(), "byok");
}

#[tokio::test]
async fn if_an_administrator_disables_byok_i_fall_back_to_credits() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.change(|books| books.routing.byok_enabled = false);
    rig.forget();
    assert_eq!(rig.call().await.paid(), "credits");
    assert_eq!(rig.tried(), [PLATFORM]);
}

#[tokio::test]
async fn i_can_use_my_key_for_one_provider_and_credits_for_another() {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.grant(100_000);
    // There is no key for this provider, only credits.
    assert_eq!(rig.call().await.paid(), "credits: no_key");
    rig.books.connect(Key::new(OWN));
    rig.forget();
    assert_eq!(rig.call().await.paid(), "byok");
}

#[tokio::test]
async fn streaming_works_identically_with_my_key() {
    let rig = Rig::with_key_and_credits(100_000);
    let answer = rig.stream().await.answer();
    assert!(answer.whole && answer.text.ends_with("data: [DONE]\n\n"));
    let record = rig.record().await;
    assert!(record.streamed && record.usage.is_some(), "tokens are still counted");
}
