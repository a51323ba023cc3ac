//! Removing a customer's provider keys.

use byok_domain::audit::Action;
use byok_domain::events::Event;
use byok_domain::{ProjectId, ProviderId, ProviderKeyId, RefId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{describe, told};
use crate::audit::{Change, Target, append};
use crate::entity::provider_keys::{Column, Entity};
use crate::{By, Store, StoreError, outbox};

impl Store {
    /// Removes one of a customer's keys for a provider, or all of them. Returns what was removed;
    /// nothing when there was nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn revoke_keys(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        ref_id: &RefId,
        only: Option<&ProviderKeyId>,
        by: &By,
    ) -> Result<Vec<ProviderKeyId>, StoreError> {
        let transaction = self.database().begin().await?;
        let mut query = Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RefId.eq(ref_id.as_str()))
            .filter(Column::Provider.eq(provider.as_str()))
            .order_by_asc(Column::Id);
        if let Some(id) = only {
            query = query.filter(Column::Id.eq(id.as_str()));
        }
        let mut removed = Vec::new();
        for row in query.all(&transaction).await? {
            let change = Change {
                project: Some(project),
                action: Action::ProviderKeyRevoked,
                target: Target::ProviderKey,
                target_id: &row.id,
                metadata: describe(&row),
            };
            append(&transaction, self.audit_key(), change, by).await?;
            let event = Event::ProviderKeyRevoked { key: told(&row)? };
            outbox::emit(&transaction, project, &event, by.at).await?;
            Entity::delete_by_id(row.id.as_str()).exec(&transaction).await?;
            removed.push(ProviderKeyId::new(row.id));
        }
        transaction.commit().await?;
        Ok(removed)
    }
}
