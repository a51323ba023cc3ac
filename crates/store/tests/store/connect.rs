//! Storing and replacing provider keys, alone and in a crowd.

use byok_domain::audit::Action;
use byok_domain::{KeyHint, KeyStatus, ProviderConfig, ProviderKeyId};
use byok_store::{AuditFilter, ConnectKey, Replace, StoreError};
use tokio::task::JoinSet;

use crate::support::{ALL, Rig, at, by, key, on_each_database, openai, ref_id, seal};

on_each_database!(
    a_key_is_stored_sealed_for_its_id_and_first_version,
    a_replaced_key_keeps_its_id_age_and_place_and_gets_a_new_seal_and_verdict,
    other_labels_providers_and_customers_are_other_places,
    a_caller_without_proof_replaces_broken_keys_only,
    a_caller_without_proof_puts_no_key_beside_a_working_one_whatever_its_label,
    an_id_in_use_elsewhere_is_not_taken_over,
    of_a_hundred_that_race_each_is_sealed_for_the_version_it_got,
    of_a_hundred_without_proof_that_race_exactly_one_gets_the_place,
);

async fn a_key_is_stored_sealed_for_its_id_and_first_version() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let mut config = ProviderConfig::default();
    config.set("baseUrl", "https://llm.example.com/v1");
    let new = ConnectKey {
        label: "团队".into(),
        priority: Some(-3),
        config: config.clone(),
        status: KeyStatus::Unverified,
        validated_at: None,
        ..key("pk_1", "customer")
    };
    let connected = rig.connect(&project, new).await;
    assert_eq!((connected.id.as_str(), connected.updated, connected.version), ("pk_1", false, 1));

    let row = rig.store.provider_key(&project, &connected.id).await.unwrap().unwrap();
    assert_eq!((row.label.as_str(), row.priority, row.version), ("团队", -3, 1));
    assert_eq!((row.status, row.last_validated_at), (KeyStatus::Unverified, None));
    assert_eq!((&row.config, row.total_requests), (&config, 0));
    let sealed = rig.store.sealed_keys(&project, &openai(), &ref_id("customer")).await.unwrap();
    assert_eq!(sealed[0].sealed.bytes, b"sealed for pk_1 version 1");
    assert_eq!((&sealed[0].project, &sealed[0].config), (&project, &config));
}

async fn a_replaced_key_keeps_its_id_age_and_place_and_gets_a_new_seal_and_verdict() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let first = ConnectKey {
        priority: Some(7),
        status: KeyStatus::Invalid,
        last_error: Some("rejected".into()),
        ..key("pk_1", "customer")
    };
    rig.connect(&project, first).await;
    let second = ConnectKey { hint: KeyHint::stored("…wxyz".into()), ..key("pk_2", "customer") };
    let replaced = rig.store.connect_key(&project, second, seal, &by(50)).await.unwrap();
    assert_eq!((replaced.id.as_str(), replaced.updated, replaced.version), ("pk_1", true, 2));

    let keys = rig.store.provider_keys(&project, &Default::default(), ALL).await.unwrap();
    assert_eq!(keys.total, 1);
    let row = &keys.data[0];
    assert_eq!((row.priority, row.hint.as_str()), (7, "…wxyz"));
    assert_eq!((row.status, &row.last_error), (KeyStatus::Valid, &None));
    assert_eq!((row.created_at, row.updated_at), (at(0), at(50)));
    let sealed = rig.store.sealed_keys(&project, &openai(), &ref_id("customer")).await.unwrap();
    assert_eq!(sealed[0].sealed.bytes, b"sealed for pk_1 version 2");

    let log = rig.store.audit_log(&project, &AuditFilter::default(), ALL).await.unwrap();
    assert_eq!(log.data[0].action, Action::ProviderKeyUpdated);
    assert_eq!(log.data[1].action, Action::ProviderKeyConnected);
    assert_eq!(log.data[0].target_id, "pk_1");
    assert_eq!(log.data[0].metadata["version"], 2);
}

async fn other_labels_providers_and_customers_are_other_places() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for (n, new) in [
        key("pk_1", "customer"),
        ConnectKey { label: "b".into(), ..key("pk_2", "customer") },
        ConnectKey { label: "B".into(), ..key("pk_3", "customer") },
        key("pk_4", "Customer"),
        ConnectKey { provider: byok_domain::ProviderId::new("groq"), ..key("pk_5", "customer") },
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!rig.connect(&project, new).await.updated, "{n}");
    }
}

async fn a_caller_without_proof_replaces_broken_keys_only() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let careful = |id| ConnectKey { replace: Replace::OnlyInvalid, ..key(id, "customer") };
    assert!(!rig.connect(&project, careful("pk_1")).await.updated);
    for status in [KeyStatus::Valid, KeyStatus::Unverified] {
        rig.connect(&project, ConnectKey { status, ..key("pk_1", "customer") }).await;
        let before = rig.store.provider_keys(&project, &Default::default(), ALL).await.unwrap();
        let refused = rig.store.connect_key(&project, careful("pk_2"), seal, &by(1)).await;
        assert!(matches!(refused, Err(StoreError::KeyExists)), "{status:?}");
        let after = rig.store.provider_keys(&project, &Default::default(), ALL).await.unwrap();
        assert_eq!(before, after);
    }
    let broken = ConnectKey { status: KeyStatus::Invalid, ..key("pk_1", "customer") };
    rig.connect(&project, broken).await;
    assert!(rig.connect(&project, careful("pk_2")).await.updated);
}

async fn a_caller_without_proof_puts_no_key_beside_a_working_one_whatever_its_label() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let labelled = |status| ConnectKey {
        label: "theirs".into(),
        status,
        replace: Replace::Any,
        ..key("pk_1", "customer")
    };
    let careful = |id| ConnectKey { replace: Replace::OnlyInvalid, ..key(id, "customer") };
    for status in [KeyStatus::Valid, KeyStatus::Unverified] {
        rig.connect(&project, labelled(status)).await;
        let refused = rig.store.connect_key(&project, careful("pk_2"), seal, &by(1)).await;
        assert!(matches!(refused, Err(StoreError::KeyExists)), "{status:?}");
    }
    // Nor in the place of a broken one, while another works.
    let broken = ConnectKey { status: KeyStatus::Invalid, ..key("pk_3", "customer") };
    rig.connect(&project, broken).await;
    let refused = rig.store.connect_key(&project, careful("pk_4"), seal, &by(1)).await;
    assert!(matches!(refused, Err(StoreError::KeyExists)));
    // Another customer's key, and one for another provider, are nobody's concern.
    let other = ConnectKey { replace: Replace::OnlyInvalid, ..key("pk_5", "other") };
    assert!(!rig.connect(&project, other).await.updated);
    // With none that works the broken one in its place is replaced, the other one left.
    rig.connect(&project, labelled(KeyStatus::Invalid)).await;
    let replaced = rig.connect(&project, careful("pk_6")).await;
    assert_eq!((replaced.id.as_str(), replaced.updated), ("pk_3", true));
}

async fn an_id_in_use_elsewhere_is_not_taken_over() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&one, key("pk_1", "customer")).await;
    let refused = rig.store.connect_key(&two, key("pk_1", "customer"), seal, &by(1)).await;
    assert!(matches!(refused, Err(StoreError::Taken("key"))), "{refused:?}");
}

async fn of_a_hundred_that_race_each_is_sealed_for_the_version_it_got() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let mut racers = JoinSet::new();
    for n in 0..100 {
        let (store, project) = (rig.store.clone(), project.clone());
        racers.spawn(async move {
            store.connect_key(&project, key(&format!("pk_{n}"), "customer"), seal, &by(n)).await
        });
    }
    let mut versions = Vec::new();
    let mut new = 0;
    while let Some(done) = racers.join_next().await {
        let connected = done.unwrap().unwrap();
        versions.push(connected.version);
        new += u32::from(!connected.updated);
    }
    versions.sort_unstable();
    assert_eq!((versions, new), ((1..=100).collect(), 1));
    let sealed = rig.store.sealed_keys(&project, &openai(), &ref_id("customer")).await.unwrap();
    assert_eq!(sealed.len(), 1);
    let expected = seal(&sealed[0].id, 100);
    assert_eq!((sealed[0].version, &sealed[0].sealed), (100, &expected));
    assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
}

async fn of_a_hundred_without_proof_that_race_exactly_one_gets_the_place() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let mut racers = JoinSet::new();
    for n in 0..100 {
        let (store, project) = (rig.store.clone(), project.clone());
        racers.spawn(async move {
            let id = format!("pk_{n}");
            let new = ConnectKey { replace: Replace::OnlyInvalid, ..key(&id, "customer") };
            store.connect_key(&project, new, seal, &by(n)).await
        });
    }
    let mut winners = Vec::new();
    while let Some(done) = racers.join_next().await {
        match done.unwrap() {
            Ok(connected) => winners.push(connected.id),
            Err(error) => assert!(matches!(error, StoreError::KeyExists), "{error}"),
        }
    }
    let sealed = rig.store.sealed_keys(&project, &openai(), &ref_id("customer")).await.unwrap();
    let stored: Vec<ProviderKeyId> = sealed.into_iter().map(|key| key.id).collect();
    assert_eq!((winners.len(), winners), (1, stored));
}
