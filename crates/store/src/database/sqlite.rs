//! An SQLite file: one connection that writes, a few that read.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr};

use super::{ACQUIRE_TIMEOUT, Pools, sql};
use crate::StoreError;

/// Whether the table of schema changes is there.
pub(super) const HAS_CHANGES: &str =
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'";

/// SQLite before this can damage a database in WAL mode.
const OLDEST: [u32; 3] = [3, 51, 3];

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Readers never wait for the writer, nor it for them; more of them than cores gain nothing.
const READERS: u32 = 4;

/// Eight megabytes of pages at most, where SQLite keeps two: with a thousand customers active, a
/// batch of calls touches about a thousand pages of the log's index.
const CACHE: &str = "-8000";

/// Pages of 4 KB in the write-ahead log before they are moved into the file. At SQLite's 1,000 a
/// batch of a thousand calls of a thousand customers moved each page on its own: half as much
/// again was written.
const CHECKPOINT_PAGES: &str = "4000";

/// Opens the file at `url`, which is made when missing.
pub(super) async fn open(url: &str) -> Result<Pools, StoreError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::Url("a database in memory has no file for its readers"));
    }
    // One writer at a time: all changes go through one connection, so that they queue there in
    // order instead of failing at the file's lock.
    let writer = connect(url, 1, |options| options.create_if_missing(true)).await?;
    // The readers are refused a write by the database itself.
    let reader = connect(url, READERS, |options| options.pragma("query_only", "ON")).await?;
    let row = reader.query_one_raw(sql("SELECT sqlite_version()")).await?;
    let found: String = match row {
        Some(row) => row.try_get_by_index(0)?,
        None => String::new(),
    };
    if recent_enough(&found) {
        Ok(Pools { writer, reader })
    } else {
        Err(StoreError::OldSqlite { found })
    }
}

async fn connect(
    url: &str,
    connections: u32,
    role: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions + Send + Sync + 'static,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Duration::from_secs(60))
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |options| {
            // WAL with FULL: a commit is on the disk when it returns. No mmap: an I/O error then
            // is an error and not a signal.
            role(options)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
                .pragma("cache_size", CACHE)
                // What a statement over many rows would need to be undone is otherwise a file.
                .pragma("temp_store", "MEMORY")
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        });
    sea_orm::Database::connect(options).await
}

/// Has what is changed or removed from here on overwritten with zeros.
pub(super) async fn wipe_what_is_overwritten(writer: &DatabaseConnection) -> Result<(), DbErr> {
    writer.execute_unprepared("PRAGMA secure_delete = ON").await.map(drop)
}

/// The log holds pages as they were until they are moved into the file.
pub(super) async fn wipe_log(writer: &DatabaseConnection) -> Result<(), DbErr> {
    writer.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.map(drop)
}

fn recent_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [(); 3].map(|()| parts.next().unwrap_or(0));
    found >= OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, expected) in [
            ("3.51.3", true),
            ("3.51.10", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("3.51.2", false),
            ("3.9.99", false),
            ("3.51", false),
            ("", false),
            ("new", false),
        ] {
            assert_eq!(recent_enough(version), expected, "{version}");
        }
    }
}
