//! Keys leased to be asked about, and what was told of them.

use std::collections::BTreeSet;

use byok_domain::audit::Action;
use byok_domain::time::{DAY_MS, HOUR_MS};
use byok_domain::{
    CallRecord, ErrorClass, KeyStatus, ProjectId, ProviderKeyId, Timestamp, WebhookId,
};
use byok_gateway::{DueKey, KeyChecks, Told};
use byok_store::{AuditFilter, ConnectKey, Database, NewWebhook, Store, Verdict};
use byok_vault::SealedSecret;
use sea_orm::ConnectionTrait;

use crate::support::{
    ALL, Rig, at, audit_key, by, call, key, on_each_database, openai, ref_id, seal,
};

on_each_database!(
    each_key_is_due_once_within_a_day_of_the_last_verdict,
    two_workers_never_take_the_same_key,
    a_lease_that_is_not_settled_ends_and_one_that_ended_settles_nothing,
    a_verdict_is_told_once_for_each_transition,
    silence_changes_nothing_but_when_it_is_due,
    what_a_call_told_puts_the_question_off,
    a_key_that_was_replaced_or_removed_meanwhile_is_left_alone,
    a_key_that_could_not_be_verified_is_asked_about_soon,
    keys_of_an_earlier_release_are_spread_over_a_day,
    what_is_due_is_found_by_an_index,
);

const LEASE_MS: i64 = 120_000;

async fn claim(store: &Store, now: Timestamp, most: usize) -> Vec<DueKey> {
    store.claim(now, now.plus_millis(LEASE_MS), most).await.unwrap()
}

fn told(status: KeyStatus, at: Timestamp) -> Option<Told> {
    let error = (status == KeyStatus::Invalid).then(|| "no".to_owned());
    Some(Told { status, error, at })
}

async fn row(rig: &Rig, project: &ProjectId, id: &str) -> byok_store::ProviderKeyRow {
    rig.store.provider_key(project, &ProviderKeyId::new(id)).await.unwrap().unwrap()
}

/// A project with a hundred keys that were all connected at the same moment.
async fn hundred_keys() -> (Rig, ProjectId) {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for n in 0..100 {
        rig.connect(&project, key(&format!("pk_{n}"), &format!("c{n}"))).await;
    }
    (rig, project)
}

async fn each_key_is_due_once_within_a_day_of_the_last_verdict() {
    let (rig, _) = hundred_keys().await;
    let due = "SELECT COUNT(DISTINCT check_due_at) FROM provider_keys";
    assert!(rig.number(due).await > 50, "each at a time of its own");
    assert!(claim(&rig.store, at(12 * HOUR_MS - 1), 100).await.is_empty());
    let halfway = claim(&rig.store, at(18 * HOUR_MS), 100).await.len();
    assert!((25..=75).contains(&halfway), "{halfway} of a hundred");
    assert_eq!(claim(&rig.store, at(24 * HOUR_MS), 7).await.len(), 7, "as many as are wanted");
}

async fn two_workers_never_take_the_same_key() {
    let (rig, _) = hundred_keys().await;
    let other = Store::new(Database::open(&rig.place.url).await.unwrap(), audit_key());
    let third = Store::new(Database::open(&rig.place.url).await.unwrap(), audit_key());
    let mut taken = BTreeSet::new();
    let mut count = 0;
    loop {
        let (a, b, c) = tokio::join!(
            claim(&rig.store, at(DAY_MS), 9),
            claim(&other, at(DAY_MS), 9),
            claim(&third, at(DAY_MS), 9)
        );
        let all: Vec<_> = a.into_iter().chain(b).chain(c).collect();
        if all.is_empty() && count == 100 {
            break;
        }
        count += all.len();
        taken.extend(all.into_iter().map(|due| due.key.id));
        assert!(count <= 100, "a key was taken twice");
    }
    assert_eq!(taken.len(), 100);
}

async fn a_lease_that_is_not_settled_ends_and_one_that_ended_settles_nothing() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let now = at(DAY_MS);
    let first = claim(&rig.store, now, 1).await.remove(0);
    assert!(claim(&rig.store, now.plus_millis(LEASE_MS - 1), 1).await.is_empty());
    let second = claim(&rig.store, now.plus_millis(LEASE_MS), 1).await.remove(0);
    // The first comes back after all.
    let later = at(3 * DAY_MS);
    let invalid = told(KeyStatus::Invalid, now);
    assert!(!rig.store.settle(&first, invalid, later, 0).await.unwrap());
    assert_eq!(row(&rig, &project, "pk_1").await.status, KeyStatus::Valid);
    let invalid = told(KeyStatus::Invalid, now.plus_millis(LEASE_MS));
    assert!(rig.store.settle(&second, invalid.clone(), later, 0).await.unwrap());
    assert!(!rig.store.settle(&second, invalid, later, 0).await.unwrap(), "once");
    assert_eq!(row(&rig, &project, "pk_1").await.status, KeyStatus::Invalid);
    assert!(claim(&rig.store, later.plus_millis(-1), 1).await.is_empty());
    assert_eq!(claim(&rig.store, later, 1).await.len(), 1);
}

async fn a_verdict_is_told_once_for_each_transition() {
    use KeyStatus::{Invalid, Valid};
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let new = NewWebhook {
        id: WebhookId::new("wh_1"),
        url: "https://example.com/in".to_owned(),
        events: vec!["byok.*".to_owned()],
        description: String::new(),
        sealed: SealedSecret { bytes: b"first".to_vec() },
    };
    rig.store.create_webhook(&project, new, &by(0)).await.unwrap();
    rig.connect(&project, key("pk_1", "customer")).await;
    let mut events = 0;
    for (day, status, changes) in [
        (1, Valid, false),
        (2, Invalid, true),
        (3, Invalid, false),
        (4, Valid, true),
        (5, Valid, false),
        (6, Invalid, true),
    ] {
        let now = at(day * DAY_MS);
        let due = claim(&rig.store, now, 1).await.remove(0);
        let next = now.plus_millis(DAY_MS);
        let changed = rig.store.settle(&due, told(status, now), next, 0).await.unwrap();
        assert_eq!(changed, changes, "day {day}");
        let row = row(&rig, &project, "pk_1").await;
        assert_eq!((row.status, row.last_validated_at), (status, Some(now)), "day {day}");
        assert_eq!(row.last_error.as_deref(), (status == Invalid).then_some("no"));
        events += i64::from(changes && status == Invalid);
        assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_events").await, events, "day {day}");
        assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_deliveries").await, events);
    }
    let filter =
        AuditFilter { action: Some(Action::ProviderKeyInvalidated), ..AuditFilter::default() };
    let log = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    assert_eq!((log.total, log.data[0].actor_id.as_str()), (2, "key-checks"));
    assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
}

async fn silence_changes_nothing_but_when_it_is_due() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let before = row(&rig, &project, "pk_1").await;
    let due = claim(&rig.store, at(DAY_MS), 1).await.remove(0);
    assert_eq!(due.tries, 0);
    let next = at(DAY_MS + HOUR_MS);
    assert!(!rig.store.settle(&due, None, next, 1).await.unwrap());
    assert_eq!(row(&rig, &project, "pk_1").await, before);
    assert!(claim(&rig.store, next.plus_millis(-1), 1).await.is_empty());
    let due = claim(&rig.store, next, 1).await.remove(0);
    assert_eq!(due.tries, 1);
    rig.store.settle(&due, told(KeyStatus::Valid, next), at(2 * DAY_MS), 0).await.unwrap();
    assert_eq!(claim(&rig.store, at(2 * DAY_MS), 1).await[0].tries, 0);
}

async fn what_a_call_told_puts_the_question_off() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for n in 1..=3 {
        let label = n.to_string();
        rig.connect(&project, ConnectKey { label, ..key(&format!("pk_{n}"), "customer") }).await;
    }
    let with = |id: &str, error| CallRecord {
        key: Some(ProviderKeyId::new(id)),
        error,
        ..call(&project, "customer", 20 * HOUR_MS)
    };
    // An answer tells that the key is taken; that the provider is down tells nothing.
    rig.apply(&[with("pk_1", None), with("pk_2", Some(ErrorClass::ProviderDown))]).await;
    assert_eq!(row(&rig, &project, "pk_1").await.last_validated_at, Some(at(20 * HOUR_MS)));
    assert_eq!(row(&rig, &project, "pk_2").await.last_validated_at, Some(at(0)));
    let checked = Verdict {
        version: 1,
        status: KeyStatus::Valid,
        error: None,
        validated_at: Some(at(21 * HOUR_MS)),
    };
    let third = ProviderKeyId::new("pk_3");
    rig.store.set_key_status(&project, &third, checked, &by(21 * HOUR_MS)).await.unwrap();
    let due = claim(&rig.store, at(25 * HOUR_MS), 10).await;
    assert_eq!(due.iter().map(|due| due.key.id.as_str()).collect::<Vec<_>>(), ["pk_2"]);
    let due = claim(&rig.store, at(45 * HOUR_MS), 10).await;
    assert_eq!(due.len(), 3, "within a day all the same");

    // What a call told while the provider was being asked is newer.
    let first = due.into_iter().find(|due| due.key.id.as_str() == "pk_1").unwrap();
    rig.apply(&[CallRecord {
        key: Some(ProviderKeyId::new("pk_1")),
        ..call(&project, "customer", 46 * HOUR_MS)
    }])
    .await;
    let stale = told(KeyStatus::Invalid, at(45 * HOUR_MS));
    assert!(!rig.store.settle(&first, stale, at(60 * HOUR_MS), 0).await.unwrap());
    assert_eq!(row(&rig, &project, "pk_1").await.status, KeyStatus::Valid);
}

async fn a_key_that_was_replaced_or_removed_meanwhile_is_left_alone() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    for n in 1..=2 {
        let label = n.to_string();
        rig.connect(&one, ConnectKey { label, ..key(&format!("pk_{n}"), "customer") }).await;
    }
    rig.connect(&two, key("pk_3", "customer")).await;
    let due = claim(&rig.store, at(DAY_MS), 10).await;
    assert_eq!(due.len(), 3);
    let replaced =
        ConnectKey { label: "1".into(), validated_at: Some(at(DAY_MS)), ..key("pk_1", "customer") };
    rig.store.connect_key(&one, replaced, seal, &by(DAY_MS)).await.unwrap();
    let customer = ref_id("customer");
    let second = ProviderKeyId::new("pk_2");
    rig.store.revoke_keys(&one, &openai(), &customer, Some(&second), &by(DAY_MS)).await.unwrap();
    rig.store.delete_project(&two, &by(DAY_MS)).await.unwrap();
    for due in &due {
        let invalid = told(KeyStatus::Invalid, at(DAY_MS + 5));
        assert!(!rig.store.settle(due, invalid, at(3 * DAY_MS), 0).await.unwrap());
    }
    assert_eq!(row(&rig, &one, "pk_1").await.status, KeyStatus::Valid);
    let due = claim(&rig.store, at(9 * DAY_MS), 10).await;
    assert_eq!(due.len(), 1, "only the one that is there");
    assert_eq!(due[0].key.version, 2);
}

async fn a_key_that_could_not_be_verified_is_asked_about_soon() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let unverified =
        ConnectKey { status: KeyStatus::Unverified, validated_at: None, ..key("pk_1", "customer") };
    rig.connect(&project, unverified).await;
    assert!(claim(&rig.store, at(HOUR_MS / 4 - 1), 1).await.is_empty());
    let due = claim(&rig.store, at(HOUR_MS), 1).await.remove(0);
    rig.store.settle(&due, told(KeyStatus::Valid, at(HOUR_MS)), at(DAY_MS), 0).await.unwrap();
    assert_eq!(row(&rig, &project, "pk_1").await.status, KeyStatus::Valid);
}

async fn keys_of_an_earlier_release_are_spread_over_a_day() {
    let (rig, _) = hundred_keys().await;
    // As the schema was before; its newest change is undone, and made again.
    let raw = rig.raw().await;
    for sql in [
        "DROP INDEX provider_keys_by_check",
        "ALTER TABLE provider_keys DROP COLUMN check_due_at",
        "ALTER TABLE provider_keys DROP COLUMN check_tries",
        "DELETE FROM seaql_migrations WHERE version = 'm0011_key_checks'",
    ] {
        raw.execute_unprepared(sql).await.unwrap();
    }
    raw.close().await.unwrap();
    let database = Database::open(&rig.place.url).await.unwrap();
    assert_eq!(database.migrate().await.unwrap(), 1);
    let range = rig
        .rows("SELECT MIN(check_due_at), MAX(check_due_at), COUNT(check_due_at) FROM provider_keys")
        .await;
    let of = |n| range[0].try_get_by_index::<i64>(n).unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    let (first, last) = (of(0) - now, of(1) - now);
    assert_eq!(of(2), 100);
    assert!((-60_000..DAY_MS / 4).contains(&first), "{first}");
    assert!((DAY_MS * 3 / 4..=DAY_MS).contains(&last), "{last}");
}

async fn what_is_due_is_found_by_an_index() {
    let rig = Rig::new().await;
    let look = "SELECT id, check_due_at, last_validated_at FROM provider_keys \
                WHERE check_due_at <= 5 ORDER BY check_due_at, id LIMIT 128";
    let plan = crate::support::either(
        format!("EXPLAIN QUERY PLAN {look}"),
        format!("EXPLAIN (FORMAT TEXT) {look}"),
    );
    // PostgreSQL reads a small table from end to end, or sorts it, unless it may not.
    let raw = rig.raw().await;
    let off = "SET enable_seqscan = off; SET enable_bitmapscan = off";
    let off = crate::support::either("SELECT 1", off);
    raw.execute_unprepared(off).await.unwrap();
    let rows = raw
        .query_all_raw(sea_orm::Statement::from_string(raw.get_database_backend(), plan))
        .await
        .unwrap();
    let column = crate::support::either("detail", "QUERY PLAN");
    let plan: Vec<String> = rows.iter().map(|row| row.try_get("", column).unwrap()).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("provider_keys_by_check"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
    raw.close().await.unwrap();
}
