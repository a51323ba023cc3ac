//! Keys that failed are left alone for a while, where there is somewhere else to go.

use byok_domain::call::OpenUntil;
use byok_domain::circuit::Cause;
use byok_domain::{ErrorClass, Timestamp};
use byok_testkit::fake_provider::{Answer, Gate};

use crate::rig::{Key, OWN, PLATFORM, Rig, chat};

/// Whether the last record opened (`true`) or closed a circuit.
async fn change(rig: &Rig) -> Option<bool> {
    let records = rig.records().await;
    let change = records.last()?.aftermath.circuits.first()?.clone();
    assert_eq!(change.key, Key::new(OWN).id());
    Some(change.open.is_some())
}

#[tokio::test]
async fn five_failures_in_thirty_seconds_open_a_circuit_and_a_probe_closes_it() {
    let rig = Rig::with_key_and_credits(1_000_000);
    rig.answers(OWN, Answer::overloaded());
    for n in 1..=5 {
        assert_eq!(rig.call().await.paid(), "credits: provider_down");
        assert_eq!(change(&rig).await, (n == 5).then_some(true), "{n}");
    }
    rig.tried();
    assert_eq!(rig.call().await.paid(), "credits: circuit_open");
    assert_eq!(rig.tried(), [PLATFORM], "the key is left alone");

    rig.clock.advance_seconds(30);
    assert_eq!(rig.call().await.paid(), "credits: provider_down", "a probe that failed");
    rig.clock.advance_seconds(30);
    assert_eq!(rig.call().await.paid(), "credits: circuit_open", "twice the wait");
    rig.clock.advance_seconds(30);
    rig.answers_with(OWN, chat);
    assert_eq!(rig.call().await.paid(), "byok");
    assert_eq!(change(&rig).await, Some(false));
    assert_eq!(rig.call().await.paid(), "byok");
    assert_eq!(change(&rig).await, None);
}

#[tokio::test]
async fn failures_that_are_far_apart_open_nothing() {
    let rig = Rig::with_key_and_credits(1_000_000);
    rig.answers(OWN, Answer::overloaded());
    for _ in 0..10 {
        assert_eq!(rig.call().await.paid(), "credits: provider_down");
        rig.clock.advance_seconds(10);
    }
}

#[tokio::test]
async fn an_empty_account_opens_the_circuit_at_once_for_as_long_as_the_provider_says() {
    let rig = Rig::with_key_and_credits(1_000_000);
    rig.answers(OWN, Answer::quota_exhausted().header("retry-after", "300"));
    assert_eq!(rig.call().await.paid(), "credits: quota_exhausted");
    assert_eq!(change(&rig).await, Some(true));
    rig.clock.advance_seconds(299);
    assert_eq!(rig.call().await.paid(), "credits: circuit_open");
    rig.clock.advance_seconds(1);
    rig.answers_with(OWN, chat);
    assert_eq!(rig.call().await.paid(), "byok");
}

#[tokio::test]
async fn one_probe_goes_at_a_time() {
    let rig = Rig::with_key_and_credits(1_000_000);
    rig.answers(OWN, Answer::quota_exhausted());
    rig.call().await.answer();
    rig.clock.advance_seconds(30);
    rig.tried();
    let gate = Gate::new();
    let behind = gate.clone();
    rig.answers_with(OWN, move |seen| chat(seen).held(&behind));
    let others = async {
        let there =
            |provider: &byok_testkit::fake_provider::FakeProvider| !provider.requests().is_empty();
        assert!(rig.provider.eventually(std::time::Duration::from_secs(5), there).await);
        for _ in 0..3 {
            assert_eq!(rig.call().await.paid(), "credits: circuit_open");
        }
        gate.open();
    };
    let (probe, ()) = tokio::join!(rig.call(), others);
    assert_eq!(probe.paid(), "byok");
    let tried = rig.tried();
    assert_eq!(tried.iter().filter(|key| *key == OWN).count(), 1, "{tried:?}");
}

#[tokio::test]
async fn an_open_circuit_steers_only_where_there_is_somewhere_to_go() {
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN));
    rig.answers(OWN, Answer::quota_exhausted());
    assert_eq!(rig.call().await.answer().status, 429);
    rig.tried();
    assert_eq!(rig.call().await.answer().status, 429);
    assert_eq!(rig.tried(), [OWN], "with nowhere else to go it is tried all the same");

    const SECOND: &str = "sk-customer-0123456789-second";
    rig.books.connect(Key::new(SECOND).after(1));
    rig.forget();
    assert_eq!(rig.call().await.answer().status, 200);
    assert_eq!(rig.tried(), [SECOND]);
}

#[tokio::test]
async fn a_circuit_of_one_key_is_none_of_anothers_at_another_address() {
    let rig = Rig::with_key_and_credits(1_000_000);
    let down = byok_testkit::fake_provider::FakeProvider::start().expect("a provider");
    down.answer_at("", Answer::server_error());
    rig.books.change(|books| books.keys[0].base = Some(down.base_url()));
    const SECOND: &str = "sk-customer-0123456789-second";
    rig.books.connect(Key::new(SECOND).after(1));
    rig.forget();
    for _ in 0..7 {
        assert_eq!(rig.call().await.paid(), "byok");
    }
    assert_eq!(down.requests().len(), 5, "then its circuit is open");
    assert_eq!(rig.tried().len(), 7);
}

#[tokio::test]
async fn a_circuit_that_was_open_before_a_restart_is_open_after_it() {
    let rig = Rig::with_key_and_credits(1_000_000);
    let until = Timestamp::from_millis(1_800_000_060_000);
    let open = OpenUntil { until, cause: Cause::ProviderDown };
    rig.books.change(|books| books.keys[0].circuit = Some(open));
    rig.forget();
    assert_eq!(rig.call().await.paid(), "credits: circuit_open");
    rig.clock.advance_seconds(60);
    assert_eq!(rig.call().await.paid(), "byok");
    assert_eq!(change(&rig).await, Some(false), "the row learns that it closed");
}

#[tokio::test]
async fn a_key_marked_invalid_that_works_says_so_in_the_record() {
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN).invalid());
    assert_eq!(rig.call().await.paid(), "byok");
    let record = rig.record().await;
    // A success with a key is what makes it valid again.
    assert_eq!((record.error, record.key), (None::<ErrorClass>, Some(Key::new(OWN).id())));
}
