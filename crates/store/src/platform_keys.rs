//! The platform's own keys, which credits pay for: one a provider, sealed.

use byok_domain::audit::Action;
use byok_domain::{
    KeyHint, KeyStatus, ProjectId, ProviderConfig, ProviderId, ProviderKeyId, Timestamp,
};
use byok_gateway::PlatformKey;
use byok_vault::SealedSecret;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::audit::{Change, Metadata, Target, append};
use crate::column::{from_json, json, key_status, optional_millis, optional_time, storable, time};
use crate::entity::platform_keys::{ActiveModel, Column, Entity, Model};
use crate::{By, Store, StoreError, projects};

const TABLE: &str = "platform_keys";

/// A platform's key as it is shown: everything but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformKeyRow {
    /// Its id.
    pub id: ProviderKeyId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// The part of it that people may see.
    pub hint: KeyHint,
    /// What the provider said of it when it was stored.
    pub status: KeyStatus,
    /// Why it is not valid.
    pub last_error: Option<String>,
    /// When the provider said so.
    pub last_validated_at: Option<Timestamp>,
    /// What belongs to it beside the secret.
    pub config: ProviderConfig,
    /// When one was first stored for the provider.
    pub created_at: Timestamp,
    /// When this one was.
    pub updated_at: Timestamp,
}

/// A platform's key to be stored.
#[derive(Clone, Debug)]
pub struct NewPlatformKey {
    /// The id it gets when the provider has none yet; one it replaces keeps its own.
    pub id: ProviderKeyId,
    /// The provider it is for.
    pub provider: ProviderId,
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
}

impl Store {
    /// Stores the platform's key for a provider, in the place of the one that is there. Returns it
    /// with whether it took another's place.
    ///
    /// `seal` is called once, inside the transaction, with the id and version to bind the seal to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the project, [`StoreError::Database`].
    pub async fn set_platform_key(
        &self,
        project: &ProjectId,
        key: NewPlatformKey,
        seal: impl FnOnce(&ProviderKeyId, u32) -> SealedSecret + Send,
        by: &By,
    ) -> Result<(PlatformKeyRow, bool), StoreError> {
        let transaction = self.database().begin().await?;
        projects::require(&transaction, project).await?;
        let at = by.at.as_millis();
        let there = find(&transaction, project, &key.provider).await?;
        let updated = there.is_some();
        let (id, version, mut row) = match there {
            Some(old) => {
                let next = version(old.version)?
                    .checked_add(1)
                    .ok_or_else(|| StoreError::damaged(TABLE, "a version is out of range"))?;
                (ProviderKeyId::new(old.id.as_str()), next, old.into_active_model())
            }
            None => {
                let row = ActiveModel {
                    project_id: Set(project.as_str().to_owned()),
                    provider: Set(key.provider.as_str().to_owned()),
                    id: Set(key.id.as_str().to_owned()),
                    created_at: Set(at),
                    ..Default::default()
                };
                (key.id, 1, row)
            }
        };
        row.hint = Set(key.hint.as_str().to_owned());
        row.status = Set(key.status.as_str().to_owned());
        row.last_error = Set(key.last_error);
        row.last_validated_at = Set(optional_millis(key.validated_at));
        row.config = Set(json(&key.config));
        row.sealed = Set(seal(&id, version).bytes);
        row.version = Set(i64::from(version));
        row.updated_at = Set(at);
        let row = if updated {
            row.update(&transaction).await?
        } else {
            row.insert(&transaction).await?
        };
        let mut metadata = describe(&row);
        metadata.insert("status", row.status.clone().into());
        metadata.insert("version", version.into());
        let change = Change {
            project: Some(project),
            action: Action::PlatformKeyUpdated,
            target: Target::PlatformKey,
            target_id: id.as_str(),
            metadata,
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        Ok((read(row)?, updated))
    }

    /// Removes the platform's key for a provider. Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        by: &By,
    ) -> Result<bool, StoreError> {
        let transaction = self.database().begin().await?;
        let Some(row) = find(&transaction, project, provider).await? else { return Ok(false) };
        let change = Change {
            project: Some(project),
            action: Action::PlatformKeyRemoved,
            target: Target::PlatformKey,
            target_id: &row.id,
            metadata: describe(&row),
        };
        append(&transaction, self.audit_key(), change, by).await?;
        Entity::delete_by_id((row.project_id, row.provider)).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The platform's key for a provider, as it is shown.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
    ) -> Result<Option<PlatformKeyRow>, StoreError> {
        find(self.database().reader(), project, provider).await?.map(read).transpose()
    }

    /// The platform's key for a provider with its seal: for one who may open it.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn sealed_platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
    ) -> Result<Option<PlatformKey>, StoreError> {
        let Some(row) = find(self.database().reader(), project, provider).await? else {
            return Ok(None);
        };
        Ok(Some(PlatformKey {
            id: ProviderKeyId::new(row.id),
            project: ProjectId::new(row.project_id),
            provider: ProviderId::new(row.provider),
            config: from_json(TABLE, &row.config)?,
            sealed: SealedSecret { bytes: row.sealed },
            version: version(row.version)?,
        }))
    }

    /// The providers that a project has a key of its own for, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn platform_providers(
        &self,
        project: &ProjectId,
    ) -> Result<Vec<ProviderId>, StoreError> {
        let rows = Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .order_by_asc(Column::Provider)
            .all(self.database().reader())
            .await?;
        Ok(rows.into_iter().map(|row| ProviderId::new(row.provider)).collect())
    }
}

pub(crate) async fn any(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
) -> Result<bool, StoreError> {
    let there = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
    Ok(there.count(connection).await? > 0)
}

async fn find(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    provider: &ProviderId,
) -> Result<Option<Model>, StoreError> {
    if !storable(provider.as_str()) {
        return Ok(None);
    }
    let place = (project.as_str().to_owned(), provider.as_str().to_owned());
    Ok(Entity::find_by_id(place).one(connection).await?)
}

fn read(row: Model) -> Result<PlatformKeyRow, StoreError> {
    Ok(PlatformKeyRow {
        id: ProviderKeyId::new(row.id),
        provider: ProviderId::new(row.provider),
        hint: KeyHint::stored(row.hint),
        status: key_status(TABLE, &row.status)?,
        last_error: row.last_error,
        last_validated_at: optional_time(row.last_validated_at),
        config: from_json(TABLE, &row.config)?,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}

fn version(version: i64) -> Result<u32, StoreError> {
    u32::try_from(version).map_err(|_| StoreError::damaged(TABLE, "a version is out of range"))
}

fn describe(row: &Model) -> Metadata {
    Metadata::from([
        ("keyHint", row.hint.clone().into()),
        ("provider", row.provider.clone().into()),
    ])
}
