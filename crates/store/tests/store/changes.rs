//! What one process changes, another hears of.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use byok_domain::audit::Action;
use byok_domain::call::{CircuitChange, OpenUntil};
use byok_domain::circuit::Cause;
use byok_domain::routing::RoutingChange;
use byok_domain::tiers::Tiers;
use byok_domain::{
    CallRecord, Credits, ErrorClass, KeyHint, KeySource, KeyStatus, ProjectId, ProviderConfig,
    ProviderKeyId,
};
use byok_store::{
    Changed, CustomerChange, Database, Grant, NewPlatformKey, ProjectChange, Store, Verdict,
};

use crate::support::{
    ALL, Rig, api_key, at, audit_key, by, call, key, on_each_database, on_postgres, openai, ref_id,
    seal,
};

on_each_database!(a_store_that_is_alone_hears_nothing_and_one_of_several_hears_all);

/// What another process on the rig's database has heard so far.
#[derive(Clone)]
struct Other {
    heard: Arc<Mutex<Vec<Changed>>>,
    store: Store,
}

impl Other {
    async fn beside(rig: &Rig) -> Self {
        let store = Store::new(Database::open(&rig.place.url).await.unwrap(), audit_key());
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let (watching, into) = (store.clone(), Arc::clone(&heard));
        tokio::spawn(async move {
            watching.watch_changes(|changed| into.lock().unwrap().push(changed)).await;
        });
        let other = Self { heard, store };
        other.hears(&Changed::Anything).await;
        other
    }

    /// Waits until it has heard that, and what it heard before is forgotten; how long it took.
    async fn hears(&self, changed: &Changed) -> Duration {
        let began = Instant::now();
        while !self.heard.lock().unwrap().contains(changed) {
            assert!(began.elapsed() < Duration::from_secs(20), "{changed:?} {:?}", self.heard);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.heard.lock().unwrap().clear();
        began.elapsed()
    }
}

async fn a_store_that_is_alone_hears_nothing_and_one_of_several_hears_all() {
    let rig = Rig::new().await;
    if rig.place.url.starts_with("sqlite:") {
        // It returns at once.
        rig.store.watch_changes(|changed| panic!("{changed:?}")).await;
        return;
    }
    let other = Other::beside(&rig).await;
    let project = rig.project(1).await;
    let customers_keys =
        Changed::ProviderKeys(project.clone(), openai(), ref_id("a customer, \"quoted\" 客户"));
    let it = Changed::Project(project.clone());
    other.hears(&it).await;
    rig.connect(&project, key("pk_1", "a customer, \"quoted\" 客户")).await;
    other.hears(&customers_keys).await;
    rig.store.update_project(&project, ProjectChange::default(), &by(1)).await.unwrap();
    other.hears(&it).await;
    rig.store.clear_pricing(&project, &by(1)).await.unwrap();
    other.hears(&it).await;
    rig.store.revoke_api_key(&project, &api_key(1).id, &by(1)).await.unwrap();
    other.hears(&Changed::ApiKey(api_key(1).id)).await;

    // By a call that was rejected, which the audit log tells of; by one that worked, which it does
    // not.
    for (error, millis) in [(Some(ErrorClass::KeyRejected), 10), (None, 20)] {
        let record = CallRecord {
            key: Some(ProviderKeyId::new("pk_1")),
            error,
            ..call(&project, "a customer, \"quoted\" 客户", millis)
        };
        assert_eq!(rig.apply(&[record]).await.changed_keys.len(), 1);
        other.hears(&customers_keys).await;
    }
    let verdict = Verdict {
        version: 1,
        status: KeyStatus::Unverified,
        error: None,
        validated_at: Some(at(30)),
    };
    rig.store
        .set_key_status(&project, &ProviderKeyId::new("pk_1"), verdict, &by(30))
        .await
        .unwrap();
    other.hears(&customers_keys).await;
    rig.store.delete_project(&project, &by(40)).await.unwrap();
    other.hears(&it).await;
    let entries = other.store.audit_log_of_installation(&Default::default(), ALL).await.unwrap();
    assert!(entries.data.iter().any(|entry| entry.action == Action::ProjectDeleted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
async fn who_pays_and_what_customers_have_is_heard_by_others_on_postgres() {
    on_postgres(Box::pin(async {
        let rig = Rig::new().await;
        let project = rig.project(1).await;
        let customer = ref_id("c");
        rig.connect(&project, key("pk_1", "c")).await;
        let other = Other::beside(&rig).await;
        let (store, by) = (&rig.store, by(1));
        let it = Changed::Project(project.clone());
        store.update_routing(&project, RoutingChange::default(), &by).await.unwrap();
        other.hears(&it).await;
        store.set_tiers(&project, &Tiers::built_in(), &by).await.unwrap();
        other.hears(&it).await;
        let platform = NewPlatformKey {
            id: ProviderKeyId::new("plk_1"),
            provider: openai(),
            hint: KeyHint::stored("…wxyz".into()),
            config: ProviderConfig::default(),
            status: KeyStatus::Valid,
            last_error: None,
            validated_at: Some(at(0)),
        };
        let platforms = Changed::PlatformKey(project.clone(), openai());
        store.set_platform_key(&project, platform, seal, &by).await.unwrap();
        other.hears(&platforms).await;
        store.remove_platform_key(&project, &openai(), &by).await.unwrap();
        other.hears(&platforms).await;
        let customers = Changed::Customer(project.clone(), customer.clone());
        let change = CustomerChange { tier: Some(Some("free".into())), ..Default::default() };
        store.update_customer(&project, &customer, change, &by).await.unwrap();
        other.hears(&customers).await;
        let grant = Grant { amount: Credits::new(5), reason: None, idempotency_key: "k".into() };
        store.grant_credits(&project, &customer, &grant, &by).await.unwrap();
        other.hears(&customers).await;
        // Calls that take the last credits and that open a circuit have no entries in the audit log.
        let mut record = call(&project, "c", 5);
        record.source = KeySource::Credits;
        record.aftermath.credits = Some(Credits::new(5));
        rig.apply(&[record]).await;
        other.hears(&customers).await;
        let mut record = call(&project, "c", 6);
        let open = Some(OpenUntil { until: at(90_000), cause: Cause::QuotaExhausted });
        record.aftermath.circuits = vec![CircuitChange { key: ProviderKeyId::new("pk_1"), open }];
        rig.apply(&[record]).await;
        other.hears(&Changed::ProviderKeys(project.clone(), openai(), customer.clone())).await;
        store.erase_customer(&project, &customer, &ref_id("erased_1"), &by).await.unwrap();
        other.hears(&it).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
async fn what_was_not_heard_is_found_in_the_audit_log_on_postgres() {
    on_postgres(async {
        let rig = Rig::new().await;
        let project = rig.project(1).await;
        let other = Other::beside(&rig).await;
        // An entry that nobody tells of.
        rig.execute(
            "INSERT INTO audit_log SELECT sequence + 1, 'aud_x', 'proj_9', action, actor_type, \
             actor_id, ip, 'planet', target_id, metadata, created_at, hash, 'x' FROM audit_log \
             ORDER BY sequence DESC LIMIT 1",
        )
        .await;
        let took = other.hears(&Changed::Project(ProjectId::new("proj_9"))).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
        rig.store.clear_pricing(&project, &by(1)).await.unwrap();
        other.hears(&Changed::Project(project)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
async fn a_listener_that_was_cut_off_says_so_and_hears_on_postgres() {
    on_postgres(async {
        let rig = Rig::new().await;
        let project = rig.project(1).await;
        let other = Other::beside(&rig).await;
        for _ in 0..2 {
            rig.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
            other.hears(&Changed::Anything).await;
            other.store.clear_pricing(&project, &by(1)).await.unwrap();
            other.hears(&Changed::Project(project.clone())).await;
        }
        // Closing ends it.
        other.store.database().clone().close().await.unwrap();
    })
    .await;
}
