//! Erasing a customer: its keys and personal data go, what it used stays under a name that is
//! nobody's.

use byok_domain::audit::Action;
use byok_domain::{ProjectId, RefId};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::erasures;
use crate::audit::{Change, Metadata, Target, append};
use crate::entity::{api_keys, customers, provider_keys};
use crate::statement::Sql;
use crate::{By, Store, StoreError, projects};

/// What was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Provider keys that are gone.
    pub provider_keys: u64,
    /// Customer tokens that are gone.
    pub api_keys: u64,
}

/// The tables that tell of what a customer used, and whose.
const KEPT: [&str; 7] = [
    "calls",
    "usage_hourly",
    "provider_objects",
    "credit_accounts",
    "credit_entries",
    "credit_holds",
    "idempotency_keys",
];

impl Store {
    /// Erases a customer. What it used stays on record for `tombstone`, a name that nobody has and
    /// that says nothing of it; the audit log tells of the erasure by that name. So does what is
    /// recorded later of calls that had begun by then. Returns `None` when nothing was known of the
    /// customer.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the project, [`StoreError::Database`].
    pub async fn erase_customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        tombstone: &RefId,
        by: &By,
    ) -> Result<Option<Erased>, StoreError> {
        let transaction = self.database().begin().await?;
        projects::require(&transaction, project).await?;
        let place = (project.as_str().to_owned(), ref_id.as_str().to_owned());
        let known = customers::Entity::delete_by_id(place).exec(&transaction).await?.rows_affected;
        let provider_keys = provider_keys::Entity::delete_many()
            .filter(provider_keys::Column::ProjectId.eq(project.as_str()))
            .filter(provider_keys::Column::RefId.eq(ref_id.as_str()))
            .exec(&transaction)
            .await?
            .rows_affected;
        let api_keys = api_keys::Entity::delete_many()
            .filter(api_keys::Column::ProjectId.eq(project.as_str()))
            .filter(api_keys::Column::RefId.eq(ref_id.as_str()))
            .exec(&transaction)
            .await?
            .rows_affected;
        let mut kept = 0;
        for table in KEPT {
            kept += rename(&transaction, table, project, ref_id, tombstone).await?;
        }
        if known + provider_keys + api_keys + kept == 0 {
            return Ok(None);
        }
        erasures::remember(&transaction, self.audit_key(), project, ref_id, tombstone, by).await?;
        let change = Change {
            project: Some(project),
            action: Action::CustomerErased,
            target: Target::Customer,
            target_id: tombstone.as_str(),
            metadata: Metadata::from([
                ("apiKeys", api_keys.into()),
                ("providerKeys", provider_keys.into()),
            ]),
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        Ok(Some(Erased { provider_keys, api_keys }))
    }
}

async fn rename(
    transaction: &DatabaseTransaction,
    table: &'static str,
    project: &ProjectId,
    ref_id: &RefId,
    tombstone: &RefId,
) -> Result<u64, StoreError> {
    let mut sql = Sql::new(&format!("UPDATE {table} SET ref_id = "));
    sql.bind(tombstone.as_str()).push(" WHERE project_id = ").bind(project.as_str());
    sql.push(" AND ref_id = ").bind(ref_id.as_str());
    Ok(transaction.execute_raw(sql.into_statement()).await?.rows_affected())
}
