//! The row of a customer's sums.

use byok_domain::credits::Balance;
use byok_domain::{Credits, ProjectId, RefId};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::StoreError;
use crate::column::count;
use crate::statement::Sql;

/// What a customer has.
pub(crate) async fn balance(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
) -> Result<Balance, StoreError> {
    let mut sql = Sql::new("SELECT balance, held FROM credit_accounts");
    place(&mut sql, project, ref_id);
    let row = connection.query_one_raw(sql.into_statement()).await?;
    row.as_ref().map_or(Ok(Balance::default()), read)
}

/// What a customer has, its row locked until the transaction ends: nobody changes it in between.
/// `None` without a row.
pub(super) async fn lock(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
) -> Result<Option<Balance>, StoreError> {
    // A write that changes nothing locks the row in every database.
    let mut sql = Sql::new("UPDATE credit_accounts SET held = held");
    place(&mut sql, project, ref_id);
    sql.push(" RETURNING balance, held");
    let row = connection.query_one_raw(sql.into_statement()).await?;
    row.as_ref().map(read).transpose()
}

/// As [`lock`], the row made where it is missing.
pub(super) async fn lock_or_make(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
) -> Result<Balance, StoreError> {
    let mut sql =
        Sql::new("INSERT INTO credit_accounts (project_id, ref_id, balance, held) VALUES (");
    sql.bind(project.as_str()).push(", ").bind(ref_id.as_str());
    sql.push(", 0, 0) ON CONFLICT (project_id, ref_id) DO NOTHING");
    connection.execute_raw(sql.into_statement()).await?;
    let locked = lock(connection, project, ref_id).await?;
    locked.ok_or_else(|| StoreError::damaged("credit_accounts", "a new row is not there"))
}

/// Changes a customer's sums. The database itself refuses one that would fall below nothing.
pub(super) async fn change(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
    balance: i64,
    held: i64,
) -> Result<(), StoreError> {
    if balance == 0 && held == 0 {
        return Ok(());
    }
    let mut sql = Sql::new("UPDATE credit_accounts SET balance = balance + ");
    sql.bind(balance).push(", held = held + ").bind(held);
    place(&mut sql, project, ref_id);
    match connection.execute_raw(sql.into_statement()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::damaged("credit_accounts", "an account that changes is not there")),
    }
}

fn place(sql: &mut Sql, project: &ProjectId, ref_id: &RefId) {
    sql.push(" WHERE project_id = ").bind(project.as_str());
    sql.push(" AND ref_id = ").bind(ref_id.as_str());
}

fn read(row: &QueryResult) -> Result<Balance, StoreError> {
    let credits = |column| Ok::<_, StoreError>(Credits::new(count(row.try_get_by_index(column)?)));
    Ok(Balance { balance: credits(0)?, held: credits(1)? })
}
