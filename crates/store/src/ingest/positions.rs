//! How far each journal has been applied.

use sea_orm::ConnectionTrait;

use super::call_rows::integer;
use crate::StoreError;
use crate::column::count;
use crate::statement::Sql;

/// The last sequence number of `journal` that was applied; 0 when none was.
pub(super) async fn of(
    connection: &impl ConnectionTrait,
    journal: &str,
) -> Result<u64, StoreError> {
    let mut sql = Sql::new("SELECT sequence FROM journal_positions WHERE journal = ");
    sql.bind(journal);
    match connection.query_one_raw(sql.into_statement()).await? {
        Some(row) => Ok(count(row.try_get_by_index(0)?)),
        None => Ok(0),
    }
}

/// Records that `journal` is applied through `sequence`.
pub(super) async fn advance(
    connection: &impl ConnectionTrait,
    journal: &str,
    sequence: u64,
) -> Result<(), StoreError> {
    let mut sql = Sql::new("INSERT INTO journal_positions (journal, sequence) VALUES (");
    sql.bind(journal).push(", ").bind(integer(sequence));
    sql.push(") ON CONFLICT (journal) DO UPDATE SET sequence = excluded.sequence");
    connection.execute_raw(sql.into_statement()).await?;
    Ok(())
}
