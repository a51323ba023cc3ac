//! What a provider says of a key.

use byok_domain::audit::Action;
use byok_domain::events::Event;
use byok_domain::{KeyStatus, ProjectId, ProviderId, ProviderKeyId, Timestamp};
use byok_vault::AuditKey;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter,
};

use super::{TABLE, describe, told};
use crate::audit::{Change, Target, append};
use crate::changes::Changed;
use crate::column::{key_status, ref_id};
use crate::entity::provider_keys::{Column, Entity, Model};
use crate::{By, Store, StoreError, outbox};

/// What a provider says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The version of the key that it was asked about: a verdict on a key that has been replaced
    /// since says nothing of the new one.
    pub version: u32,
    /// What it says.
    pub status: KeyStatus,
    /// Why the key is not valid.
    pub error: Option<String>,
    /// When it said so; `None` when it could not be asked.
    pub validated_at: Option<Timestamp>,
}

impl Store {
    /// Records what a provider says of a key. Returns whether the key's status is another now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn set_key_status(
        &self,
        project: &ProjectId,
        id: &ProviderKeyId,
        verdict: Verdict,
        by: &By,
    ) -> Result<bool, StoreError> {
        let transaction = self.database().begin().await?;
        let row = Entity::find_by_id(id.as_str())
            .filter(Column::ProjectId.eq(project.as_str()))
            .one(&transaction)
            .await?
            .ok_or(StoreError::NotFound("key"))?;
        if row.version != i64::from(verdict.version) {
            return Ok(false);
        }
        let changed = record(&transaction, self.audit_key(), row, verdict, by).await?;
        transaction.commit().await?;
        Ok(changed)
    }
}

/// Writes a verdict into a key's row; the first time that a key is rejected goes into the audit
/// log, and to the project's webhooks. Returns whether the status changed.
pub(crate) async fn record(
    transaction: &DatabaseTransaction,
    audit_key: &AuditKey,
    row: Model,
    verdict: Verdict,
    by: &By,
) -> Result<bool, StoreError> {
    let before = key_status(TABLE, &row.status)?;
    let changed = before != verdict.status;
    if changed && verdict.status == KeyStatus::Invalid {
        let project = ProjectId::new(row.project_id.as_str());
        let mut metadata = describe(&row);
        metadata.insert("before", before.as_str().into());
        let change = Change {
            project: Some(&project),
            action: Action::ProviderKeyInvalidated,
            target: Target::ProviderKey,
            target_id: &row.id,
            metadata,
        };
        append(transaction, audit_key, change, by).await?;
        let reason = verdict.error.clone().unwrap_or_default();
        let event = Event::KeyInvalid { key: told(&row)?, reason };
        outbox::emit(transaction, &project, &event, by.at).await?;
    } else if changed {
        let project = ProjectId::new(row.project_id.as_str());
        let provider = ProviderId::new(row.provider.as_str());
        let changed = Changed::ProviderKeys(project, provider, ref_id(TABLE, &row.ref_id)?);
        changed.tell(transaction, None).await?;
    }
    let mut row = row.into_active_model();
    row.status = Set(verdict.status.as_str().to_owned());
    row.last_error = Set(verdict.error);
    if let Some(at) = verdict.validated_at {
        row.last_validated_at = Set(Some(at.as_millis()));
    }
    row.update(transaction).await?;
    Ok(changed)
}
