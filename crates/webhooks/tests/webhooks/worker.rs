//! Many deliveries at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use byok_webhooks::{Limits, Next, Outcome, Worker};
use tokio::runtime::Handle;

use crate::memory::Memory;
use crate::receiver::Receiver;
use crate::{TestClock, courier};

const DEADLINE: Duration = Duration::from_secs(2);

fn start(memory: &Arc<Memory>, clock: &Arc<TestClock>) -> Worker {
    let limits = Limits { poll: Duration::from_millis(20), ..Limits::default() };
    let courier = courier(clock, DEADLINE);
    Worker::start(memory.clone(), courier, clock.clone(), limits, &Handle::current())
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_endpoints_hold_up_nobody_else() {
    let receiver = Receiver::start().await;
    let (memory, clock) = (Memory::new(), TestClock::new());
    // Four that never answer, with as much as they can get in front of everybody else.
    for n in 0..800 {
        let path = ["/hang?1", "/hang?2", "/trickle?3", "/trickling-head?4"][n % 4];
        memory.add(&receiver.url(path), &clock);
    }
    for n in 0..300 {
        memory.add(&receiver.url(&format!("/ok?{n}")), &clock);
    }
    let began = Instant::now();
    let worker = start(&memory, &clock);
    let healthy = || receiver.received().iter().filter(|r| r.path.starts_with("/ok")).count();
    until("all healthy endpoints have theirs", || healthy() == 300).await;
    let slowest = receiver.received().iter().map(|r| r.at - began).max().unwrap();
    assert!(slowest < DEADLINE, "the last one waited {slowest:?}");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_endpoint_gets_one_place_and_its_events_later() {
    let receiver = Receiver::start().await;
    let (memory, clock) = (Memory::new(), TestClock::new());
    let id = memory.add(&receiver.url("/500"), &clock);
    let worker = start(&memory, &clock);
    until("the first attempt", || memory.row(&id).attempts.len() == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(memory.row(&id).attempts.len(), 1, "it is too early for another");
    let mut waits =
        [5, 300, 1800, 7200, 18_000, 36_000, 36_000].into_iter().map(Duration::from_secs);
    for tries in 2..=8 {
        clock.advance(waits.next().unwrap() + Duration::from_secs(1));
        until("the next attempt", || memory.row(&id).attempts.len() == tries).await;
    }
    let row = memory.row(&id);
    assert_eq!((row.next, row.due), (Some(Next::GiveUp), None));
    assert_eq!(receiver.at("/500").len(), 8);
    let ids: std::collections::BTreeSet<_> =
        receiver.received().iter().map(|r| r.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "the id stays the same");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_recorded_is_sent_again_under_the_same_id() {
    let receiver = Receiver::start().await;
    let (memory, clock) = (Memory::new(), TestClock::new());
    let id = memory.add(&receiver.url("/ok"), &clock);
    *memory.forgets.lock().unwrap() = true;
    let worker = start(&memory, &clock);
    until("the first attempt", || receiver.received().len() == 1).await;
    drop(worker);
    *memory.forgets.lock().unwrap() = false;
    let worker = start(&memory, &clock);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(receiver.received().len(), 1, "the lease still holds");
    clock.advance(Limits::default().lease + Duration::from_secs(1));
    until("the second attempt", || memory.settled() == 1).await;
    assert_eq!(memory.row(&id).attempts[0].outcome, Outcome::Delivered(200));
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(received[0].body, received[1].body);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_what_is_under_way_and_begins_nothing() {
    let receiver = Receiver::start().await;
    let (memory, clock) = (Memory::new(), TestClock::new());
    let id = memory.add(&receiver.url("/hang"), &clock);
    let worker = start(&memory, &clock);
    until("the attempt is under way", || receiver.received().len() == 1).await;
    let stopping = tokio::spawn(worker.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    memory.add(&receiver.url("/ok"), &clock);
    stopping.await.expect("no panic");
    assert_eq!(memory.row(&id).attempts[0].outcome, Outcome::TimedOut);
    assert_eq!(receiver.at("/ok").len(), 0);
}
