//! Streams whose first events tell an error, and those that break off.

use byok_domain::ErrorClass;
use byok_domain::routing::Mode;
use byok_testkit::fake_provider::{Answer, Cut};

use crate::rig::{Key, MODEL, OWN, PLATFORM, Rig};

const ROLE: &str = "data: {\"id\":\"c\",\"model\":\"priced\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str = "data: {\"id\":\"c\",\"model\":\"priced\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const DOWN: &str = "data: {\"error\":{\"message\":\"The server had an error.\",\"type\":\"server_error\",\"code\":null}}\n\n";
const QUOTA: &str = "data: {\"error\":{\"message\":\"You exceeded your current quota.\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}\n\n";
const PACE: &str = "data: {\"error\":{\"message\":\"Rate limit reached.\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}\n\n";

#[tokio::test]
async fn an_error_before_the_first_content_falls_back() {
    for (events, paid) in [
        (vec![DOWN], "credits: provider_down"),
        (vec![ROLE, DOWN], "credits: provider_down"),
        (vec![": ping\n\n", ROLE, QUOTA], "credits: quota_exhausted"),
    ] {
        let rig = Rig::with_key_and_credits(100_000);
        rig.answers(OWN, Answer::events(events));
        let reply = rig.stream().await;
        assert_eq!(reply.paid(), paid);
        let answer = reply.answer();
        assert!(answer.whole && answer.text.contains("Hello") && !answer.text.contains("error"));
        assert_eq!(rig.tried(), [OWN, PLATFORM]);
        let record = rig.record().await;
        assert_eq!(record.aftermath.attempts[0].status, 200);
        assert!(record.streamed && record.error.is_none());
    }
}

#[tokio::test]
async fn an_error_after_the_first_content_is_the_callers() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::events([ROLE, TEXT, DOWN]));
    let reply = rig.stream().await;
    assert_eq!(reply.paid(), "byok");
    assert!(reply.answer().text.contains("server_error"));
    assert_eq!(rig.tried(), [OWN]);
    assert_eq!(rig.record().await.error, Some(ErrorClass::ProviderDown));
}

#[tokio::test]
async fn an_error_that_nothing_mends_passes_byte_for_byte() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.answers(OWN, Answer::events([ROLE, PACE]));
    let answer = rig.stream().await.answer();
    assert_eq!(answer.text, [ROLE, PACE].concat());
    assert_eq!(rig.record().await.error, Some(ErrorClass::RateLimited));
    assert_eq!(rig.tried(), [OWN]);
}

#[tokio::test]
async fn a_stream_that_was_held_passes_byte_for_byte() {
    let rig = Rig::with_key_and_credits(100_000);
    let events = [": ping\n\n", ROLE, TEXT, "data: [DONE]\n\n"];
    rig.answers(OWN, Answer::events(events));
    let answer = rig.stream().await.answer();
    assert_eq!((answer.text, answer.whole), (events.concat(), true));
}

#[tokio::test]
async fn a_stream_that_breaks_off_before_its_first_content_is_no_answer() {
    let rig = Rig::with_key_and_credits(100_000);
    let cut = Answer::events([ROLE, TEXT]).cut_at(ROLE.len() as u64, Cut::Reset);
    rig.answers(OWN, cut);
    let error = rig.stream().await.error();
    assert!(matches!(error, byok_gateway::CallError::Broken(_)), "{error:?}");
    // The provider may have executed it: it is not made again.
    assert_eq!(rig.tried(), [OWN]);
    assert_eq!(rig.record().await.error, Some(ErrorClass::Truncated));
}

#[tokio::test]
async fn the_next_key_answers_for_a_stream_that_began_with_an_error() {
    const SECOND: &str = "sk-customer-0123456789-second";
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN));
    rig.books.connect(Key::new(SECOND).after(1));
    rig.answers(OWN, Answer::events([ROLE, QUOTA]));
    assert_eq!(rig.stream().await.paid(), "byok");
    assert_eq!(rig.tried(), [OWN, SECOND]);
}

#[tokio::test]
async fn a_stream_on_credits_that_breaks_off_is_charged_an_estimate() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.change(|books| books.routing.mode = Mode::CreditFirst);
    rig.forget();
    let cut = Answer::events([ROLE, TEXT, TEXT]).cut_at(300, Cut::Reset);
    rig.answers(PLATFORM, cut);
    let answer = rig.stream().await.answer();
    assert!(!answer.whole);
    let record = rig.record().await;
    assert!(record.usage_estimated);
    assert_eq!(record.error, Some(ErrorClass::Truncated));
    let charged = record.aftermath.credits.expect("charged").get();
    assert!(charged > 0, "{record:?}");
    assert_eq!((rig.till.balance(), rig.till.held()), (100_000 - charged, 0));
}

#[tokio::test]
async fn a_stream_on_credits_is_charged_by_the_usage_it_tells() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.change(|books| books.keys.clear());
    rig.forget();
    let reply = rig.stream().await;
    assert_eq!(reply.paid(), "credits: no_key");
    assert!(reply.answer().text.contains(MODEL));
    let record = rig.record().await;
    assert_eq!(record.aftermath.credits.map(|credits| credits.get()), Some(crate::rig::PRICE));
}
