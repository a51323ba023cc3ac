//! Customers: noted when they are first seen, changed, erased.

use byok_domain::audit::Action;
use byok_domain::call::ProviderObject;
use byok_domain::credential::ApiKeyKind;
use byok_domain::routing::FallbackReason;
use byok_domain::time::DAY_MS;
use byok_domain::{ApiKeyId, CallRecord, Credits, ProjectId, ProviderKeyId};
use byok_store::{AuditFilter, CustomerChange, Grant, NewApiKey, StoreError, UsageFilter};
use byok_vault::TokenDigest;
use byok_webhooks::{Outbox, Recipients};
use serde_json::json;

use crate::support::{
    ALL, Rig, api_key, at, by, call, key, on_each_database, openai, ref_id, rounds,
};

on_each_database!(
    whoever_has_a_key_credits_or_a_call_is_a_customer,
    a_change_keeps_what_it_does_not_name_and_may_take_away,
    customers_are_found_by_the_tier_they_are_on_the_default_included,
    an_erased_customer_leaves_what_it_used_and_nothing_of_itself,
    a_call_that_ends_after_its_customer_was_erased_is_charged_where_its_credits_went,
    calls_that_began_before_an_erasure_stay_nameless_and_later_ones_are_somebody_new,
    calls_recorded_while_their_customer_is_erased_leave_nothing_of_the_name,
    erasures_are_forgotten_after_thirty_days,
);

fn on(tier: &str) -> CustomerChange {
    CustomerChange { tier: Some(Some(tier.into())), ..CustomerChange::default() }
}

async fn whoever_has_a_key_credits_or_a_call_is_a_customer() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&project, key("pk_1", "keyed")).await;
    let grant = Grant { amount: Credits::new(5), reason: None, idempotency_key: "k".into() };
    rig.store.grant_credits(&project, &ref_id("rich"), &grant, &by(0)).await.unwrap();
    rig.apply(&[call(&project, "caller", 5), call(&project, "caller", 3)]).await;
    rig.apply(&[call(&other, "elsewhere", 1)]).await;
    let listed = rig.store.customers(&project, None, ALL).await.unwrap();
    let names: Vec<_> = listed.data.iter().map(|customer| customer.ref_id.as_str()).collect();
    assert_eq!((names.as_slice(), listed.total), (&["caller", "keyed", "rich"][..], 3));
    assert_eq!(listed.data[0].created_at, at(3), "since its first call");
    assert_eq!(listed.data[2].credits.balance, Credits::new(5));
    assert!(rig.store.customer(&project, &ref_id("elsewhere")).await.unwrap().is_none());
}

async fn a_change_keeps_what_it_does_not_name_and_may_take_away() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let change = |change| {
        let (store, project) = (&rig.store, &project);
        async move { store.update_customer(project, &ref_id("c"), change, &by(7)).await }
    };
    let full = CustomerChange {
        email: Some(Some("c@example.com".into())),
        metadata: json!({"plan": "gold"}).as_object().cloned(),
        ..on("free")
    };
    let made = change(full).await.unwrap();
    assert_eq!(
        (made.tier.as_deref(), made.email.as_deref()),
        (Some("free"), Some("c@example.com"))
    );
    let kept = change(on("lifetime")).await.unwrap();
    assert_eq!(kept.email, made.email);
    assert_eq!(kept.metadata, made.metadata);
    let none = CustomerChange { tier: Some(None), email: Some(None), metadata: None };
    let bare = change(none).await.unwrap();
    assert_eq!((bare.tier, bare.email), (None, None));
    match change(on("platinum")).await {
        Err(StoreError::UnknownTier { name, known }) => {
            assert_eq!((name.as_str(), known.as_str()), ("platinum", "free, premium, lifetime"));
        }
        other => panic!("{other:?}"),
    }
    let filter = AuditFilter { action: Some(Action::CustomerUpdated), ..AuditFilter::default() };
    let audited = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    assert_eq!(audited.total, 3);
    assert!(!format!("{audited:?}").contains("example.com"), "no personal data in the audit log");
}

async fn customers_are_found_by_the_tier_they_are_on_the_default_included() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for (customer, change) in [("a", on("free")), ("b", on("premium")), ("c", Default::default())] {
        rig.store.update_customer(&project, &ref_id(customer), change, &by(0)).await.unwrap();
    }
    for (tier, customers) in [("free", &["a"][..]), ("premium", &["b", "c"]), ("lifetime", &[])] {
        let found = rig.store.customers(&project, Some(tier), ALL).await.unwrap();
        let names: Vec<_> = found.data.iter().map(|c| c.ref_id.as_str()).collect();
        assert_eq!((names.as_slice(), found.total), (customers, customers.len() as u64), "{tier}");
    }
}

async fn an_erased_customer_leaves_what_it_used_and_nothing_of_itself() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    let (customer, tombstone) = (ref_id("jane@example.com"), ref_id("erased_1"));
    let grant = Grant { amount: Credits::new(50), reason: None, idempotency_key: "k".into() };
    for owner in [&project, &other] {
        let id = format!("pk_{owner}");
        rig.connect(owner, key(&id, "jane@example.com")).await;
        rig.store.grant_credits(owner, &customer, &grant, &by(0)).await.unwrap();
        let object = ProviderObject { kind: "file".into(), id: "f".into() };
        let record = CallRecord {
            key: Some(ProviderKeyId::new(id)),
            objects: vec![object],
            ..call(owner, "jane@example.com", 10)
        };
        rig.apply(&[record]).await;
    }
    let token = NewApiKey {
        id: ApiKeyId::new("key_jane"),
        kind: ApiKeyKind::Customer,
        ref_id: Some(customer.clone()),
        digest: TokenDigest::from_bytes([77; 32]),
        ..api_key(77)
    };
    rig.store.create_api_key(&project, token, &by(0)).await.unwrap();
    let personal = CustomerChange { email: Some(Some("jane@x.org".into())), ..on("free") };
    rig.store.update_customer(&project, &customer, personal, &by(0)).await.unwrap();
    rig.connect(&project, key("pk_john", "john")).await;

    let eraser = by(20);
    let erase = || rig.store.erase_customer(&project, &customer, &tombstone, &eraser);
    let erased = erase().await.unwrap().unwrap();
    assert_eq!((erased.provider_keys, erased.api_keys), (1, 1));
    assert_eq!(erase().await.unwrap(), None, "nothing is left to erase");

    for table in [
        "calls",
        "usage_hourly",
        "provider_objects",
        "provider_keys",
        "api_keys",
        "customers",
        "credit_accounts",
        "credit_entries",
    ] {
        let left = format!(
            "SELECT COUNT(*) FROM {table} WHERE ref_id = 'jane@example.com' \
            AND project_id = 'proj_1'"
        );
        assert_eq!(rig.number(&left).await, 0, "{table}");
    }
    let usage = UsageFilter { ref_id: Some(tombstone.clone()), ..UsageFilter::default() };
    let sums = rig.store.usage(&project, &usage).await.unwrap();
    assert_eq!((sums.totals.requests, sums.totals.total_tokens), (1, 15));
    assert_eq!(rig.store.credits(&project, &tombstone).await.unwrap().balance, Credits::new(50));
    assert!(rig.store.verify_credits().await.unwrap().faults.is_empty());

    let keys = rig.store.sealed_keys(&other, &openai(), &customer).await.unwrap();
    assert_eq!(keys.len(), 1, "the same name elsewhere is somebody else");
    assert!(rig.store.customer(&project, &ref_id("john")).await.unwrap().is_some());
    let filter = AuditFilter { action: Some(Action::CustomerErased), ..AuditFilter::default() };
    let audited = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    assert_eq!(audited.data[0].target_id, "erased_1");
    assert!(!format!("{audited:?}").contains("jane"));
}

async fn a_call_that_ends_after_its_customer_was_erased_is_charged_where_its_credits_went() {
    use byok_metering::{CreditLedger, Hold};
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let grant = Grant { amount: Credits::new(50), reason: None, idempotency_key: "k".into() };
    rig.store.grant_credits(&project, &ref_id("c"), &grant, &by(0)).await.unwrap();
    let ledger =
        byok_store::Ledger::start(rig.store.clone(), &tokio::runtime::Handle::current(), || at(0));
    let mut record = call(&project, "c", 5);
    let hold = Hold {
        project: project.clone(),
        ref_id: ref_id("c"),
        request: record.id,
        estimate: Credits::new(20),
        at: at(5),
        deadline: at(1_000),
        idempotency: None,
    };
    ledger.hold(hold).await.unwrap();
    let tombstone = ref_id("erased_2");
    rig.store.erase_customer(&project, &ref_id("c"), &tombstone, &by(6)).await.unwrap();
    record.source = byok_domain::KeySource::Credits;
    record.aftermath.credits = Some(Credits::new(7));
    record.aftermath.held = Some(Credits::new(20));
    rig.apply(&[record]).await;
    let left = rig.store.credits(&project, &tombstone).await.unwrap();
    assert_eq!((left.balance, left.held), (Credits::new(43), Credits::ZERO));
    assert!(rig.store.verify_credits().await.unwrap().faults.is_empty());
}

/// Where a customer's name may be.
const NAMED: [&str; 10] = [
    "calls",
    "usage_hourly",
    "provider_objects",
    "provider_keys",
    "customers",
    "credit_accounts",
    "credit_entries",
    "credit_holds",
    "webhook_events",
    "idempotency_keys",
];

impl Rig {
    /// The tables in which a project's customer is, with the rows.
    async fn rows_of(&self, project: &ProjectId, customer: &str) -> Vec<(&'static str, i64)> {
        let mut found = Vec::new();
        for table in NAMED {
            let count = format!(
                "SELECT COUNT(*) FROM {table} WHERE project_id = '{project}' \
                 AND ref_id = '{customer}'"
            );
            found.push((table, self.number(&count).await));
        }
        found.retain(|(_, rows)| *rows > 0);
        found
    }
}

async fn calls_that_began_before_an_erasure_stay_nameless_and_later_ones_are_somebody_new() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&project, key("pk_jane", "jane")).await;
    let under_way = |project: &ProjectId, millis: i64| {
        let mut record = call(project, "jane", millis);
        record.key = Some(ProviderKeyId::new("pk_jane"));
        record.objects = vec![ProviderObject { kind: "file".into(), id: millis.to_string() }];
        record.aftermath.fallback = Some(FallbackReason::KeyRejected);
        record
    };
    let erase = async |tombstone, millis| {
        let (jane, tombstone) = (ref_id("jane"), ref_id(tombstone));
        rig.store.erase_customer(&project, &jane, &tombstone, &by(millis)).await.unwrap().unwrap();
    };
    erase("erased_1", 20).await;
    rig.apply(&[under_way(&project, 10), under_way(&project, 20)]).await;
    assert_eq!(rig.rows_of(&project, "jane").await, []);
    let nameless =
        [("calls", 2), ("usage_hourly", 1), ("provider_objects", 2), ("webhook_events", 1)];
    assert_eq!(rig.rows_of(&project, "erased_1").await, nameless, "but nobody's customer");

    let late = under_way(&project, 15);
    let later = [late.clone(), call(&project, "jane", 21), call(&project, "john", 15)];
    rig.apply(&later).await;
    rig.apply(&[call(&other, "jane", 15)]).await;
    let anew = [("calls", 1), ("usage_hourly", 1), ("customers", 1)];
    assert_eq!(rig.rows_of(&project, "jane").await, anew, "who came after the erasure");
    assert_eq!(rig.rows_of(&project, "john").await, anew, "who was not erased");
    assert_eq!(rig.rows_of(&other, "jane").await, anew, "who is somebody else");
    assert_eq!(rig.rows_of(&project, "erased_1").await[0], ("calls", 3));

    // Of several erasures, a call belongs to the customer of its time, also when some of its batch
    // is known already.
    erase("erased_2", 40).await;
    let batch = [late, under_way(&project, 19), call(&project, "jane", 30)];
    assert_eq!((rig.apply(&batch).await.written, rig.rows_of(&project, "jane").await), (2, vec![]));
    assert_eq!(rig.rows_of(&project, "erased_1").await[0], ("calls", 4));
    assert_eq!(rig.rows_of(&project, "erased_2").await[0], ("calls", 2));
}

async fn calls_recorded_while_their_customer_is_erased_leave_nothing_of_the_name() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for round in 0..rounds(20) {
        let customer = format!("jane_{round}");
        rig.connect(&project, key(&format!("pk_{round}"), &customer)).await;
        let records: Vec<_> = (0..50).map(|millis| call(&project, &customer, millis)).collect();
        let (jane, tombstone) = (ref_id(&customer), ref_id(&format!("erased_{round}")));
        let eraser = by(50);
        let (_, erased) = tokio::join!(
            rig.apply(&records),
            rig.store.erase_customer(&project, &jane, &tombstone, &eraser),
        );
        erased.unwrap().unwrap();
        assert_eq!(rig.rows_of(&project, &customer).await, []);
        assert_eq!(rig.rows_of(&project, tombstone.as_str()).await[0], ("calls", 50));
    }
}

async fn erasures_are_forgotten_after_thirty_days() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "jane")).await;
    let (jane, tombstone) = (ref_id("jane"), ref_id("erased_1"));
    rig.store.erase_customer(&project, &jane, &tombstone, &by(20)).await.unwrap().unwrap();
    for (now, kept) in [(20, 1), (21, 0)] {
        rig.store.prune(at(now), at(30 * DAY_MS + now)).await.unwrap();
        assert_eq!(rig.number("SELECT COUNT(*) FROM customer_erasures").await, kept);
    }
}

#[tokio::test]
async fn a_notice_goes_to_the_address_of_the_projects_own_customer() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    let email = Some(Some("c@example.com".into()));
    let change = CustomerChange { email, ..CustomerChange::default() };
    rig.store.update_customer(&project, &ref_id("known"), change, &by(1)).await.unwrap();
    rig.apply(&[call(&project, "silent", 2)]).await;
    for (project, customer, address) in [
        (&project, "known", Some("c@example.com")),
        (&project, "silent", None),
        (&project, "unheard_of", None),
        (&other, "known", None),
    ] {
        let found = rig.store.address(project, &ref_id(customer)).await.unwrap();
        assert_eq!(found.as_deref(), address, "{customer}");
    }
}
