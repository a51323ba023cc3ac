//! A project's own prices.

use byok_domain::ProjectId;
use byok_domain::audit::Action;
use byok_domain::pricing::PriceTable;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, IntoActiveModel};

use crate::audit::before_and_after;
use crate::column::{from_json, json};
use crate::entity::projects::Model;
use crate::{By, Store, StoreError, projects};

impl Store {
    /// A project's price overrides; an empty table when it has none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn pricing(&self, project: &ProjectId) -> Result<PriceTable, StoreError> {
        read(&projects::require(self.database().reader(), project).await?)
    }

    /// Replaces a project's price overrides by what `change` makes of them. Nobody else changes
    /// them in between. When `change` refuses, nothing is changed and the inner error says why.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn update_pricing<E: Send>(
        &self,
        project: &ProjectId,
        change: impl FnOnce(&PriceTable) -> Result<PriceTable, E> + Send,
        by: &By,
    ) -> Result<Result<PriceTable, E>, StoreError> {
        let transaction = self.database().begin().await?;
        let row = projects::require(&transaction, project).await?;
        let table = match change(&read(&row)?) {
            Ok(table) => table,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.write_pricing(&transaction, row, &table, Action::PricingUpdated, by).await?;
        transaction.commit().await?;
        Ok(Ok(table))
    }

    /// Removes all of a project's price overrides.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn clear_pricing(&self, project: &ProjectId, by: &By) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let row = projects::require(&transaction, project).await?;
        let none = PriceTable::default();
        self.write_pricing(&transaction, row, &none, Action::PricingCleared, by).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn write_pricing(
        &self,
        transaction: &DatabaseTransaction,
        row: Model,
        table: &PriceTable,
        action: Action,
        by: &By,
    ) -> Result<(), StoreError> {
        let project = ProjectId::new(row.id.as_str());
        let text = json(table);
        let metadata = before_and_after(self.audit_key(), &row.pricing, &text);
        let mut row = row.into_active_model();
        row.pricing = Set(text);
        row.updated_at = Set(by.at.as_millis());
        row.update(transaction).await?;
        self.append_of_project(transaction, action, &project, metadata, by).await
    }
}

pub(crate) fn read(row: &Model) -> Result<PriceTable, StoreError> {
    from_json(projects::TABLE, &row.pricing)
}
