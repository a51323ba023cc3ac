//! What the encryption keys seal: kept, counted, rewritten.

use byok_domain::audit::Action;
use byok_store::{AuditFilter, KeyringCheck, KidUse, Rewrapped};
use byok_vault::{Keyring, SealedDataKey, SealedRoot, VaultError};
use tokio::task::JoinSet;

use crate::support::{ALL, FIRST_KEY, Rig, SECOND_KEY, by, either, on_each_database};

on_each_database!(
    check_records_and_secrets_of_the_installation_stay_as_first_written,
    two_that_start_at_once_share_the_secret_of_one,
    a_rotation_goes_by_hundreds_and_leaves_every_record_readable_at_every_step,
    two_rotations_at_once_do_each_record_once,
    a_record_that_does_not_open_stops_its_batch_and_changes_nothing,
);

fn rotated() -> Keyring {
    let ring = format!("2:{SECOND_KEY},1:{FIRST_KEY}");
    Keyring::parse_ring("ENCRYPTION_KEYS", &ring).unwrap()
}

async fn batch(rig: &Rig, ring: &Keyring) -> Result<Rewrapped, VaultError> {
    rig.store
        .database()
        .rewrap(
            ring.current().as_str(),
            |project, sealed| ring.rewrap(project, sealed),
            |name, sealed| ring.rewrap_root(name, sealed),
        )
        .await
        .unwrap()
}

async fn check_records_and_secrets_of_the_installation_stay_as_first_written() {
    let rig = Rig::new().await;
    let database = rig.store.database();
    let check = |record: u8| KeyringCheck { kid: "1-aa".into(), record: vec![record] };
    database.save_keyring_check(check(1)).await.unwrap();
    database.save_keyring_check(check(2)).await.unwrap();
    assert_eq!(database.keyring_checks().await.unwrap(), [check(1)]);

    assert_eq!(database.root("pepper").await.unwrap(), None);
    let root = |byte: u8| SealedRoot { kid: "1-aa".into(), bytes: vec![byte] };
    assert_eq!(database.root_or_insert("pepper", root(1)).await.unwrap(), root(1));
    assert_eq!(database.root_or_insert("pepper", root(2)).await.unwrap(), root(1));
    assert_eq!(database.root("pepper").await.unwrap(), Some(root(1)));
    assert_eq!(database.root_names().await.unwrap(), ["pepper"]);
}

async fn two_that_start_at_once_share_the_secret_of_one() {
    let rig = Rig::new().await;
    let mut starting = JoinSet::new();
    for n in 0..20 {
        let database = rig.store.database().clone();
        let root = SealedRoot { kid: "1-aa".into(), bytes: vec![n] };
        starting.spawn(async move { database.root_or_insert("audit", root).await.unwrap() });
    }
    let first = starting.join_next().await.unwrap().unwrap();
    while let Some(other) = starting.join_next().await {
        assert_eq!(other.unwrap(), first);
    }
}

async fn a_rotation_goes_by_hundreds_and_leaves_every_record_readable_at_every_step() {
    let rig = Rig::new().await;
    let pepper = rig.keyring.new_root("pepper");
    rig.store.database().root_or_insert("pepper", pepper.clone()).await.unwrap();
    for n in 0..=210 {
        rig.project(n).await;
    }
    let (old, new) = (rig.keyring.current().to_string(), rotated().current().to_string());
    let uses = rig.store.database().kids_in_use().await.unwrap();
    assert_eq!(uses, [KidUse { kid: old.clone(), data_keys: 211, roots: 1 }]);

    let ring = rotated();
    let mut steps = Vec::new();
    for _ in 0..5 {
        let step = batch(&rig, &ring).await.unwrap();
        steps.push((step.rewrapped, step.remaining));
        for project in rig.store.projects(ALL).await.unwrap().data {
            let snapshot = rig.store.project_snapshot(&project.id).await.unwrap().unwrap();
            assert!(ring.open_data_key(&project.id, &snapshot.data_key).is_ok());
        }
        if step.remaining == 0 {
            break;
        }
    }
    assert_eq!(steps, [(100, 112), (100, 12), (11, 1), (1, 0)]);
    let uses = rig.store.database().kids_in_use().await.unwrap();
    assert_eq!(uses, [KidUse { kid: new.clone(), data_keys: 211, roots: 1 }]);
    let root = rig.store.database().root("pepper").await.unwrap().unwrap();
    let same =
        ring.open_root("pepper", &root).unwrap() == ring.open_root("pepper", &pepper).unwrap();
    assert!(same);
    assert_eq!(batch(&rig, &ring).await.unwrap(), Rewrapped::default());

    rig.store.record_rotation(&new, 212, &by(1)).await.unwrap();
    let filter = AuditFilter { action: Some(Action::KeyringRotated), ..AuditFilter::default() };
    let log = rig.store.audit_log_of_installation(&filter, ALL).await.unwrap();
    assert_eq!((log.total, log.data[0].project.clone()), (1, None));
}

async fn two_rotations_at_once_do_each_record_once() {
    let rig = Rig::new().await;
    for n in 0..150 {
        rig.project(n).await;
    }
    let run = async || {
        let ring = rotated();
        let mut done = 0;
        for _ in 0..10 {
            let step = batch(&rig, &ring).await.unwrap();
            done += step.rewrapped;
            if step.remaining == 0 {
                return done;
            }
        }
        panic!("the rotation comes to no end")
    };
    let (one, other) = tokio::join!(run(), run());
    assert_eq!(one + other, 150);
}

async fn a_record_that_does_not_open_stops_its_batch_and_changes_nothing() {
    let rig = Rig::new().await;
    for n in 0..10 {
        rig.project(n).await;
    }
    let zero = either("x'00'", "'\\x00'::bytea");
    rig.execute(&format!("UPDATE data_keys SET sealed = {zero} WHERE project_id = 'proj_5'")).await;
    assert_eq!(batch(&rig, &rotated()).await, Err(VaultError::Malformed));
    let old = rig.keyring.current().to_string();
    let uses = rig.store.database().kids_in_use().await.unwrap();
    assert_eq!(uses, [KidUse { kid: old, data_keys: 10, roots: 0 }]);

    // One that declines to rewrite leaves things as they are.
    let nothing = rig.store.database().rewrap(
        "2-00000000",
        |_, _: &SealedDataKey| Ok::<_, VaultError>(None),
        |_, _: &SealedRoot| Ok(None),
    );
    assert_eq!(nothing.await.unwrap(), Ok(Rewrapped { rewrapped: 0, remaining: 10 }));
}
