//! Routing, plans, the platform's own keys and circuits: stored, audited, seen by calls.

use byok_domain::audit::Action;
use byok_domain::call::{CircuitChange, OpenUntil};
use byok_domain::circuit::Cause;
use byok_domain::routing::{Mode, RoutingChange, RoutingSettings};
use byok_domain::tiers::{Tier, Tiers};
use byok_domain::{CallRecord, KeyHint, KeyStatus, ProviderConfig, ProviderId, ProviderKeyId};
use byok_gateway::Directory;
use byok_store::{AuditFilter, CustomerChange, NewPlatformKey, StoreError};

use crate::support::{ALL, Rig, at, by, call, key, on_each_database, openai, ref_id, seal};

on_each_database!(
    a_project_begins_with_the_defaults_and_calls_see_what_is_set,
    a_tier_that_customers_are_on_cannot_be_left_out,
    a_platform_key_is_replaced_under_its_id_and_sealed_for_each_version,
    a_removed_project_takes_its_platform_keys_and_customers_with_it,
    a_circuit_is_written_down_with_the_call_that_changed_it_and_forgotten_with_a_new_key,
);

fn platform(id: &str) -> NewPlatformKey {
    NewPlatformKey {
        id: ProviderKeyId::new(id),
        provider: openai(),
        hint: KeyHint::stored("…wxyz".into()),
        config: ProviderConfig::default(),
        status: KeyStatus::Valid,
        last_error: None,
        validated_at: Some(at(0)),
    }
}

fn tier(name: &str) -> Tier {
    Tier {
        name: name.into(),
        byok_allowed: true,
        requests_per_minute: None,
        tokens_per_day: None,
        concurrent_requests: None,
        default: false,
    }
}

async fn a_project_begins_with_the_defaults_and_calls_see_what_is_set() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let seen = || async { rig.store.project_snapshot(&project).await.unwrap().unwrap() };
    let first = seen().await;
    assert_eq!(first.routing, RoutingSettings::default());
    assert_eq!(*first.tiers, Tiers::built_in());
    assert!(!first.has_platform_keys);

    let change = RoutingChange { mode: Some(Mode::CreditFirst), ..RoutingChange::default() };
    rig.store.update_routing(&project, change, &by(1)).await.unwrap();
    let change = RoutingChange { byok_enabled: Some(false), ..RoutingChange::default() };
    rig.store.update_routing(&project, change, &by(2)).await.unwrap();
    let tiers = Tiers::parse(vec![tier("gold")]).unwrap();
    rig.store.set_tiers(&project, &tiers, &by(3)).await.unwrap();
    rig.store.set_platform_key(&project, platform("plk_1"), seal, &by(4)).await.unwrap();
    let then = seen().await;
    assert_eq!((then.routing.mode, then.routing.byok_enabled), (Mode::CreditFirst, false));
    assert_eq!(*then.tiers, tiers);
    assert!(then.has_platform_keys);
    for (action, times) in
        [(Action::RoutingUpdated, 2), (Action::TiersUpdated, 1), (Action::PlatformKeyUpdated, 1)]
    {
        let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
        let audited = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
        assert_eq!(audited.total, times, "{action:?}");
    }
}

async fn a_tier_that_customers_are_on_cannot_be_left_out() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    let free = CustomerChange { tier: Some(Some("free".into())), ..CustomerChange::default() };
    rig.store.update_customer(&project, &ref_id("c"), free, &by(0)).await.unwrap();
    let gold = Tiers::parse(vec![tier("gold")]).unwrap();
    match rig.store.set_tiers(&project, &gold, &by(1)).await {
        Err(StoreError::TierInUse(name)) => assert_eq!(name, "free"),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.store.tiers(&project).await.unwrap(), Tiers::built_in());
    rig.store.set_tiers(&other, &gold, &by(1)).await.unwrap();
    let both = Tiers::parse(vec![tier("gold"), tier("free")]).unwrap();
    rig.store.set_tiers(&project, &both, &by(2)).await.unwrap();
}

async fn a_platform_key_is_replaced_under_its_id_and_sealed_for_each_version() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let setter = by(1);
    let set = |id| rig.store.set_platform_key(&project, platform(id), seal, &setter);
    let (first, updated) = set("plk_1").await.unwrap();
    assert!(!updated);
    let (second, updated) = set("plk_2").await.unwrap();
    assert!(updated);
    assert_eq!(second.id, first.id);
    let sealed = Directory::platform_key(&rig.store, &project, &openai()).await.unwrap().unwrap();
    assert_eq!(sealed.version, 2);
    assert_eq!(sealed.sealed.bytes, b"sealed for plk_1 version 2");
    let anthropic = ProviderId::new("anthropic");
    assert!(Directory::platform_key(&rig.store, &project, &anthropic).await.unwrap().is_none());
    assert_eq!(rig.store.platform_providers(&project).await.unwrap(), [openai()]);
    assert!(rig.store.remove_platform_key(&project, &openai(), &by(2)).await.unwrap());
    assert!(!rig.store.remove_platform_key(&project, &openai(), &by(2)).await.unwrap());
    assert!(rig.store.platform_key(&project, &openai()).await.unwrap().is_none());
    let filter = AuditFilter { action: Some(Action::PlatformKeyRemoved), ..AuditFilter::default() };
    assert_eq!(rig.store.audit_log(&project, &filter, ALL).await.unwrap().total, 1);
}

async fn a_removed_project_takes_its_platform_keys_and_customers_with_it() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.store.set_platform_key(&project, platform("plk_1"), seal, &by(1)).await.unwrap();
    rig.connect(&project, key("pk_1", "c")).await;
    rig.store.delete_project(&project, &by(2)).await.unwrap();
    for table in ["platform_keys", "customers"] {
        assert_eq!(rig.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
}

async fn a_circuit_is_written_down_with_the_call_that_changed_it_and_forgotten_with_a_new_key() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "c")).await;
    let circuit = || async {
        rig.store.sealed_keys(&project, &openai(), &ref_id("c")).await.unwrap()[0].circuit
    };
    let open = OpenUntil { until: at(90_000), cause: Cause::QuotaExhausted };
    let telling = |open| {
        let mut record =
            CallRecord { key: Some(ProviderKeyId::new("pk_1")), ..call(&project, "c", 5) };
        record.aftermath.circuits = vec![CircuitChange { key: ProviderKeyId::new("pk_1"), open }];
        record
    };
    assert_eq!(circuit().await, None);
    rig.apply(&[telling(None), telling(Some(open))]).await;
    assert_eq!(circuit().await, Some(open));
    rig.apply(&[telling(None)]).await;
    assert_eq!(circuit().await, None);
    rig.apply(&[telling(Some(open))]).await;
    rig.connect(&project, key("pk_2", "c")).await;
    assert_eq!(circuit().await, None);
}
