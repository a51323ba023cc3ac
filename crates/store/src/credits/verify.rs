//! Adding the ledger up again.

use byok_domain::{ProjectId, RefId};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::column::ref_id;
use crate::statement::Sql;
use crate::{Store, StoreError};

/// Accounts whose books do not balance: so many are told.
const MOST: u64 = 100;

/// Every account beside the sums of its entries and of its holds.
const BOOKS: &str = "SELECT project_id, ref_id, CAST(SUM(balance) AS BIGINT), \
    CAST(SUM(held) AS BIGINT), CAST(SUM(entered) AS BIGINT), CAST(SUM(set_aside) AS BIGINT), \
    CAST(SUM(holds) AS BIGINT) FROM (\
        SELECT project_id, ref_id, balance, held, 0 AS entered, 0 AS set_aside, 0 AS holds \
            FROM credit_accounts \
        UNION ALL SELECT project_id, ref_id, 0 AS balance, 0 AS held, \
            CASE WHEN kind IN ('hold', 'release') THEN 0 ELSE amount END AS entered, \
            CASE WHEN kind IN ('hold', 'release') THEN -amount ELSE 0 END AS set_aside, \
            0 AS holds FROM credit_entries \
        UNION ALL SELECT project_id, ref_id, 0 AS balance, 0 AS held, 0 AS entered, \
            0 AS set_aside, amount AS holds FROM credit_holds\
    ) AS books GROUP BY project_id, ref_id \
    HAVING SUM(balance) <> SUM(entered) OR SUM(held) <> SUM(set_aside) OR SUM(held) <> SUM(holds) \
    ORDER BY project_id, ref_id LIMIT ";

/// Whether the books balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditReport {
    /// Accounts there are.
    pub accounts: u64,
    /// The first of those whose sums are not those of their entries.
    pub faults: Vec<AccountFault>,
}

/// An account whose sums are not those of its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFault {
    /// Whose customer it is.
    pub project: ProjectId,
    /// The customer.
    pub ref_id: RefId,
    /// The balance in the account's row.
    pub balance: i64,
    /// What its entries add up to.
    pub entered: i64,
    /// What is held by the account's row.
    pub held: i64,
    /// What is held by its entries.
    pub set_aside: i64,
    /// The sum of its holds.
    pub holds: i64,
}

impl Store {
    /// Adds every customer's ledger up, and compares it with the account.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn verify_credits(&self) -> Result<CreditReport, StoreError> {
        let reader = self.database().reader();
        let count = Sql::new("SELECT COUNT(*) FROM credit_accounts").into_statement();
        let accounts = match reader.query_one_raw(count).await? {
            Some(row) => crate::column::count(row.try_get_by_index(0)?),
            None => 0,
        };
        let books = Sql::new(&format!("{BOOKS}{MOST}")).into_statement();
        let faults =
            reader.query_all_raw(books).await?.iter().map(read).collect::<Result<_, _>>()?;
        Ok(CreditReport { accounts, faults })
    }
}

fn read(row: &QueryResult) -> Result<AccountFault, StoreError> {
    Ok(AccountFault {
        project: ProjectId::new(row.try_get_by_index::<String>(0)?),
        ref_id: ref_id("credit_accounts", &row.try_get_by_index::<String>(1)?)?,
        balance: row.try_get_by_index(2)?,
        held: row.try_get_by_index(3)?,
        entered: row.try_get_by_index(4)?,
        set_aside: row.try_get_by_index(5)?,
        holds: row.try_get_by_index(6)?,
    })
}
