//! What the schema says in each database's own words.

use sea_orm_migration::prelude::{
    PostgresQueryBuilder, SchemaManager, SqliteQueryBuilder, TableCreateStatement,
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Creates a table that SQLite stores in the order of its primary key, so that a range of it is
/// read from neighbouring pages and it needs no second tree for its rows. PostgreSQL has no such
/// tables.
pub(crate) async fn create_clustered(
    manager: &SchemaManager<'_>,
    table: &TableCreateStatement,
) -> Result<(), DbErr> {
    let sqlite = format!("{} WITHOUT ROWID", table.to_string(SqliteQueryBuilder));
    let postgres = table.to_string(PostgresQueryBuilder);
    execute_each(manager, &[&sqlite], &[&postgres]).await
}

/// Runs statements that both databases read alike, and sea-query has no words for.
pub(crate) async fn execute(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    execute_each(manager, statements, statements).await
}

/// Runs the statements of the database that this is.
pub(crate) async fn execute_each(
    manager: &SchemaManager<'_>,
    sqlite: &[&str],
    postgres: &[&str],
) -> Result<(), DbErr> {
    let statements = match manager.get_database_backend() {
        DbBackend::Sqlite => sqlite,
        DbBackend::Postgres => postgres,
        other => return Err(DbErr::Migration(format!("there is no schema for {other:?}"))),
    };
    for sql in statements {
        manager.get_connection().execute_unprepared(sql).await?;
    }
    Ok(())
}
