//! What the gateway is told.

use std::sync::Arc;
use std::time::Duration;

use byok_domain::call::ProviderObject;
use byok_domain::{CallRecord, ProjectId, ProviderKeyId};
use byok_gateway::{Directory, ObjectOwner};
use byok_store::Ledger;
use tokio::runtime::Handle;

use crate::support::{Rig, at, by, call, key, on_each_database, openai, ref_id};

on_each_database!(
    the_gateway_is_told_through_its_port,
    an_object_belongs_to_whoever_made_it_first,
    a_response_is_known_as_long_as_its_provider_keeps_it_and_a_file_for_good,
);

fn making(project: &ProjectId, customer: &str, kind: &str, id: &str) -> CallRecord {
    let object = ProviderObject { kind: kind.into(), id: id.into() };
    CallRecord {
        key: Some(ProviderKeyId::new("pk_1")),
        objects: vec![object],
        ..call(project, customer, 1)
    }
}

async fn the_gateway_is_told_through_its_port() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let directory: Arc<dyn Directory> = Arc::new(rig.store.clone());

    let snapshot = directory.project(&project).await.unwrap().unwrap();
    assert_eq!((&snapshot.id, snapshot.name.as_str()), (&project, "project 1"));
    assert!(rig.keyring.open_data_key(&project, &snapshot.data_key).is_ok());
    let keys = directory.provider_keys(&project, &openai(), &ref_id("customer")).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert!(directory.project(&ProjectId::new("proj_none")).await.unwrap().is_none());
}

async fn an_object_belongs_to_whoever_made_it_first() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "maker")).await;
    rig.apply(&[
        making(&project, "maker", "file", "file-1"),
        making(&project, "thief", "file", "file-1"),
        making(&project, "other", "batch", "file-1"),
    ])
    .await;
    rig.apply(&[making(&project, "thief", "file", "file-1")]).await;

    let owner = async |kind: &str, id: &str| {
        Directory::object_owner(&rig.store, &project, &openai(), kind, id).await.unwrap()
    };
    let pk_1 = Some(ProviderKeyId::new("pk_1"));
    let maker = ObjectOwner { ref_id: ref_id("maker"), key: pk_1 };
    assert_eq!(owner("file", "file-1").await, Some(maker));
    assert_eq!(owner("batch", "file-1").await.unwrap().ref_id, ref_id("other"));
    assert_eq!(owner("file", "FILE-1").await, None);
    assert_eq!(owner("file", "file-%").await, None);

    // The key is gone; whose the object is stays known.
    rig.store.revoke_keys(&project, &openai(), &ref_id("maker"), None, &by(1)).await.unwrap();
    let ownerless = ObjectOwner { ref_id: ref_id("maker"), key: None };
    assert_eq!(owner("file", "file-1").await, Some(ownerless));
}

async fn a_response_is_known_as_long_as_its_provider_keeps_it_and_a_file_for_good() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let days = |days: i64| days * 24 * 60 * 60 * 1000;
    rig.apply(&[
        making(&project, "maker", "response", "old"),
        CallRecord {
            objects: making(&project, "maker", "response", "new").objects,
            ..call(&project, "maker", days(2))
        },
        making(&project, "maker", "file", "file-1"),
    ])
    .await;
    // It looks for what has ended when it starts.
    let _ledger = Ledger::start(rig.store.clone(), &Handle::current(), move || at(days(32)));
    let known = async |kind: &str, id: &str| {
        Directory::object_owner(&rig.store, &project, &openai(), kind, id).await.unwrap().is_some()
    };
    tokio::time::timeout(Duration::from_secs(5), async {
        while known("response", "old").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is forgotten");
    assert!(known("response", "new").await && known("file", "file-1").await);
}
