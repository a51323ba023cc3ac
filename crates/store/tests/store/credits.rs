//! Credits: granted once, held once, charged once, and books that balance.

mod refunds;
mod repeats;

use byok_domain::audit::Action;
use byok_domain::credits::{Balance, EntryKind};
use byok_domain::{Aftermath, CallRecord, Credits, KeySource, ProjectId, RequestId};
use byok_metering::{CreditLedger, Held, Hold, IdempotencyKey, Repeat, UsageLog};
use byok_store::{AuditFilter, Grant, Granted, Ledger, StoreError};
use tokio::runtime::Handle;

use crate::support::{ALL, Rig, at, by, call, on_each_database, ref_id, request_id, rounds};

on_each_database!(
    a_grant_that_is_asked_for_again_is_given_once_and_answered_alike,
    the_same_key_serves_another_customer_and_another_project,
    no_balance_grows_past_what_can_be_counted,
    a_hundred_calls_that_race_for_the_last_credit_are_one_call,
    a_call_is_held_for_charged_and_the_rest_given_back,
    a_hold_for_a_call_whose_estimate_is_nothing_still_needs_a_credit,
    what_a_call_costs_beyond_the_balance_is_absorbed_and_written_down,
    a_record_that_comes_again_charges_nothing_more,
    many_calls_of_many_customers_settle_in_one_batch,
    calls_on_own_keys_and_usage_that_a_customers_address_claims_charge_nothing,
    a_hold_whose_call_is_never_heard_of_ends_at_its_deadline,
    more_overdue_holds_than_one_transaction_takes_are_all_released,
    a_caller_who_leaves_while_it_waits_for_a_hold_leaves_nothing_held,
    a_process_that_dies_between_hold_and_settlement_is_settled_by_its_journal,
    books_that_somebody_changed_do_not_balance_and_are_named,
);

fn credits(n: u64) -> Credits {
    Credits::new(n)
}

fn grant(amount: u64, key: &str) -> Grant {
    Grant { amount: credits(amount), reason: None, idempotency_key: key.into() }
}

fn ledger(rig: &Rig) -> Ledger {
    Ledger::start(rig.store.clone(), &Handle::current(), || at(0))
}

fn hold(project: &ProjectId, customer: &str, estimate: u64) -> Hold {
    Hold {
        project: project.clone(),
        ref_id: ref_id(customer),
        request: request_id(1),
        estimate: credits(estimate),
        at: at(1),
        deadline: at(600_000),
        idempotency: None,
    }
}

/// A call on credits that a hold was made for.
fn paid(project: &ProjectId, customer: &str, request: RequestId, cost: u64) -> CallRecord {
    let aftermath =
        Aftermath { held: Some(credits(1)), credits: Some(credits(cost)), ..Aftermath::default() };
    CallRecord { id: request, source: KeySource::Credits, aftermath, ..call(project, customer, 1) }
}

impl Rig {
    async fn give(&self, project: &ProjectId, customer: &str, amount: u64) -> Granted {
        let key = format!("{customer}-{amount}");
        let grant = grant(amount, &key);
        self.store.grant_credits(project, &ref_id(customer), &grant, &by(0)).await.unwrap()
    }

    /// Balance and held.
    async fn has(&self, project: &ProjectId, customer: &str) -> (u64, u64) {
        let Balance { balance, held } =
            self.store.credits(project, &ref_id(customer)).await.unwrap();
        (balance.get(), held.get())
    }

    /// The amounts of a customer's entries of a kind, newest first.
    async fn entries(&self, project: &ProjectId, customer: &str, kind: EntryKind) -> Vec<i64> {
        let all = self.store.credit_entries(project, &ref_id(customer), ALL).await.unwrap();
        all.data.iter().filter(|entry| entry.kind == kind).map(|entry| entry.amount).collect()
    }

    async fn assert_books_balance(&self) {
        let report = self.store.verify_credits().await.unwrap();
        assert_eq!(report.faults, []);
    }
}

async fn a_grant_that_is_asked_for_again_is_given_once_and_answered_alike() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let customer = ref_id("customer");
    let ask = |grant: Grant| {
        let (store, project, customer) = (&rig.store, &project, &customer);
        async move { store.grant_credits(project, customer, &grant, &by(0)).await }
    };
    let first = ask(grant(500, "one")).await.unwrap();
    assert_eq!(first.after, Balance { balance: credits(500), held: Credits::ZERO });
    assert_eq!(ask(grant(100, "two")).await.unwrap().after.balance, credits(600));
    assert_eq!(ask(grant(500, "one")).await.unwrap(), first, "as it was answered then");
    let other = Grant { reason: Some("gift".into()), ..grant(500, "one") };
    for other in [grant(501, "one"), other] {
        assert!(matches!(ask(other).await, Err(StoreError::Reused)));
    }
    let mut at_once = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, project, customer) = (rig.store.clone(), project.clone(), customer.clone());
        at_once.spawn(async move {
            store.grant_credits(&project, &customer, &grant(7, "racing"), &by(0)).await.unwrap()
        });
    }
    at_once.join_all().await;
    assert_eq!(rig.has(&project, "customer").await, (607, 0));
    let filter = AuditFilter { action: Some(Action::CreditsGranted), ..AuditFilter::default() };
    let audited = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    assert_eq!(audited.total, 3);
    rig.assert_books_balance().await;
}

async fn the_same_key_serves_another_customer_and_another_project() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    for (project, customer) in [(&one, "a"), (&one, "b"), (&two, "a")] {
        let granted =
            rig.store.grant_credits(project, &ref_id(customer), &grant(5, "k"), &by(0)).await;
        assert_eq!(granted.unwrap().after.balance, credits(5), "{project} {customer}");
    }
}

async fn no_balance_grows_past_what_can_be_counted() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.give(&project, "rich", 1_000_000_000_000_000).await;
    let more = rig.store.grant_credits(&project, &ref_id("rich"), &grant(1, "more"), &by(0)).await;
    assert!(matches!(more, Err(StoreError::TooManyCredits)));
    rig.assert_books_balance().await;
}

async fn a_hundred_calls_that_race_for_the_last_credit_are_one_call() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    for round in 0..rounds(50) {
        let customer = format!("customer_{round}");
        let last = u64::from(round % 3 == 0) + 1;
        rig.give(&project, &customer, last).await;
        let mut racing = tokio::task::JoinSet::new();
        for n in 0..100 {
            let (ledger, hold) = (ledger.clone(), hold(&project, &customer, 1 + n % 5));
            racing.spawn(async move { ledger.hold(hold).await.unwrap() });
        }
        let held: Vec<_> = racing
            .join_all()
            .await
            .into_iter()
            .filter_map(|held| match held {
                Held::Amount(amount) => Some(amount.get()),
                Held::Empty | Held::Repeat(_) => None,
            })
            .collect();
        assert_eq!(held.iter().sum::<u64>(), last, "round {round}: {held:?}");
        if last == 1 {
            assert_eq!(held, [1], "round {round}");
        }
        assert_eq!(rig.has(&project, &customer).await, (last, last));
    }
    rig.assert_books_balance().await;
}

async fn a_call_is_held_for_charged_and_the_rest_given_back() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    rig.give(&project, "c", 100).await;
    let (one, two) = (hold(&project, "c", 30), hold(&project, "c", 1_000));
    assert_eq!(ledger.hold(one.clone()).await.unwrap(), Held::Amount(credits(30)));
    assert_eq!(ledger.hold(two.clone()).await.unwrap(), Held::Amount(credits(70)), "all there is");
    assert_eq!(ledger.hold(hold(&project, "c", 1)).await.unwrap(), Held::Empty);
    assert_eq!(ledger.hold(one.clone()).await.unwrap(), Held::Amount(credits(30)), "asked again");
    assert_eq!(rig.has(&project, "c").await, (100, 100));
    rig.give(&project, "twice", 100).await;
    let twice = hold(&project, "twice", 30);
    let both = tokio::join!(ledger.hold(twice.clone()), ledger.hold(twice.clone()));
    assert_eq!(both.0.unwrap(), both.1.unwrap());
    assert_eq!(ledger.hold(twice).await.unwrap(), Held::Amount(credits(30)), "some are left");
    assert_eq!(rig.has(&project, "twice").await, (100, 30));
    assert_eq!(ledger.hold(hold(&project, "nobody", 1)).await.unwrap(), Held::Empty);
    assert_eq!(rig.has(&project, "c").await, (100, 100));
    let applied = rig.apply(&[paid(&project, "c", one.request, 12)]).await;
    assert_eq!(applied.exhausted, [], "some are left");
    assert_eq!(rig.has(&project, "c").await, (88, 70));
    ledger.release(&project, two.request, at(9)).await.unwrap();
    ledger.release(&project, two.request, at(9)).await.unwrap();
    assert_eq!(rig.has(&project, "c").await, (88, 0));
    for (kind, amounts) in [
        (EntryKind::Grant, &[100][..]),
        (EntryKind::Hold, &[-70, -30]),
        (EntryKind::Settle, &[-12]),
        (EntryKind::Release, &[70, 30]),
    ] {
        assert_eq!(rig.entries(&project, "c", kind).await, amounts, "{kind:?}");
    }
    rig.assert_books_balance().await;
}

async fn a_hold_for_a_call_whose_estimate_is_nothing_still_needs_a_credit() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    assert_eq!(ledger.hold(hold(&project, "poor", 0)).await.unwrap(), Held::Empty);
    rig.give(&project, "rich", 5).await;
    let held = ledger.hold(hold(&project, "rich", 0)).await.unwrap();
    assert_eq!(held, Held::Amount(credits(1)));
}

async fn what_a_call_costs_beyond_the_balance_is_absorbed_and_written_down() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    rig.give(&project, "c", 10).await;
    let hold = hold(&project, "c", 4);
    ledger.hold(hold.clone()).await.unwrap();
    let applied = rig.apply(&[paid(&project, "c", hold.request, 25)]).await;
    assert_eq!(applied.exhausted, [(project.clone(), ref_id("c"))]);
    assert_eq!(rig.has(&project, "c").await, (0, 0));
    let entries = rig.store.credit_entries(&project, &ref_id("c"), ALL).await.unwrap().data;
    let settled = entries.iter().find(|entry| entry.kind == EntryKind::Settle).unwrap();
    assert_eq!((settled.amount, settled.shortfall), (-10, credits(15)));
    assert_eq!(settled.balance_after, Some(Credits::ZERO));
    let logged = rig.store.call(&project, &hold.request).await.unwrap().unwrap();
    assert_eq!(logged.credits, Some(credits(10)), "what was charged, not what it cost");
    let usage = rig.store.usage(&project, &byok_store::UsageFilter::default()).await.unwrap();
    assert_eq!(usage.totals.credits, 10);
    rig.assert_books_balance().await;
}

async fn a_record_that_comes_again_charges_nothing_more() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    rig.give(&project, "c", 100).await;
    let hold = hold(&project, "c", 50);
    ledger.hold(hold.clone()).await.unwrap();
    let record = paid(&project, "c", hold.request, 20);
    for journal in ["journal", "journal", "another", "third"] {
        let records = [record.clone(), paid(&project, "c", request_id(2), 1)];
        rig.store.apply(journal, 2, &records).await.unwrap();
    }
    // One journal was applied twice under one position; the others told a call of their own each.
    assert_eq!(rig.has(&project, "c").await, (100 - 20 - 3, 0));
    assert_eq!(rig.entries(&project, "c", EntryKind::Settle).await, [-1, -1, -1, -20]);
    // Even one whose row is gone from the log.
    rig.execute("DELETE FROM calls").await;
    rig.store.apply("fourth", 1, &[record]).await.unwrap();
    assert_eq!(rig.has(&project, "c").await, (77, 0));
    rig.assert_books_balance().await;
}

async fn many_calls_of_many_customers_settle_in_one_batch() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    let ledger = ledger(&rig);
    let mut records = Vec::new();
    for n in 0..300_u64 {
        let project = if n % 2 == 0 { &one } else { &two };
        let customer = format!("c{}", n % 7);
        if n < 14 {
            rig.give(project, &customer, 10_000).await;
        }
        let hold = hold(project, &customer, 40);
        assert_eq!(ledger.hold(hold.clone()).await.unwrap(), Held::Amount(credits(40)));
        records.push(paid(project, &customer, hold.request, n % 50));
    }
    rig.apply(&records).await;
    rig.assert_books_balance().await;
    let held = rig.number("SELECT CAST(SUM(held) AS BIGINT) FROM credit_accounts").await;
    let spent =
        14 * 10_000 - rig.number("SELECT CAST(SUM(balance) AS BIGINT) FROM credit_accounts").await;
    assert_eq!((held, spent), (0, (0..300).map(|n| n % 50).sum::<i64>()));
}

async fn calls_on_own_keys_and_usage_that_a_customers_address_claims_charge_nothing() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.give(&project, "c", 100).await;
    let claimed = CallRecord { customer_reported: true, ..paid(&project, "c", request_id(1), 9) };
    let own = CallRecord { source: KeySource::Byok, ..paid(&project, "c", request_id(2), 9) };
    rig.apply(&[claimed, own, call(&project, "c", 3)]).await;
    assert_eq!(rig.has(&project, "c").await, (100, 0));
    assert_eq!(rig.entries(&project, "c", EntryKind::Settle).await, [0_i64; 0]);
}

async fn a_hold_whose_call_is_never_heard_of_ends_at_its_deadline() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    rig.give(&project, "c", 100).await;
    let hold = hold(&project, "c", 60);
    ledger.hold(hold.clone()).await.unwrap();
    assert_eq!(rig.store.release_overdue(at(600_000)).await.unwrap(), 0);
    assert_eq!(rig.has(&project, "c").await, (100, 60));
    assert_eq!(rig.store.release_overdue(at(600_001)).await.unwrap(), 1);
    assert_eq!(rig.store.release_overdue(at(600_001)).await.unwrap(), 0);
    assert_eq!(rig.has(&project, "c").await, (100, 0));
    // The record that comes after all is charged, and gives nothing back twice.
    rig.apply(&[paid(&project, "c", hold.request, 10)]).await;
    assert_eq!(rig.has(&project, "c").await, (90, 0));
    assert_eq!(rig.entries(&project, "c", EntryKind::Release).await, [60]);
    rig.assert_books_balance().await;
}

async fn more_overdue_holds_than_one_transaction_takes_are_all_released() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    let ledger = ledger(&rig);
    let mut holding = tokio::task::JoinSet::new();
    for n in 0..1_100_u64 {
        let project = if n % 2 == 0 { &one } else { &two };
        if n < 2 {
            rig.give(project, "c", 10_000).await;
        }
        let (ledger, hold) = (ledger.clone(), hold(project, "c", 3));
        holding.spawn(async move { ledger.hold(hold).await.unwrap() });
    }
    assert!(holding.join_all().await.iter().all(|held| *held == Held::Amount(credits(3))));
    assert_eq!(rig.store.release_overdue(at(700_000)).await.unwrap(), 1_100);
    assert_eq!((rig.has(&one, "c").await, rig.has(&two, "c").await), ((10_000, 0), (10_000, 0)));
    rig.assert_books_balance().await;
}

async fn a_caller_who_leaves_while_it_waits_for_a_hold_leaves_nothing_held() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let ledger = ledger(&rig);
    rig.give(&project, "c", 100).await;
    let mut leaving = Box::pin(ledger.hold(hold(&project, "c", 60)));
    // Polled once: it is in the queue.
    assert!(futures_poll(&mut leaving).await.is_none());
    drop(leaving);
    // Whoever comes next is served after it.
    let next = hold(&project, "c", 1);
    ledger.hold(next.clone()).await.unwrap();
    ledger.release(&project, next.request, at(2)).await.unwrap();
    for _ in 0..100 {
        if rig.has(&project, "c").await == (100, 0) {
            rig.assert_books_balance().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?} is held", rig.has(&project, "c").await);
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

async fn a_process_that_dies_between_hold_and_settlement_is_settled_by_its_journal() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.give(&project, "c", 100).await;
    let (journalled, lost) = (hold(&project, "c", 40), hold(&project, "c", 20));
    {
        let ledger = ledger(&rig);
        ledger.hold(journalled.clone()).await.unwrap();
        ledger.hold(lost).await.unwrap();
    }
    // The next start finds the file as it was left, and the record in the journal.
    let database = byok_store::Database::open(&rig.place.url).await.unwrap();
    let store = byok_store::Store::new(database, crate::support::audit_key());
    let record = paid(&project, "c", journalled.request, 15);
    store.apply("journal", 1, std::slice::from_ref(&record)).await.unwrap();
    store.apply("journal", 1, &[record]).await.unwrap();
    assert_eq!(rig.has(&project, "c").await, (85, 20));
    store.release_overdue(at(600_001)).await.unwrap();
    assert_eq!(rig.has(&project, "c").await, (85, 0));
    rig.assert_books_balance().await;
}

async fn books_that_somebody_changed_do_not_balance_and_are_named() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.give(&project, "c", 100).await;
    rig.give(&project, "d", 100).await;
    let ledger = ledger(&rig);
    ledger.hold(hold(&project, "d", 30)).await.unwrap();
    rig.assert_books_balance().await;
    for (tampering, mending) in [
        (
            "UPDATE credit_accounts SET balance = 101 WHERE ref_id = 'c'",
            "UPDATE credit_accounts SET balance = 100 WHERE ref_id = 'c'",
        ),
        (
            "UPDATE credit_entries SET amount = 99 WHERE ref_id = 'c'",
            "UPDATE credit_entries SET amount = 100 WHERE ref_id = 'c'",
        ),
        (
            "UPDATE credit_accounts SET held = 29 WHERE ref_id = 'd'",
            "UPDATE credit_accounts SET held = 30 WHERE ref_id = 'd'",
        ),
        (
            "UPDATE credit_holds SET amount = 29 WHERE ref_id = 'd'",
            "UPDATE credit_holds SET amount = 30 WHERE ref_id = 'd'",
        ),
    ] {
        rig.execute(tampering).await;
        let report = rig.store.verify_credits().await.unwrap();
        assert_eq!((report.accounts, report.faults.len()), (2, 1), "{tampering}");
        rig.execute(mending).await;
        rig.assert_books_balance().await;
    }
    let raw = rig.raw().await;
    for refused in
        ["UPDATE credit_accounts SET held = -1", "UPDATE credit_accounts SET balance = -1"]
    {
        assert!(sea_orm::ConnectionTrait::execute_unprepared(&raw, refused).await.is_err());
    }
}
