//! An open database: one connection that writes, a few that read.

use std::time::Duration;

use byok_migrations::{Migrator, MigratorTrait};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::StoreError;

/// SQLite before this can damage a database in WAL mode.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a query waits for its turn at a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Readers never wait for the writer, nor it for them; more of them than cores gain nothing.
const READERS: u32 = 4;

/// Eight megabytes of pages at most, where SQLite keeps two: with a thousand customers active, a
/// batch of calls touches about a thousand pages of the log's index.
const CACHE: &str = "-8000";

/// Pages of 4 KB in the write-ahead log before they are moved into the file. At SQLite's 1,000 a
/// batch of a thousand calls of a thousand customers moved each page on its own: half as much
/// again was written.
const CHECKPOINT_PAGES: &str = "4000";

/// An open database of a schema that this build knows.
///
/// SQLite has one writer at a time: all changes go through one connection, so that they queue
/// there in order instead of failing at the file's lock. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

impl Database {
    /// Opens the database at `url` (`sqlite://path`), which is made when missing. Does not change
    /// its schema: see [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::OldSqlite`], [`StoreError::NewerSchema`], or
    /// [`StoreError::Database`] when the file cannot be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("sqlite:") {
            return Err(StoreError::Url("it has to start with sqlite://"));
        }
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(StoreError::Url("a database in memory has no file for its readers"));
        }
        let writer = connect(url, 1, |options| options.create_if_missing(true)).await?;
        // The readers are refused a write by the database itself.
        let reader = connect(url, READERS, |options| options.pragma("query_only", "ON")).await?;
        let database = Self { writer, reader };
        database.require_sqlite().await?;
        if let Some(change) = database.unknown_change().await? {
            return Err(StoreError::NewerSchema { change });
        }
        Ok(database)
    }

    /// The number of the newest schema change that this build knows.
    pub fn newest_schema() -> u32 {
        u32::try_from(Migrator::migrations().len()).unwrap_or(u32::MAX)
    }

    /// How many schema changes the database has seen; 0 when it is new.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn schema_version(&self) -> Result<u32, StoreError> {
        Ok(u32::try_from(applied_changes(&self.reader).await?.len()).unwrap_or(u32::MAX))
    }

    /// Brings the schema to [`newest_schema`](Self::newest_schema), in one transaction: an
    /// interrupted run leaves what was there, and of two processes one waits for the other.
    /// Returns how many changes that took.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn migrate(&self) -> Result<u32, StoreError> {
        let transaction = self.begin().await?;
        let before = applied_changes(&transaction).await?.len();
        Migrator::up(&transaction, None).await?;
        let after = applied_changes(&transaction).await?.len();
        transaction.commit().await?;
        Ok(u32::try_from(after - before).unwrap_or(u32::MAX))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Database`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.reader.ping().await?)
    }

    /// Waits for running queries and closes the file.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close().await?;
        Ok(self.writer.close().await?)
    }

    /// Where to read.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Where single statements may be written that need no transaction of their own.
    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that holds the write lock from its start, so that what it reads is
    /// still true when it writes, and it never fails half-way for a lock.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.writer
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await
    }

    async fn require_sqlite(&self) -> Result<(), StoreError> {
        let row = self.reader.query_one_raw(sql("SELECT sqlite_version()")).await?;
        let found: String = match row {
            Some(row) => row.try_get_by_index(0)?,
            None => String::new(),
        };
        if recent_enough(&found) { Ok(()) } else { Err(StoreError::OldSqlite { found }) }
    }

    async fn unknown_change(&self) -> Result<Option<String>, StoreError> {
        let known = Migrator::migrations();
        let applied = applied_changes(&self.reader).await?;
        Ok(applied.into_iter().find(|change| !known.iter().any(|k| k.name() == change)))
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
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        });
    sea_orm::Database::connect(options).await
}

/// The schema changes that were applied, oldest first; none when the database is new.
async fn applied_changes(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'";
    if connection.query_one_raw(sql(table)).await?.is_none() {
        return Ok(Vec::new());
    }
    connection
        .query_all_raw(sql("SELECT version FROM seaql_migrations ORDER BY version"))
        .await?
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect()
}

fn sql(text: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, text)
}

fn recent_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [(); 3].map(|()| parts.next().unwrap_or(0));
    found >= OLDEST_SQLITE
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
