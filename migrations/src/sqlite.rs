//! What the schema says in SQLite's own words.

use sea_orm_migration::prelude::{SchemaManager, SqliteQueryBuilder, TableCreateStatement};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Creates a table that is stored in the order of its primary key, so that a range of it is read
/// from neighbouring pages and it needs no second tree for its rows.
pub(crate) async fn create_clustered(
    manager: &SchemaManager<'_>,
    table: &TableCreateStatement,
) -> Result<(), DbErr> {
    only_sqlite(manager)?;
    let sql = format!("{} WITHOUT ROWID", table.to_string(SqliteQueryBuilder));
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}

/// Runs statements that have no portable form.
pub(crate) async fn execute(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    only_sqlite(manager)?;
    for sql in statements {
        manager.get_connection().execute_unprepared(sql).await?;
    }
    Ok(())
}

fn only_sqlite(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Sqlite => Ok(()),
        other => Err(DbErr::Migration(format!("the schema is written for SQLite, not {other:?}"))),
    }
}
