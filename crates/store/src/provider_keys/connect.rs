//! Storing a customer's provider key, or replacing the one that is there.

use byok_domain::audit::Action;
use byok_domain::events::Event;
use byok_domain::{
    KeyHint, KeyStatus, ProjectId, ProviderConfig, ProviderId, ProviderKeyId, RefId, Timestamp,
};
use byok_vault::SealedSecret;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::{TABLE, checks, describe, told, version};
use crate::audit::{Change, Target, append};
use crate::column::{json, key_status, optional_millis};
use crate::entity::provider_keys::{ActiveModel, Column, Entity};
use crate::{By, Store, StoreError, customers, outbox, projects};

/// A provider key to be stored.
#[derive(Clone, Debug)]
pub struct ConnectKey {
    /// The id it gets when it is new to its place; one it replaces keeps its own.
    pub id: ProviderKeyId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// The customer it belongs to.
    pub ref_id: RefId,
    /// What tells it from the customer's other keys there; empty when nothing was said.
    pub label: String,
    /// Lower is tried first; `None` is 0 for a new key and no change for a replaced one.
    pub priority: Option<i32>,
    /// The part of it that people may see.
    pub hint: KeyHint,
    /// What belongs to it beside the secret.
    pub config: ProviderConfig,
    /// What the provider said of it.
    pub status: KeyStatus,
    /// Why it is not valid.
    pub last_error: Option<String>,
    /// When the provider said so; `None` when it could not be asked.
    pub validated_at: Option<Timestamp>,
    /// What may be replaced.
    pub replace: Replace,
}

/// What a caller may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Any key of the customer.
    Any,
    /// Only one that the provider rejected, and only while the customer has no other for that
    /// provider: the caller has not proved to act for the customer, and must put no key beside one
    /// that works either.
    OnlyInvalid,
}

/// What came of connecting a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The stored key's id.
    pub id: ProviderKeyId,
    /// Whether it took another's place.
    pub updated: bool,
    /// How often the key in this place was replaced, plus one.
    pub version: u32,
}

impl Store {
    /// Stores a customer's key, in the place of the one with the same provider, refId and label if
    /// there is one.
    ///
    /// `seal` is called once, inside the transaction, with the id and version that the key is
    /// stored under, and which its seal has to be bound to: of two that race for one place, each
    /// is sealed for the version that it gets. It should not take long, since it holds up all
    /// other changes.
    ///
    /// # Errors
    /// [`StoreError::KeyExists`] when a key there forbids it: see [`Replace`], [`StoreError::NotFound`]
    /// without the project, [`StoreError::Database`].
    pub async fn connect_key(
        &self,
        project: &ProjectId,
        key: ConnectKey,
        seal: impl FnOnce(&ProviderKeyId, u32) -> SealedSecret + Send,
        by: &By,
    ) -> Result<Connected, StoreError> {
        let transaction = self.database().begin().await?;
        projects::require(&transaction, project).await?;
        let there = Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RefId.eq(key.ref_id.as_str()))
            .filter(Column::Provider.eq(key.provider.as_str()))
            .all(&transaction)
            .await?;
        if key.replace == Replace::OnlyInvalid {
            for row in &there {
                if key_status(TABLE, &row.status)? != KeyStatus::Invalid {
                    return Err(StoreError::KeyExists);
                }
            }
        }
        let found = there.into_iter().find(|row| row.label == key.label);

        let at = by.at.as_millis();
        let (id, version, updated, mut row) = match found {
            Some(old) => {
                let next = version(old.version)?
                    .checked_add(1)
                    .ok_or_else(|| StoreError::damaged(TABLE, "a version is out of range"))?;
                (ProviderKeyId::new(old.id.as_str()), next, true, old.into_active_model())
            }
            None => {
                if Entity::find_by_id(key.id.as_str()).one(&transaction).await?.is_some() {
                    return Err(StoreError::Taken("key"));
                }
                let row = ActiveModel {
                    id: Set(key.id.as_str().to_owned()),
                    project_id: Set(project.as_str().to_owned()),
                    provider: Set(key.provider.as_str().to_owned()),
                    ref_id: Set(key.ref_id.as_str().to_owned()),
                    label: Set(key.label),
                    priority: Set(0),
                    total_requests: Set(0),
                    total_tokens: Set(0),
                    created_at: Set(at),
                    ..Default::default()
                };
                (key.id, 1, false, row)
            }
        };
        if let Some(priority) = key.priority {
            row.priority = Set(priority);
        }
        row.hint = Set(key.hint.as_str().to_owned());
        row.status = Set(key.status.as_str().to_owned());
        row.last_error = Set(key.last_error);
        row.last_validated_at = Set(optional_millis(key.validated_at));
        row.config = Set(json(&key.config));
        row.sealed = Set(seal(&id, version).bytes);
        // What is known of a circuit is known of the key that was there.
        row.circuit_until = Set(None);
        row.circuit_cause = Set(None);
        row.check_due_at = Set(checks::first(key.validated_at, by.at).as_millis());
        row.check_tries = Set(0);
        row.version = Set(i64::from(version));
        row.updated_at = Set(at);
        let (action, row) = if updated {
            (Action::ProviderKeyUpdated, row.update(&transaction).await?)
        } else {
            (Action::ProviderKeyConnected, row.insert(&transaction).await?)
        };

        customers::ensure(&transaction, project, &key.ref_id, by.at).await?;
        let event = Event::ProviderKeyConnected { key: told(&row)?, status: key.status, updated };
        let mut metadata = describe(&row);
        metadata.insert("status", row.status.into());
        metadata.insert("version", version.into());
        let change = Change {
            project: Some(project),
            action,
            target: Target::ProviderKey,
            target_id: id.as_str(),
            metadata,
        };
        append(&transaction, self.audit_key(), change, by).await?;
        outbox::emit(&transaction, project, &event, by.at).await?;
        transaction.commit().await?;
        Ok(Connected { id, updated, version })
    }
}
