//! An open database: an SQLite file or a PostgreSQL database, and how changes are kept apart.
//!
//! # Transactions
//!
//! What changes things reads first: the last entry of the audit log, the row that is to be
//! replaced, the verdict that is known of a key. What it read has to be true still when it writes.
//! SQLite has one writer at a time, and a transaction that is to write is it from its beginning. On
//! PostgreSQL the same is had from one advisory lock, *the turn*, at READ COMMITTED: whoever waits
//! for it sees everything that those before it have committed, and nothing is ever locked in two
//! orders. It is one lock for all, and not a lock a row, because the audit log is one chain: all
//! changes but one kind append to it, and would wait for one another there.
//!
//! | transaction | begun with | why |
//! |---|---|---|
//! | projects, tokens, provider keys, prices, origins, re-pricing | [`begin`](Database::begin) | they append to the audit log, and look before they write |
//! | routing, tiers, platform keys, customers, grants, endpoints of webhooks | `begin` | the same; a customer's erasure renames its rows in many tables at once |
//! | holds and releases of credits | `begin` | what is available is read and then spent, for many customers in a batch; the account's own lock says the same again, and a check that nothing falls below zero |
//! | deliveries of webhooks, and checks of keys, leased and settled | `begin` | candidates are looked for before, beside everybody; a lease that is still what was seen decides |
//! | rewrapping of data keys | `begin` | it must not bring back a key that its project's removal has removed |
//! | schema changes | `begin` | of two processes one waits, then finds nothing to do |
//! | call records | [`begin_apart`](Database::begin_apart), then [`take_turn`](Database::take_turn) | rows of the log are nobody else's, and most of the work: they go in side by side. Roll-ups, counters, verdicts, settlements and the outbox are shared: they take the turn, which also keeps instances from locking the same rows in different orders |
//! | usage, statistics | [`snapshot`](Database::snapshot) | several statements that have to add up |
//! | notices leased and settled | none | one statement for one row each, whose condition is that its lease is still what was seen: of two that wait for the row, the second finds it changed |
//! | the installation's secrets, check records | none | one statement each, `ON CONFLICT DO NOTHING` |

mod postgres;
mod sqlite;

use std::time::Duration;

use byok_migrations::{Migrator, MigratorTrait};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::StoreError;
use crate::column::BACKEND;

/// How long a query waits for its turn at a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// An open database of a schema that this build knows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pools: Pools,
}

#[derive(Clone, Debug)]
struct Pools {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
}

impl Database {
    /// Opens the database at `url`: `sqlite://path`, which is made when missing, or
    /// `postgres://user:password@host/database`. Does not change its schema: see
    /// [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::OldSqlite`], [`StoreError::OldPostgres`],
    /// [`StoreError::Encoding`], [`StoreError::NewerSchema`], or [`StoreError::Database`] when it
    /// cannot be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pools = match url.split(':').next() {
            Some("sqlite") => sqlite::open(url).await?,
            Some("postgres" | "postgresql") => postgres::open(url).await?,
            _ => return Err(StoreError::Url("it starts with neither sqlite:// nor postgres://")),
        };
        let database = Self { pools };
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
        Ok(u32::try_from(applied_changes(self.reader()).await?.len()).unwrap_or(u32::MAX))
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
        if self.is_postgres() {
            let others = postgres::language_columns(&transaction).await?;
            Migrator::up(&transaction, None).await?;
            let mut ours = postgres::language_columns(&transaction).await?;
            ours.retain(|column| !others.contains(column));
            postgres::compare_by_byte(&transaction, &ours).await?;
        } else {
            Migrator::up(&transaction, None).await?;
        }
        let after = applied_changes(&transaction).await?.len();
        transaction.commit().await?;
        Ok(u32::try_from(after - before).unwrap_or(u32::MAX))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Database`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.reader().ping().await?)
    }

    /// Waits for running queries and closes the database.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn close(self) -> Result<(), StoreError> {
        self.pools.reader.close().await?;
        Ok(self.pools.writer.close().await?)
    }

    /// Where to read.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.pools.reader
    }

    /// Where single statements may be written that need no transaction of their own.
    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.pools.writer
    }

    /// Begins a transaction in which what is read stays true until it writes, and which never
    /// fails half-way for a lock: no other change is under way until it ends.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let transaction = self.begin_apart().await?;
        self.take_turn(&transaction).await?;
        Ok(transaction)
    }

    /// Begins a transaction beside which others may change things, until it
    /// [takes its turn](Self::take_turn). Before that it may touch only rows that are its own.
    pub(crate) async fn begin_apart(&self) -> Result<DatabaseTransaction, DbErr> {
        self.writer()
            .begin_with_options(TransactionOptions {
                // It is the one writer from its beginning, or could fail when it becomes that.
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await
    }

    /// Has SQLite overwrite with zeros what is changed or removed from here on.
    pub(crate) async fn wipe_what_is_overwritten(&self) -> Result<(), DbErr> {
        if self.is_postgres() {
            Ok(())
        } else {
            sqlite::wipe_what_is_overwritten(self.writer()).await
        }
    }

    /// Has SQLite empty its log, which holds pages as they were.
    pub(crate) async fn wipe_log(&self) -> Result<(), DbErr> {
        if self.is_postgres() { Ok(()) } else { sqlite::wipe_log(self.writer()).await }
    }

    /// Waits until no other change is under way; none begins until the transaction ends.
    pub(crate) async fn take_turn(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        if self.is_postgres() { postgres::take_turn(transaction).await } else { Ok(()) }
    }

    /// Begins a transaction whose queries all see the same moment.
    pub(crate) async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        if !self.is_postgres() {
            return self.reader().begin().await;
        }
        let (level, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
        self.reader().begin_with_config(Some(level), Some(access)).await
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.writer().get_database_backend() == DbBackend::Postgres
    }

    async fn unknown_change(&self) -> Result<Option<String>, StoreError> {
        let known = Migrator::migrations();
        let applied = applied_changes(self.reader()).await?;
        Ok(applied.into_iter().find(|change| !known.iter().any(|k| k.name() == change)))
    }
}

/// The schema changes that were applied, oldest first; none when the database is new.
async fn applied_changes(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let table = match connection.get_database_backend() {
        DbBackend::Postgres => postgres::HAS_CHANGES,
        _ => sqlite::HAS_CHANGES,
    };
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
    Statement::from_string(BACKEND, text)
}
