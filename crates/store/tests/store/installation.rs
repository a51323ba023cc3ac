//! Opening a database with the operator's keys.

use byok_store::{Database, Installation, InstallationError};
use byok_vault::Keyring;
use sea_orm::ConnectionTrait;

use crate::support::{
    FIRST_KEY, Place, SECOND_KEY, api_key, by, either, keyring, on_each_database,
};

on_each_database!(
    an_installation_opened_again_hashes_and_chains_as_before,
    a_wrong_key_opens_nothing_and_changes_no_byte,
    who_only_looks_with_a_new_key_leaves_no_trace_of_it,
    a_damaged_secret_is_named,
    nothing_secret_is_kept_in_the_clear,
);

async fn open(url: &str, keyring: Keyring) -> Result<Installation, InstallationError> {
    Installation::open(Database::open(url).await.unwrap(), keyring).await
}

async fn an_installation_opened_again_hashes_and_chains_as_before() {
    let place = Place::new().await;
    let url = place.url.clone();
    let first = open(&url, keyring()).await.unwrap();
    let digest = first.hasher.digest("byo_sk_live_token");
    first.store.record_rotation("1-0", 0, &by(0)).await.unwrap();
    first.store.database().clone().close().await.unwrap();

    let again = open(&url, keyring()).await.unwrap();
    assert_eq!(again.hasher.digest("byo_sk_live_token"), digest);
    let report = again.store.verify_audit(None).await.unwrap();
    assert_eq!((report.verified, report.first_bad), (1, None));

    let elsewhere = Place::new().await;
    let other = open(&elsewhere.url, keyring()).await.unwrap();
    assert_ne!(other.hasher.digest("byo_sk_live_token"), digest);
}

async fn a_wrong_key_opens_nothing_and_changes_no_byte() {
    let place = Place::new().await;
    let url = place.url.clone();
    let right = open(&url, keyring()).await.unwrap();
    right.store.database().clone().close().await.unwrap();
    let before = place.content().await;

    let wrong = Keyring::parse("ENCRYPTION_KEY", SECOND_KEY).unwrap();
    match open(&url, wrong).await {
        Err(InstallationError::MissingKey { kid, data_keys, roots }) => {
            assert_eq!((kid.as_str(), data_keys, roots), (keyring().current().as_str(), 0, 2));
        }
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("opened"),
    }
    assert_eq!(place.content().await, before);
    let both = format!("2:{SECOND_KEY},1:{FIRST_KEY}");
    let both = Keyring::parse_ring("ENCRYPTION_KEYS", &both).unwrap();
    assert!(open(&url, both).await.is_ok());
}

async fn who_only_looks_with_a_new_key_leaves_no_trace_of_it() {
    let place = Place::new().await;
    let url = place.url.clone();
    let look = async |ring: Keyring| {
        let database = Database::open(&url).await.unwrap();
        let found = Installation::look(database.clone(), ring).await;
        database.close().await.unwrap();
        found
    };
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    database.close().await.unwrap();
    assert!(look(keyring()).await.unwrap().is_none(), "it was never opened");

    let opened = open(&url, keyring()).await.unwrap();
    opened.store.record_rotation("1-0", 0, &by(0)).await.unwrap();
    opened.store.database().clone().close().await.unwrap();
    let before = place.content().await;
    let both = format!("2:{SECOND_KEY},1:{FIRST_KEY}");
    let found = look(Keyring::parse_ring("ENCRYPTION_KEYS", &both).unwrap()).await.unwrap();
    let found = found.expect("it was opened");
    assert_eq!(found.hasher.digest("token"), opened.hasher.digest("token"));
    assert_eq!(place.content().await, before);

    // What is in use has its secrets, or lost them.
    let raw = place.raw().await;
    raw.execute_unprepared("DELETE FROM roots WHERE name = 'audit-key'").await.unwrap();
    raw.close().await.unwrap();
    let lost = look(keyring()).await.err();
    assert!(matches!(lost, Some(InstallationError::MissingSecret { name: "audit-key" })));
}

async fn a_damaged_secret_is_named() {
    let place = Place::new().await;
    let url = place.url.clone();
    let installation = open(&url, keyring()).await.unwrap();
    installation.store.database().clone().close().await.unwrap();
    let raw = place.raw().await;
    let zero = either("x'00'", "'\\x00'::bytea");
    let damage = format!("UPDATE roots SET sealed = sealed || {zero} WHERE name = 'audit-key'");
    raw.execute_unprepared(&damage).await.unwrap();
    match open(&url, keyring()).await {
        Err(InstallationError::Damaged { record, .. }) => assert_eq!(record, "audit-key"),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("opened"),
    }
}

async fn nothing_secret_is_kept_in_the_clear() {
    let place = Place::new().await;
    let installation = open(&place.url, keyring()).await.unwrap();
    let token = "byo_sk_live_canary_in_the_clear";
    let project = byok_store::NewProject {
        id: byok_domain::ProjectId::new("proj_1"),
        name: "p".into(),
        environment: byok_domain::credential::Environment::Live,
        data_key: installation.keyring.new_data_key(&byok_domain::ProjectId::new("proj_1")),
        api_keys: vec![byok_store::NewApiKey {
            digest: installation.hasher.digest(token),
            ..api_key(1)
        }],
    };
    installation.store.create_project(project, &by(0)).await.unwrap();
    installation.store.database().clone().close().await.unwrap();
    let file = place.content().await;
    for secret in [token, FIRST_KEY] {
        assert!(!file.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
    let found = file.windows(6).any(|part| part == b"proj_1");
    assert!(found, "what is no secret is there to be found");
}
