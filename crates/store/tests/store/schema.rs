//! Opening a database: new, known, newer, someone else's.

use byok_store::{Database, StoreError};
use sea_orm::ConnectionTrait;

use crate::support::{Place, Rig, either, on_each_database};

on_each_database!(
    a_new_file_is_migrated_from_nothing_and_again_for_nothing,
    two_processes_that_migrate_at_once_both_end_up_with_the_schema,
    a_database_of_a_newer_release_is_refused_by_name,
    a_failed_migration_leaves_nothing_behind,
);

async fn a_new_file_is_migrated_from_nothing_and_again_for_nothing() {
    let place = Place::new().await;
    let database = Database::open(&place.url).await.unwrap();
    assert_eq!(database.schema_version().await.unwrap(), 0);
    assert_eq!(database.migrate().await.unwrap(), Database::newest_schema());
    assert_eq!(database.schema_version().await.unwrap(), Database::newest_schema());
    assert_eq!(database.migrate().await.unwrap(), 0);
    database.ping().await.unwrap();
    database.close().await.unwrap();

    let again = Database::open(&place.url).await.unwrap();
    assert_eq!(again.schema_version().await.unwrap(), Database::newest_schema());
}

async fn two_processes_that_migrate_at_once_both_end_up_with_the_schema() {
    let place = Place::new().await;
    let one = Database::open(&place.url).await.unwrap();
    let other = Database::open(&place.url).await.unwrap();
    let (a, b) = tokio::join!(one.migrate(), other.migrate());
    assert_eq!(a.unwrap() + b.unwrap(), Database::newest_schema());
    assert_eq!(one.schema_version().await.unwrap(), Database::newest_schema());
}

async fn a_database_of_a_newer_release_is_refused_by_name() {
    let rig = Rig::new().await;
    rig.execute("INSERT INTO seaql_migrations VALUES ('m9999_from_the_future', 0)").await;
    match Database::open(&rig.place.url).await {
        Err(StoreError::NewerSchema { change }) => assert_eq!(change, "m9999_from_the_future"),
        other => panic!("opened: {other:?}"),
    }
}

async fn a_failed_migration_leaves_nothing_behind() {
    let place = Place::new().await;
    let url = place.url.clone();
    let raw = sea_orm::Database::connect(either(format!("{url}?mode=rwc"), url.clone()));
    let raw = raw.await.unwrap();
    // A late change of the schema makes this table: it fails after those before it were made.
    raw.execute_unprepared("CREATE TABLE audit_log (unexpected TEXT)").await.unwrap();
    let database = Database::open(&url).await.unwrap();
    assert!(database.migrate().await.is_err());
    assert_eq!(database.schema_version().await.unwrap(), 0);
    raw.execute_unprepared("DROP TABLE audit_log").await.unwrap();
    assert_eq!(database.migrate().await.unwrap(), Database::newest_schema());
}

#[tokio::test]
async fn urls_that_are_no_database_are_refused() {
    for url in
        ["postgres://h:port/byok", "mysql://x", "", "sqlite::memory:", "sqlite://x?mode=memory"]
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

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once_that_keeps_the_password() {
    let began = std::time::Instant::now();
    let url = "postgres://someone:in-the-clear@127.0.0.1:1/byok";
    let error = Database::open(url).await.unwrap_err();
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let mut next = Some(&error as &dyn std::error::Error);
    while let Some(error) = next {
        assert!(!format!("{error} {error:?}").contains("in-the-clear"), "{error}");
        next = error.source();
    }
}
