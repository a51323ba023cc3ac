//! Two projects with customers of the same name never meet.

use byok_domain::call::ProviderObject;
use byok_domain::origin::Allowlist;
use byok_domain::routing::RoutingChange;
use byok_domain::{CallRecord, Credits, ErrorClass, KeyStatus, ProjectId, ProviderKeyId};
use byok_store::{
    AuditFilter, CallFilter, CallRange, CustomerChange, Grant, KeyFilter, ProjectChange, Store,
    StoreError, UsageFilter, Verdict,
};

use crate::support::{ALL, Rig, api_key, at, by, call, key, on_each_database, openai, ref_id};

on_each_database!(
    nothing_that_is_done_in_one_project_shows_in_another_or_reaches_it,
    a_project_that_never_was_has_nothing,
);

const RANGE: CallRange = CallRange { limit: 100, offset: 0, before: None };

/// Everything the store tells of a project, as text.
async fn seen(store: &Store, project: &ProjectId) -> String {
    let customer = ref_id("customer");
    let usage = UsageFilter { ref_id: Some(customer.clone()), ..UsageFilter::default() };
    let cut = UsageFilter { since: Some(at(1)), until: Some(at(1_000)), ..usage.clone() };
    let filter = CallFilter { usage: usage.clone(), success: None };
    let keys = KeyFilter { ref_id: Some(customer.clone()), ..KeyFilter::default() };
    let mut export = store.export_calls(project, &filter);
    let snapshot = store.project_snapshot(project).await.unwrap();
    [
        format!("{:?}", store.project(project).await.unwrap()),
        format!("{:?}", snapshot.map(|snapshot| snapshot.data_key)),
        format!("{:?}", store.api_keys(project, ALL).await.unwrap()),
        format!("{:?}", store.provider_keys(project, &keys, ALL).await.unwrap()),
        format!("{:?}", store.sealed_keys(project, &openai(), &customer).await.unwrap()),
        format!("{:?}", store.object_owner(project, &openai(), "file", "f").await.unwrap()),
        format!("{:?}", store.allowed_origins(project).await.ok()),
        format!("{:?}", store.pricing(project).await.ok()),
        format!("{:?}", store.routing(project).await.ok()),
        format!("{:?}", store.tiers(project).await.ok()),
        format!("{:?}", store.platform_key(project, &openai()).await.unwrap()),
        format!("{:?}", store.sealed_platform_key(project, &openai()).await.unwrap()),
        format!("{:?}", store.platform_providers(project).await.unwrap()),
        format!("{:?}", store.customers(project, None, ALL).await.ok()),
        format!("{:?}", store.customer(project, &customer).await.unwrap()),
        format!("{:?}", store.credits(project, &customer).await.unwrap()),
        format!("{:?}", store.credit_entries(project, &customer, ALL).await.unwrap()),
        format!("{:?}", store.usage(project, &usage).await.unwrap()),
        format!("{:?}", store.usage(project, &cut).await.unwrap()),
        format!("{:?}", store.stats(project, at(1_000)).await.unwrap()),
        format!("{:?}", store.calls(project, &filter, RANGE).await.unwrap()),
        format!("{:?}", export.next_page().await.unwrap()),
        format!("{:?}", store.audit_log(project, &AuditFilter::default(), ALL).await.unwrap()),
        format!("{:?}", store.webhooks(project, ALL).await.unwrap()),
    ]
    .join("\n")
}

async fn nothing_that_is_done_in_one_project_shows_in_another_or_reaches_it() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    let store = &rig.store;
    for (project, id) in [(&one, "pk_1"), (&two, "pk_2")] {
        rig.connect(project, key(id, "customer")).await;
        let object = ProviderObject { kind: "file".into(), id: "f".into() };
        let record = CallRecord {
            key: Some(ProviderKeyId::new(id)),
            objects: vec![object],
            ..call(project, "customer", 10)
        };
        rig.apply(&[record]).await;
    }
    let before = seen(store, &two).await;
    assert!(before.contains("pk_2") && !before.contains("pk_1"));
    assert!(seen(store, &one).await.contains("pk_1"));

    // The first project does everything it can, to its own and to what it knows of the other.
    let customer = ref_id("customer");
    let other_key = ProviderKeyId::new("pk_2");
    let verdict =
        Verdict { version: 1, status: KeyStatus::Invalid, error: None, validated_at: Some(at(20)) };
    let refused = store.set_key_status(&one, &other_key, verdict, &by(20)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))));
    let revoked = store.revoke_keys(&one, &openai(), &customer, Some(&other_key), &by(20)).await;
    assert_eq!(revoked.unwrap(), []);
    let refused = store.revoke_api_key(&one, &api_key(2).id, &by(20)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))));
    assert_eq!(store.provider_key(&one, &other_key).await.unwrap(), None);
    let calls = store.calls(&two, &CallFilter::default(), RANGE).await.unwrap();
    assert_eq!(store.call(&one, &calls.data[0].id).await.unwrap(), None);

    rig.connect(&one, key("pk_1b", "customer")).await;
    let misused = CallRecord {
        key: Some(other_key),
        error: Some(ErrorClass::KeyRejected),
        ..call(&one, "customer", 30)
    };
    rig.apply(&[misused, call(&one, "customer", 31)]).await;
    let list = Allowlist::parse(&["https://one.example.com"]).unwrap();
    store.set_allowed_origins(&one, &list, &by(40)).await.unwrap();
    let prices = serde_json::json!({"openai": {"m": {"input": 1, "output": 1}}});
    let patched = store.update_pricing(&one, |table| table.merge_patch(&prices), &by(41)).await;
    assert!(patched.unwrap().is_ok());
    store.create_api_key(&one, api_key(8), &by(42)).await.unwrap();
    let renamed = ProjectChange { name: Some("renamed".into()), ..ProjectChange::default() };
    store.update_project(&one, renamed, &by(43)).await.unwrap();
    let grant = Grant { amount: Credits::new(9), reason: None, idempotency_key: "k".into() };
    store.grant_credits(&one, &customer, &grant, &by(43)).await.unwrap();
    let free = CustomerChange { tier: Some(Some("free".into())), ..CustomerChange::default() };
    store.update_customer(&one, &customer, free, &by(43)).await.unwrap();
    let routing = RoutingChange { byok_enabled: Some(false), ..RoutingChange::default() };
    store.update_routing(&one, routing, &by(43)).await.unwrap();
    store.remove_platform_key(&one, &openai(), &by(43)).await.unwrap();
    store.revoke_keys(&one, &openai(), &customer, None, &by(44)).await.unwrap();
    store.erase_customer(&one, &customer, &ref_id("erased_1"), &by(44)).await.unwrap();
    store.revoke_api_key(&one, &api_key(1).id, &by(45)).await.unwrap();
    store.delete_project(&one, &by(46)).await.unwrap();

    assert_eq!(seen(store, &two).await, before);
    assert_eq!(store.find_api_key(&api_key(2).digest).await.unwrap().unwrap().project, two);
}

async fn a_project_that_never_was_has_nothing() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    rig.apply(&[call(&project, "customer", 10)]).await;
    for nobody in ["proj_none", "", "proj_%", "proj_1 ", "PROJ_1", "' OR 1=1 --"] {
        let seen = seen(&rig.store, &ProjectId::new(nobody)).await;
        assert!(!seen.contains("pk_1") && !seen.contains("requests: 1"), "{nobody}: {seen}");
    }
}
