//! Projects: made with their keys, changed, removed with their secrets.

use byok_domain::audit::Action;
use byok_domain::credential::Environment;
use byok_domain::origin::Allowlist;
use byok_domain::{ProjectId, ProjectSettings, SettingsChange, Timestamp};
use byok_vault::SealedDataKey;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction,
    EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::{Map, Value};

use crate::api_keys::insert_api_key;
use crate::audit::{Change, Metadata, Target, append};
use crate::column::{from_json, json, parsed, storable, time};
use crate::entity::{
    api_keys, customers, data_keys, platform_keys, projects, provider_keys, provider_objects,
};
use crate::{By, Listing, NewApiKey, Page, Store, StoreError, webhooks};

pub(crate) const TABLE: &str = "projects";

/// A project to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Its id, not used before.
    pub id: ProjectId,
    /// Its name, for people.
    pub name: String,
    /// Live or test.
    pub environment: Environment,
    /// The key its provider keys will be sealed under.
    pub data_key: SealedDataKey,
    /// Its first tokens.
    pub api_keys: Vec<NewApiKey>,
}

/// A project.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name, for people.
    pub name: String,
    /// Live or test.
    pub environment: Environment,
    /// Origins that publishable keys may be used from.
    pub allowed_origins: Allowlist,
    /// What is set for its calls.
    pub settings: ProjectSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is to change of a project; `None` leaves a part as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectChange {
    /// A new name.
    pub name: Option<String>,
    /// What to set; the other settings stay.
    pub settings: SettingsChange,
}

impl Store {
    /// Makes a project with its data key and its first tokens.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the id or a token exists already, [`StoreError::Database`].
    pub async fn create_project(&self, new: NewProject, by: &By) -> Result<Project, StoreError> {
        let transaction = self.database().begin().await?;
        if projects::Entity::find_by_id(new.id.as_str()).one(&transaction).await?.is_some() {
            return Err(StoreError::Taken("project"));
        }
        let row = projects::ActiveModel {
            id: Set(new.id.as_str().to_owned()),
            name: Set(new.name.clone()),
            environment: Set(new.environment.as_str().to_owned()),
            allowed_origins: Set(json(&Allowlist::default())),
            pricing: Set("{}".to_owned()),
            settings: Set("{}".to_owned()),
            routing: Set("{}".to_owned()),
            tiers: Set("[]".to_owned()),
            created_at: Set(by.at.as_millis()),
            updated_at: Set(by.at.as_millis()),
            deleted_at: Set(None),
        }
        .insert(&transaction)
        .await?;
        data_keys::ActiveModel {
            project_id: Set(new.id.as_str().to_owned()),
            kid: Set(new.data_key.kid),
            sealed: Set(new.data_key.bytes),
        }
        .insert(&transaction)
        .await?;
        let metadata = Metadata::from([
            ("environment", new.environment.as_str().into()),
            ("name", new.name.into()),
        ]);
        self.append_of_project(&transaction, Action::ProjectCreated, &new.id, metadata, by).await?;
        for api_key in new.api_keys {
            insert_api_key(&transaction, self.audit_key(), &new.id, api_key, by).await?;
        }
        transaction.commit().await?;
        read(row)
    }

    /// All projects, oldest first: the operator's view.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn projects(&self, page: Page) -> Result<Listing<Project>, StoreError> {
        let query = projects::Entity::find().filter(projects::Column::DeletedAt.is_null());
        let total = query.clone().count(self.database().reader()).await?;
        let data = query
            .order_by_asc(projects::Column::CreatedAt)
            .order_by_asc(projects::Column::Id)
            .limit(page.limit)
            .offset(page.offset)
            .all(self.database().reader())
            .await?;
        Listing { data, total }.try_map(read)
    }

    /// A project, unless removed.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn project(&self, project: &ProjectId) -> Result<Option<Project>, StoreError> {
        find(self.database().reader(), project).await?.map(read).transpose()
    }

    /// Changes a project's name or settings.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn update_project(
        &self,
        project: &ProjectId,
        change: ProjectChange,
        by: &By,
    ) -> Result<Project, StoreError> {
        let transaction = self.database().begin().await?;
        let row = require(&transaction, project).await?;
        let mut settings: Map<String, Value> = from_json(TABLE, &row.settings)?;
        let mut row = row.into_active_model();
        let mut metadata = Metadata::new();
        if let Some(name) = change.name {
            metadata.insert("name", name.clone().into());
            row.name = Set(name);
        }
        if !change.settings.is_empty() {
            let SettingsChange { include_usage, client_gone } = change.settings;
            let include_usage = include_usage.map(|asks| ("includeUsage", Value::from(asks)));
            let client_gone = client_gone.map(|way| ("clientGone", way.as_str().into()));
            for (name, value) in include_usage.into_iter().chain(client_gone) {
                metadata.insert(name, value.clone());
                settings.insert(name.to_owned(), value);
            }
            row.settings = Set(json(&settings));
        }
        row.updated_at = Set(by.at.as_millis());
        let row = row.update(&transaction).await?;
        self.append_of_project(&transaction, Action::ProjectUpdated, project, metadata, by).await?;
        transaction.commit().await?;
        read(row)
    }

    /// Removes a project with its tokens, its customers' provider keys, its webhooks and its data key, without
    /// which no copy of those keys can be read any more. What was used stays on record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn delete_project(&self, project: &ProjectId, by: &By) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let mut row = require(&transaction, project).await?.into_active_model();
        let id = project.as_str();
        let keys = provider_keys::Entity::delete_many()
            .filter(provider_keys::Column::ProjectId.eq(id))
            .exec(&transaction)
            .await?;
        provider_objects::Entity::delete_many()
            .filter(provider_objects::Column::ProjectId.eq(id))
            .exec(&transaction)
            .await?;
        platform_keys::Entity::delete_many()
            .filter(platform_keys::Column::ProjectId.eq(id))
            .exec(&transaction)
            .await?;
        customers::Entity::delete_many()
            .filter(customers::Column::ProjectId.eq(id))
            .exec(&transaction)
            .await?;
        let webhooks = webhooks::remove_all(&transaction, project).await?;
        data_keys::Entity::delete_by_id(id).exec(&transaction).await?;
        let tokens = api_keys::Entity::delete_many()
            .filter(api_keys::Column::ProjectId.eq(id))
            .exec(&transaction)
            .await?;
        row.updated_at = Set(by.at.as_millis());
        row.deleted_at = Set(Some(by.at.as_millis()));
        row.update(&transaction).await?;
        let metadata = Metadata::from([
            ("apiKeys", tokens.rows_affected.into()),
            ("providerKeys", keys.rows_affected.into()),
            ("webhooks", webhooks.into()),
        ]);
        self.append_of_project(&transaction, Action::ProjectDeleted, project, metadata, by).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Writes to the audit log what happened to a project as a whole.
    pub(crate) async fn append_of_project(
        &self,
        transaction: &DatabaseTransaction,
        action: Action,
        project: &ProjectId,
        metadata: Metadata,
        by: &By,
    ) -> Result<(), StoreError> {
        let change = Change {
            project: Some(project),
            action,
            target: Target::Project,
            target_id: project.as_str(),
            metadata,
        };
        append(transaction, self.audit_key(), change, by).await
    }
}

/// A project's row, unless removed.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
) -> Result<Option<projects::Model>, StoreError> {
    if !storable(project.as_str()) {
        return Ok(None);
    }
    Ok(projects::Entity::find_by_id(project.as_str())
        .filter(projects::Column::DeletedAt.is_null())
        .one(connection)
        .await?)
}

/// A project's row, which has to be there for something of it to change.
pub(crate) async fn require(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
) -> Result<projects::Model, StoreError> {
    find(connection, project).await?.ok_or(StoreError::NotFound("project"))
}

fn read(row: projects::Model) -> Result<Project, StoreError> {
    Ok(Project {
        id: ProjectId::new(row.id),
        name: row.name,
        environment: parsed(TABLE, &row.environment, Environment::parse)?,
        allowed_origins: from_json(TABLE, &row.allowed_origins)?,
        settings: from_json(TABLE, &row.settings)?,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}
