//! Opening a database: new, known, newer, someone else's.

use byok_store::{Database, StoreError};
use sea_orm::ConnectionTrait;

use crate::support::{Rig, url_in};

#[tokio::test]
async fn a_new_file_is_migrated_from_nothing_and_again_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url_in(&folder)).await.unwrap();
    assert_eq!(database.schema_version().await.unwrap(), 0);
    assert_eq!(database.migrate().await.unwrap(), Database::newest_schema());
    assert_eq!(database.schema_version().await.unwrap(), Database::newest_schema());
    assert_eq!(database.migrate().await.unwrap(), 0);
    database.ping().await.unwrap();
    database.close().await.unwrap();

    let again = Database::open(&url_in(&folder)).await.unwrap();
    assert_eq!(again.schema_version().await.unwrap(), Database::newest_schema());
}

#[tokio::test]
async fn two_processes_that_migrate_at_once_both_end_up_with_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let one = Database::open(&url_in(&folder)).await.unwrap();
    let other = Database::open(&url_in(&folder)).await.unwrap();
    let (a, b) = tokio::join!(one.migrate(), other.migrate());
    assert_eq!(a.unwrap() + b.unwrap(), Database::newest_schema());
    assert_eq!(one.schema_version().await.unwrap(), Database::newest_schema());
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_by_name() {
    let rig = Rig::new().await;
    rig.execute("INSERT INTO seaql_migrations VALUES ('m9999_from_the_future', 0)").await;
    match Database::open(&rig.url).await {
        Err(StoreError::NewerSchema { change }) => assert_eq!(change, "m9999_from_the_future"),
        other => panic!("opened: {other:?}"),
    }
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder);
    let raw = sea_orm::Database::connect(format!("{url}?mode=rwc")).await.unwrap();
    // A late change of the schema makes this table: it fails after those before it were made.
    raw.execute_unprepared("CREATE TABLE audit_log (unexpected TEXT)").await.unwrap();
    let database = Database::open(&url).await.unwrap();
    assert!(database.migrate().await.is_err());
    assert_eq!(database.schema_version().await.unwrap(), 0);
    raw.execute_unprepared("DROP TABLE audit_log").await.unwrap();
    assert_eq!(database.migrate().await.unwrap(), Database::newest_schema());
}

#[tokio::test]
async fn urls_that_are_not_a_file_are_refused() {
    for url in
        ["postgres://localhost/byok", "mysql://x", "", "sqlite::memory:", "sqlite://x?mode=memory"]
    {
        assert!(matches!(Database::open(url).await, Err(StoreError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn every_connection_syncs_fully_in_wal_mode_and_checks_foreign_keys() {
    let rig = Rig::new().await;
    rig.project(1).await;
    assert_eq!(
        rig.rows("PRAGMA journal_mode").await[0].try_get_by_index::<String>(0).unwrap(),
        "wal"
    );
    let raw = rig.raw().await;
    let orphan = "INSERT INTO data_keys VALUES ('proj_of_nobody', '1-0', x'00')";
    assert!(raw.execute_unprepared(orphan).await.is_err());
}
