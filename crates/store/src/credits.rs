//! Customers' credits: accounts, and the ledger whose entries they are the sums of.
//!
//! An entry's amount is what it did to what is available: a grant adds, a hold takes away, a
//! release gives that back, a settlement takes what the call cost. So `balance` is the sum of all
//! entries but holds and releases, and `held` what those two leave. Both are kept in the account's
//! row, which every change locks first; `verify` adds the entries up again.

mod account;
mod entry;
mod grant;
mod holds;
mod ledger;
mod repeats;
mod settle;
mod verify;

use byok_domain::credits::Balance;
use byok_domain::{ProjectId, RefId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

pub(crate) use account::balance;
pub use entry::CreditEntry;
pub use grant::{Grant, Granted};
pub use ledger::Ledger;
pub(crate) use settle::{Charged, settle};
pub use verify::{AccountFault, CreditReport};

use crate::entity::credit_entries::{Column, Entity};
use crate::{Listing, Page, Store, StoreError};

impl Store {
    /// What a customer has; nothing when nothing was ever granted.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn credits(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<Balance, StoreError> {
        balance(self.database().reader(), project, ref_id).await
    }

    /// The entries of a customer's ledger, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn credit_entries(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        page: Page,
    ) -> Result<Listing<CreditEntry>, StoreError> {
        let query = Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RefId.eq(ref_id.as_str()));
        let total = query.clone().count(self.database().reader()).await?;
        let data = query
            .order_by_desc(Column::Sequence)
            .limit(page.limit)
            .offset(page.offset)
            .all(self.database().reader())
            .await?;
        Listing { data, total }.try_map(entry::read)
    }
}

/// Which of `keys` have an entry in a project's ledger already, with its amount.
async fn entered(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    keys: Vec<String>,
) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::IdempotencyKey)
        .column(Column::Amount)
        .filter(Column::ProjectId.eq(project.as_str()))
        .filter(Column::IdempotencyKey.is_in(keys))
        .into_tuple()
        .all(connection)
        .await?)
}
