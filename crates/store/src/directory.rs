//! The gateway's directory, read from the database.

use std::sync::Arc;

use async_trait::async_trait;
use byok_domain::credential::{ApiKey, Environment};
use byok_domain::{ProjectId, ProviderId, ProviderKeyId, RefId};
use byok_gateway::{
    CustomerSnapshot, Directory, DirectoryError, ObjectOwner, PlatformKey, ProjectSnapshot,
    StoredKey,
};
use byok_vault::{SealedDataKey, TokenDigest};
use sea_orm::EntityTrait;

use crate::column::{from_json, parsed, ref_id, storable};
use crate::entity::{data_keys, provider_objects};
use crate::{Store, StoreError, platform_keys, pricing, projects, routing};

impl Store {
    /// A project as calls see it, unless removed.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn project_snapshot(
        &self,
        project: &ProjectId,
    ) -> Result<Option<ProjectSnapshot>, StoreError> {
        let reader = self.database().reader();
        let Some(row) = projects::find(reader, project).await? else {
            return Ok(None);
        };
        // Removing a project removes its data key: between the two look-ups it may have gone.
        let Some(data_key) = data_keys::Entity::find_by_id(project.as_str()).one(reader).await?
        else {
            return Ok(None);
        };
        Ok(Some(ProjectSnapshot {
            environment: parsed(projects::TABLE, &row.environment, Environment::parse)?,
            allowed_origins: from_json(projects::TABLE, &row.allowed_origins)?,
            overrides: Arc::new(pricing::read(&row)?),
            settings: from_json(projects::TABLE, &row.settings)?,
            routing: routing::read_routing(&row)?,
            tiers: Arc::new(routing::read_tiers(&row)?),
            has_platform_keys: platform_keys::any(reader, project).await?,
            data_key: SealedDataKey { kid: data_key.kid, bytes: data_key.sealed },
            id: ProjectId::new(row.id),
            name: row.name,
        }))
    }

    /// Whose an object at a provider is, if it was made through this system.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn object_owner(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        kind: &str,
        id: &str,
    ) -> Result<Option<ObjectOwner>, StoreError> {
        if !storable(id) {
            return Ok(None);
        }
        let place = [project.as_str(), provider.as_str(), kind, id].map(str::to_owned);
        let row = provider_objects::Entity::find_by_id(<(_, _, _, _)>::from(place))
            .one(self.database().reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key = match row.key_id.map(ProviderKeyId::new) {
            Some(id) => self.provider_key(project, &id).await?.map(|key| key.id),
            None => None,
        };
        Ok(Some(ObjectOwner { ref_id: ref_id("provider_objects", &row.ref_id)?, key }))
    }
}

#[async_trait]
impl Directory for Store {
    async fn api_key(&self, digest: &TokenDigest) -> Result<Option<ApiKey>, DirectoryError> {
        self.find_api_key(digest).await.map_err(unreadable)
    }

    async fn project(&self, id: &ProjectId) -> Result<Option<ProjectSnapshot>, DirectoryError> {
        self.project_snapshot(id).await.map_err(unreadable)
    }

    async fn provider_keys(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        ref_id: &RefId,
    ) -> Result<Vec<StoredKey>, DirectoryError> {
        self.sealed_keys(project, provider, ref_id).await.map_err(unreadable)
    }

    async fn platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
    ) -> Result<Option<PlatformKey>, DirectoryError> {
        self.sealed_platform_key(project, provider).await.map_err(unreadable)
    }

    async fn customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<CustomerSnapshot, DirectoryError> {
        self.customer_snapshot(project, ref_id).await.map_err(unreadable)
    }

    async fn object_owner(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        kind: &str,
        id: &str,
    ) -> Result<Option<ObjectOwner>, DirectoryError> {
        Self::object_owner(self, project, provider, kind, id).await.map_err(unreadable)
    }
}

fn unreadable(error: StoreError) -> DirectoryError {
    DirectoryError(Box::new(error))
}
