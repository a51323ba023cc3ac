//! Reading customers' provider keys.

use byok_domain::{KeyStatus, ProjectId, ProviderId, ProviderKeyId, RefId};
use byok_gateway::StoredKey;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{ProviderKeyRow, read, read_sealed};
use crate::entity::provider_keys::{Column, Entity};
use crate::listing::in_order;
use crate::{Listing, Page, Store, StoreError};

/// Which keys are wanted; all parts have to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Of this customer.
    pub ref_id: Option<RefId>,
    /// For this provider.
    pub provider: Option<ProviderId>,
    /// Of this status.
    pub status: Option<KeyStatus>,
}

impl Store {
    /// A project's provider keys, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn provider_keys(
        &self,
        project: &ProjectId,
        filter: &KeyFilter,
        page: Page,
    ) -> Result<Listing<ProviderKeyRow>, StoreError> {
        let mut query = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        if let Some(ref_id) = &filter.ref_id {
            query = query.filter(Column::RefId.eq(ref_id.as_str()));
        }
        if let Some(provider) = &filter.provider {
            query = query.filter(Column::Provider.eq(provider.as_str()));
        }
        if let Some(status) = filter.status {
            query = query.filter(Column::Status.eq(status.as_str()));
        }
        let order = [Column::CreatedAt, Column::Id];
        in_order(self.database().reader(), query, order, page).await?.try_map(read)
    }

    /// One provider key of a project.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn provider_key(
        &self,
        project: &ProjectId,
        id: &ProviderKeyId,
    ) -> Result<Option<ProviderKeyRow>, StoreError> {
        let row = Entity::find_by_id(id.as_str())
            .filter(Column::ProjectId.eq(project.as_str()))
            .one(self.database().reader())
            .await?;
        row.map(read).transpose()
    }

    /// A customer's keys for all providers, as calls see them.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn sealed_keys_of_customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<Vec<StoredKey>, StoreError> {
        Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RefId.eq(ref_id.as_str()))
            .order_by_asc(Column::Provider)
            .order_by_asc(Column::Id)
            .all(self.database().reader())
            .await?
            .into_iter()
            .map(read_sealed)
            .collect()
    }

    /// A customer's keys for a provider with their seals, oldest first: for one who may open them.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn sealed_keys(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        ref_id: &RefId,
    ) -> Result<Vec<StoredKey>, StoreError> {
        Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RefId.eq(ref_id.as_str()))
            .filter(Column::Provider.eq(provider.as_str()))
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id)
            .all(self.database().reader())
            .await?
            .into_iter()
            .map(read_sealed)
            .collect()
    }
}
