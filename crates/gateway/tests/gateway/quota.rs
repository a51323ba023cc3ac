//! Warnings that little is left of a key's quota at its provider.

use byok_testkit::fake_provider::{Answer, Seen};

use crate::rig::{Key, OWN, PLATFORM, Rig, chat};

fn left(requests: &'static str, tokens: &'static str) -> impl Fn(&Seen) -> Answer {
    move |seen| {
        chat(seen)
            .header("x-ratelimit-limit-requests", "100")
            .header("x-ratelimit-remaining-requests", requests)
            .header("x-ratelimit-limit-tokens", "1000")
            .header("x-ratelimit-remaining-tokens", tokens)
    }
}

#[tokio::test]
async fn a_tenth_or_less_is_warned_of_once_an_hour() {
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN));
    let warning = async || {
        rig.call().await.answer();
        rig.records().await.last().and_then(|record| record.aftermath.quota.clone())
    };
    rig.answers_with(OWN, left("11", "900"));
    assert_eq!(warning().await, None);
    rig.answers_with(OWN, left("10", "50"));
    let warned = warning().await.expect("a warning");
    assert_eq!((&*warned.kind, warned.limit, warned.remaining), ("tokens", 1000, 50));
    assert_eq!(warning().await, None);
    rig.clock.advance_seconds(3_599);
    assert_eq!(warning().await, None);
    rig.clock.advance_seconds(1);
    assert!(warning().await.is_some());
}

#[tokio::test]
async fn what_is_left_to_the_platform_is_no_warning_and_no_news_to_a_customer() {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.grant(100_000);
    rig.answers_with(PLATFORM, left("1", "1"));
    let answer = rig.call().await.answer();
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("99"));
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), Some("2000000"));
    assert_eq!(rig.record().await.aftermath.quota, None);
}
