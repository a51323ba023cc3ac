//! Calls that are made again under the same idempotency key.

use super::*;

on_each_database!(
    a_call_that_is_made_again_with_its_idempotency_key_is_charged_once,
    a_hundred_calls_with_one_idempotency_key_are_one_call,
    a_call_that_was_not_charged_may_be_made_again,
    idempotency_keys_are_forgotten_after_a_day,
);

/// A call that its maker tells from others by `key`; `body` is what it asks for.
fn named(project: &ProjectId, customer: &str, key: u8, body: u8) -> Hold {
    let idempotency = Some(IdempotencyKey { key: [key; 32], body: [body; 32] });
    Hold { idempotency, ..hold(project, customer, 10) }
}

async fn a_call_that_is_made_again_with_its_idempotency_key_is_charged_once() {
    let rig = Rig::new().await;
    let (project, elsewhere) = (rig.project(1).await, rig.project(2).await);
    let ledger = ledger(&rig);
    let ask = |hold: Hold| {
        let ledger = &ledger;
        async move { ledger.hold(hold).await.unwrap() }
    };
    for (project, customer) in [(&project, "c"), (&project, "d"), (&elsewhere, "c")] {
        rig.give(project, customer, 100).await;
    }
    let first = named(&project, "c", 1, 1);
    assert_eq!(ask(first.clone()).await, Held::Amount(credits(10)));
    let running = Held::Repeat(Repeat::Running(first.request));
    assert_eq!(ask(named(&project, "c", 1, 1)).await, running);
    let other = Held::Repeat(Repeat::Other(first.request));
    assert_eq!(ask(named(&project, "c", 1, 2)).await, other);
    for else_whose in
        [named(&project, "c", 2, 1), named(&project, "d", 1, 1), named(&elsewhere, "c", 1, 1)]
    {
        assert_eq!(ask(else_whose).await, Held::Amount(credits(10)));
    }
    assert_eq!(rig.has(&project, "c").await, (100, 20));
    rig.apply(&[paid(&project, "c", first.request, 7)]).await;
    let charged = Held::Repeat(Repeat::Charged(first.request));
    assert_eq!(ask(named(&project, "c", 1, 1)).await, charged);
    assert_eq!(ask(named(&project, "c", 1, 2)).await, other);
    assert_eq!(rig.has(&project, "c").await, (93, 10));
    let day = 24 * 60 * 60 * 1000;
    let later = |at_ms| Hold { at: at(at_ms), ..named(&project, "c", 1, 1) };
    assert_eq!(ask(later(day)).await, charged, "for a day");
    assert_eq!(ask(later(day + 1)).await, Held::Amount(credits(10)));
    rig.assert_books_balance().await;
}

async fn a_hundred_calls_with_one_idempotency_key_are_one_call() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    // Of two servers: they meet in the database.
    let ledgers = [ledger(&rig), ledger(&rig)];
    rig.give(&project, "c", 100_000).await;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (ledger, hold) = (ledgers[n % 2].clone(), named(&project, "c", 1, 1));
        racing.spawn(async move { (hold.request, ledger.hold(hold).await.unwrap()) });
    }
    let answers = racing.join_all().await;
    let is_held = |held: &Held| matches!(held, Held::Amount(_));
    let (made, repeats): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, held)| is_held(held));
    let [(first, _)] = made[..] else { panic!("{made:?}") };
    let running = Held::Repeat(Repeat::Running(first));
    assert_eq!(repeats.iter().filter(|(_, held)| *held == running).count(), 99, "{repeats:?}");
    assert_eq!(rig.has(&project, "c").await, (100_000, 10));
}

async fn a_call_that_was_not_charged_may_be_made_again() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    let (poor, never_sent, failed, last) = (
        named(&project, "c", 1, 1),
        named(&project, "c", 1, 1),
        named(&project, "c", 1, 1),
        named(&project, "c", 1, 1),
    );
    assert_eq!(ledger.hold(poor).await.unwrap(), Held::Empty);
    rig.give(&project, "c", 100).await;
    assert_eq!(ledger.hold(never_sent.clone()).await.unwrap(), Held::Amount(credits(10)));
    ledger.release(&project, never_sent.request, at(2)).await.unwrap();
    assert_eq!(ledger.hold(failed.clone()).await.unwrap(), Held::Amount(credits(10)));
    let record = paid(&project, "c", failed.request, 0);
    let aftermath = Aftermath { credits: None, ..record.aftermath.clone() };
    rig.apply(&[CallRecord { aftermath, ..record }]).await;
    assert_eq!(ledger.hold(last.clone()).await.unwrap(), Held::Amount(credits(10)));
    assert_eq!(
        ledger.hold(last.clone()).await.unwrap(),
        Held::Amount(credits(10)),
        "the same call"
    );
    // A batch of it, of its repeats, and of others.
    let others = [named(&project, "c", 1, 1), named(&project, "c", 2, 1), last.clone()];
    let [repeat, other, same] = others.map(|hold| ledger.hold(hold));
    let (repeat, other, same) = tokio::join!(repeat, other, same);
    assert_eq!(repeat.unwrap(), Held::Repeat(Repeat::Running(last.request)));
    assert_eq!(other.unwrap(), Held::Amount(credits(10)));
    assert_eq!(same.unwrap(), Held::Amount(credits(10)));
    // Nothing was heard of it: it may yet be charged, and is.
    rig.store.release_overdue(at(600_001)).await.unwrap();
    let running = Held::Repeat(Repeat::Running(last.request));
    assert_eq!(ledger.hold(named(&project, "c", 1, 1)).await.unwrap(), running);
    rig.apply(&[paid(&project, "c", last.request, 3)]).await;
    let charged = Held::Repeat(Repeat::Charged(last.request));
    assert_eq!(ledger.hold(named(&project, "c", 1, 1)).await.unwrap(), charged);
    assert_eq!(rig.has(&project, "c").await, (97, 0));
    rig.assert_books_balance().await;
}

async fn idempotency_keys_are_forgotten_after_a_day() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.give(&project, "c", 100_000).await;
    let first = ledger(&rig);
    for key in 0..=1 {
        let hold = Hold { at: at(i64::from(key)), ..named(&project, "c", key, 1) };
        assert_eq!(first.hold(hold).await.unwrap(), Held::Amount(credits(10)));
    }
    let day = 24 * 60 * 60 * 1000;
    for (now, kept) in [(day - 1, 2), (day, 1), (day + 1, 0)] {
        // It looks for them when it starts.
        let _ledger = Ledger::start(rig.store.clone(), &Handle::current(), move || at(now));
        for _ in 0..100 {
            if rig.number("SELECT COUNT(*) FROM idempotency_keys").await == kept {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(rig.number("SELECT COUNT(*) FROM idempotency_keys").await, kept, "{now}");
    }
}
