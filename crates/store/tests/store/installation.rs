//! Opening a database with the operator's keys.

use byok_store::{Database, Installation, InstallationError};
use byok_vault::Keyring;
use sea_orm::ConnectionTrait;

use crate::support::{FIRST_KEY, SECOND_KEY, api_key, by, keyring, url_in};

/// The database's file, with everything that is still in its log.
fn bytes(folder: &tempfile::TempDir) -> Vec<u8> {
    std::fs::read(folder.path().join("byok.db")).unwrap()
}

async fn open(url: &str, keyring: Keyring) -> Result<Installation, InstallationError> {
    Installation::open(Database::open(url).await.unwrap(), keyring).await
}

#[tokio::test]
async fn an_installation_opened_again_hashes_and_chains_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder);
    let first = open(&url, keyring()).await.unwrap();
    let digest = first.hasher.digest("byo_sk_live_token");
    first.store.record_rotation("1-0", 0, &by(0)).await.unwrap();
    first.store.database().clone().close().await.unwrap();

    let again = open(&url, keyring()).await.unwrap();
    assert_eq!(again.hasher.digest("byo_sk_live_token"), digest);
    let report = again.store.verify_audit(None).await.unwrap();
    assert_eq!((report.verified, report.first_bad), (1, None));

    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(&url_in(&elsewhere), keyring()).await.unwrap();
    assert_ne!(other.hasher.digest("byo_sk_live_token"), digest);
}

#[tokio::test]
async fn a_wrong_key_opens_nothing_and_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder);
    let right = open(&url, keyring()).await.unwrap();
    right.store.database().clone().close().await.unwrap();
    let before = bytes(&folder);

    let wrong = Keyring::parse("ENCRYPTION_KEY", SECOND_KEY).unwrap();
    match open(&url, wrong).await {
        Err(InstallationError::MissingKey { kid, data_keys, roots }) => {
            assert_eq!((kid.as_str(), data_keys, roots), (keyring().current().as_str(), 0, 2));
        }
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("opened"),
    }
    assert_eq!(bytes(&folder), before);
    let both = format!("2:{SECOND_KEY},1:{FIRST_KEY}");
    let both = Keyring::parse_ring("ENCRYPTION_KEYS", &both).unwrap();
    assert!(open(&url, both).await.is_ok());
}

#[tokio::test]
async fn who_only_looks_with_a_new_key_leaves_no_trace_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder);
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
    let before = bytes(&folder);
    let both = format!("2:{SECOND_KEY},1:{FIRST_KEY}");
    let found = look(Keyring::parse_ring("ENCRYPTION_KEYS", &both).unwrap()).await.unwrap();
    let found = found.expect("it was opened");
    assert_eq!(found.hasher.digest("token"), opened.hasher.digest("token"));
    assert_eq!(bytes(&folder), before);

    // What is in use has its secrets, or lost them.
    let raw = sea_orm::Database::connect(format!("{url}?mode=rw")).await.unwrap();
    raw.execute_unprepared("DELETE FROM roots WHERE name = 'audit-key'").await.unwrap();
    raw.close().await.unwrap();
    let lost = look(keyring()).await.err();
    assert!(matches!(lost, Some(InstallationError::MissingSecret { name: "audit-key" })));
}

#[tokio::test]
async fn a_damaged_secret_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder);
    let installation = open(&url, keyring()).await.unwrap();
    installation.store.database().clone().close().await.unwrap();
    let raw = sea_orm::Database::connect(&url).await.unwrap();
    let damage = "UPDATE roots SET sealed = sealed || x'00' WHERE name = 'audit-key'";
    sea_orm::ConnectionTrait::execute_unprepared(&raw, damage).await.unwrap();
    match open(&url, keyring()).await {
        Err(InstallationError::Damaged { record, .. }) => assert_eq!(record, "audit-key"),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("opened"),
    }
}

#[tokio::test]
async fn nothing_secret_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let installation = open(&url_in(&folder), keyring()).await.unwrap();
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
    let file = bytes(&folder);
    for secret in [token, FIRST_KEY] {
        assert!(!file.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
    let found = file.windows(6).any(|part| part == b"proj_1");
    assert!(found, "what is no secret is there to be found");
}
