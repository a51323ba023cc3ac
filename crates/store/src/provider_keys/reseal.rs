//! Keys that an earlier release stored with a part of their credential outside the seal.

use byok_domain::ProjectId;
use byok_domain::audit::Action;
use byok_gateway::StoredKey;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::{describe, read_sealed};
use crate::audit::{Change, Target, append};
use crate::column::json;
use crate::entity::keys_to_reseal;
use crate::entity::provider_keys::{Column, Entity};
use crate::{By, Database, Store, StoreError};

impl Database {
    /// The keys of all projects that wait to be sealed anew.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn keys_to_reseal(&self) -> Result<Vec<StoredKey>, StoreError> {
        let mut keys = Vec::new();
        for waiting in keys_to_reseal::Entity::find().all(self.reader()).await? {
            // One that is gone meanwhile waits for nothing.
            let row = Entity::find_by_id(waiting.key_id).one(self.reader()).await?;
            keys.extend(row.map(read_sealed).transpose()?);
        }
        Ok(keys)
    }
}

impl Store {
    /// Puts a key that was sealed anew, one version on, in the place of the old one. Returns whether
    /// it did: a key that was replaced meanwhile stays as it is.
    ///
    /// What it overwrites is wiped from an SQLite file, as far as it has not been moved about
    /// before. PostgreSQL decides itself when the space of an old row is used again.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn reseal_key(
        &self,
        project: &ProjectId,
        key: &StoredKey,
        by: &By,
    ) -> Result<bool, StoreError> {
        self.database().wipe_what_is_overwritten().await?;
        let transaction = self.database().begin().await?;
        keys_to_reseal::Entity::delete_by_id(key.id.as_str()).exec(&transaction).await?;
        let found = Entity::find_by_id(key.id.as_str())
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::Version.eq(i64::from(key.version) - 1))
            .one(&transaction)
            .await?;
        let resealed = found.is_some();
        if let Some(old) = found {
            let mut row = old.into_active_model();
            row.config = Set(json(&key.config));
            row.sealed = Set(key.sealed.bytes.clone());
            row.version = Set(i64::from(key.version));
            let row = row.update(&transaction).await?;
            let mut metadata = describe(&row);
            metadata.insert("resealed", true.into());
            metadata.insert("version", key.version.into());
            let change = Change {
                project: Some(project),
                action: Action::ProviderKeyUpdated,
                target: Target::ProviderKey,
                target_id: key.id.as_str(),
                metadata,
            };
            append(&transaction, self.audit_key(), change, by).await?;
        }
        transaction.commit().await?;
        self.database().wipe_log().await?;
        Ok(resealed)
    }
}
