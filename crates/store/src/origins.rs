//! The origins that a project's publishable keys may be used from.

use byok_domain::ProjectId;
use byok_domain::audit::Action;
use byok_domain::origin::Allowlist;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

use crate::audit::before_and_after;
use crate::column::{from_json, json};
use crate::{By, Store, StoreError, projects};

impl Store {
    /// A project's origin allowlist.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn allowed_origins(&self, project: &ProjectId) -> Result<Allowlist, StoreError> {
        let row = projects::require(self.database().reader(), project).await?;
        from_json(projects::TABLE, &row.allowed_origins)
    }

    /// Replaces a project's origin allowlist.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn set_allowed_origins(
        &self,
        project: &ProjectId,
        origins: &Allowlist,
        by: &By,
    ) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let row = projects::require(&transaction, project).await?;
        let text = json(origins);
        let metadata = before_and_after(self.audit_key(), &row.allowed_origins, &text);
        let mut row = row.into_active_model();
        row.allowed_origins = Set(text);
        row.updated_at = Set(by.at.as_millis());
        row.update(&transaction).await?;
        self.append_of_project(&transaction, Action::OriginsUpdated, project, metadata, by).await?;
        transaction.commit().await?;
        Ok(())
    }
}
