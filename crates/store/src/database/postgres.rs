//! A PostgreSQL database: a few connections that write, taking turns, and some that read.

use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions, Connection, Executor, Row};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr};
use sea_orm::{SqlxPostgresConnector, Statement};

use super::{ACQUIRE_TIMEOUT, Pools, sql};
use crate::StoreError;
use crate::column::BACKEND;

/// Whether the table of schema changes is there.
pub(super) const HAS_CHANGES: &str = "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL";

/// The oldest release that is tried, as the server tells it: 13.0.
const OLDEST: i32 = 130_000;

/// How long the server may take to let the first connection in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Changes take turns, whatever their number; a call record's row is written beside them.
const WRITERS: u32 = 4;

const READERS: u32 = 8;

/// What a transaction that changes things locks before it reads what it decides by: `byok` in
/// ASCII. Advisory locks are a database's own.
const TURN: i64 = 0x6279_6f6b;

/// A process that is stopped or cut off in the middle of a change loses its turn after this long.
const WRITER: &str = "SET default_transaction_isolation = 'read committed'; \
    SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '30s'; \
    SET client_min_messages = warning";

/// The readers are refused a write by the database itself.
const READER: &str =
    "SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = '30s'";

/// Opens the database at `url`.
///
/// The pools are made here and not by sea-orm, which would write the URL with its password into
/// its trace.
pub(super) async fn open(url: &str) -> Result<Pools, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Url("it cannot be read; write it like postgres://user@host/byok"))?
        .disable_statement_logging();
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("byok"),
    };
    require_fit(&options).await?;
    Ok(Pools {
        writer: connect(&options, WRITERS, WRITER).await?,
        reader: connect(&options, READERS, READER).await?,
    })
}

async fn connect(
    options: &PgConnectOptions,
    connections: u32,
    role: &'static str,
) -> Result<DatabaseConnection, DbErr> {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(1_800))
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(role).await.map(drop) })
        })
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// One connection without a pool, which would try until its time is up and then not say why.
async fn require_fit(options: &PgConnectOptions) -> Result<(), StoreError> {
    let timed_out = || DbErr::Conn(RuntimeErr::Internal("the server does not answer".to_owned()));
    let connecting = PgConnection::connect_with(options);
    let mut connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| timed_out())?
        .map_err(failed)?;
    let sql = "SELECT current_setting('server_version_num')::int, \
               current_setting('server_version'), current_setting('server_encoding')";
    let row = connection.fetch_one(sql).await.map_err(failed)?;
    let (version, found, encoding): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
    connection.close().await.map_err(failed)?;
    if version < OLDEST {
        return Err(StoreError::OldPostgres { found });
    }
    if encoding != "UTF8" {
        return Err(StoreError::Encoding { found: encoding });
    }
    Ok(())
}

/// Waits until no other change is under way, in this process or another; holds that for as long
/// as the transaction takes.
pub(super) async fn take_turn(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let lock = "SELECT pg_advisory_xact_lock($1)";
    let statement = Statement::from_sql_and_values(BACKEND, lock, [TURN.into()]);
    transaction.query_one_raw(statement).await.map(drop)
}

/// Columns of texts that are compared as the database's own language has it.
pub(super) async fn language_columns(
    connection: &impl ConnectionTrait,
) -> Result<Vec<(String, String)>, DbErr> {
    let columns = "SELECT table_name::text, column_name::text FROM information_schema.columns \
                   WHERE table_schema = current_schema() AND data_type = 'text' \
                   AND collation_name IS NULL ORDER BY 1, 2";
    connection
        .query_all_raw(sql(columns))
        .await?
        .iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// Has these columns compared byte by byte, as SQLite and this program do it: the order of names
/// then is one and the same, and no update of the machine's language tables damages an index.
pub(super) async fn compare_by_byte(
    connection: &impl ConnectionTrait,
    columns: &[(String, String)],
) -> Result<(), DbErr> {
    for of_table in columns.chunk_by(|(a, _), (b, _)| a == b) {
        let changes: Vec<_> = of_table
            .iter()
            .map(|(_, column)| format!("ALTER COLUMN \"{column}\" TYPE text COLLATE \"C\""))
            .collect();
        let sql = format!("ALTER TABLE \"{}\" {}", of_table[0].0, changes.join(", "));
        connection.execute_unprepared(&sql).await?;
    }
    Ok(())
}

fn failed(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
