//! The row of a customer's sums.

use std::collections::HashMap;

use byok_domain::credits::Balance;
use byok_domain::{Credits, ProjectId, RefId};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::StoreError;
use crate::column::count;
use crate::rows::{execute_rows, query_rows};
use crate::statement::Sql;

/// A write that changes nothing locks rows in every database. A batch does it in one statement, and
/// so it changes them: a statement or two for each customer took most of the time of a commit. The
/// values are joined because SQLite then looks each up in the index; `IN` made it read all accounts.
const LOCK: &str = "UPDATE credit_accounts SET held = held FROM (VALUES";
const LOCKED: &str = ") AS batch WHERE project_id = batch.column1 AND ref_id = batch.column2 \
    RETURNING balance, held, project_id, ref_id";
const CHANGE: &str = "UPDATE credit_accounts SET balance = balance + batch.column3, \
    held = held + batch.column4 FROM (VALUES";
const CHANGED: &str = ") AS batch WHERE project_id = batch.column1 AND ref_id = batch.column2";

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

/// What customers have, each by its place in `accounts`, their rows locked until the transaction
/// ends: nobody changes them in between. `None` without a row.
pub(super) async fn lock(
    connection: &impl ConnectionTrait,
    accounts: &[(&ProjectId, &RefId)],
) -> Result<Vec<Option<Balance>>, StoreError> {
    let rows = query_rows(connection, LOCK, 2, LOCKED, accounts, |(project, ref_id), values| {
        values.extend([project.as_str().into(), ref_id.as_str().into()]);
    });
    let mut found = HashMap::with_capacity(accounts.len());
    for row in rows.await? {
        let account: (String, String) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
        found.insert(account, read(&row)?);
    }
    let of = |(project, ref_id): &(&ProjectId, &RefId)| {
        found.remove(&(project.as_str().to_owned(), ref_id.as_str().to_owned()))
    };
    Ok(accounts.iter().map(of).collect())
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
    let locked = lock(connection, &[(project, ref_id)]).await?.pop().flatten();
    locked.ok_or_else(|| StoreError::damaged("credit_accounts", "a new row is not there"))
}

/// What happens to a customer's sums.
pub(super) struct Sums<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) ref_id: &'a RefId,
    pub(super) balance: i64,
    pub(super) held: i64,
}

/// Changes customers' sums. The database itself refuses one that would fall below nothing.
pub(super) async fn change(
    connection: &impl ConnectionTrait,
    changes: &[Sums<'_>],
) -> Result<(), StoreError> {
    let real: Vec<_> = changes.iter().filter(|sums| (sums.balance, sums.held) != (0, 0)).collect();
    let changed = execute_rows(connection, CHANGE, 4, CHANGED, &real, |sums, values| {
        values.extend([
            sums.project.as_str().into(),
            sums.ref_id.as_str().into(),
            sums.balance.into(),
            sums.held.into(),
        ]);
    });
    if changed.await? == real.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::damaged("credit_accounts", "an account that changes is not there"))
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
