//! Reading the audit log.

use byok_domain::audit::{Action, ActorType};
use byok_domain::{ProjectId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::column::{from_json, parsed, time};
use crate::entity::audit_log::{Column, Entity, Model};
use crate::{Database, Listing, Page, Store, StoreError};

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its place in the chain.
    pub sequence: i64,
    /// Its id.
    pub id: String,
    /// The project it concerns; `None` for the whole installation.
    pub project: Option<ProjectId>,
    /// What was done.
    pub action: Action,
    /// The kind of actor.
    pub actor_type: ActorType,
    /// The actor.
    pub actor_id: String,
    /// The address the request came from.
    pub ip: Option<String>,
    /// The kind of object.
    pub target_type: String,
    /// The object.
    pub target_id: String,
    /// Ids and masked data.
    pub metadata: Value,
    /// When.
    pub created_at: Timestamp,
    /// The hash of the entry before.
    pub prev_hash: String,
    /// The hash of this entry.
    pub hash: String,
}

/// Which entries are wanted; all parts have to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this action.
    pub action: Option<Action>,
    /// By this kind of actor.
    pub actor_type: Option<ActorType>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Database {
    /// Whether anything has been written to the audit log.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn holds_audit_entries(&self) -> Result<bool, StoreError> {
        Ok(Entity::find().one(self.reader()).await?.is_some())
    }
}

impl Store {
    /// A project's entries, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn audit_log(
        &self,
        project: &ProjectId,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>, StoreError> {
        let of_project = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        self.audit_entries(of_project, filter, page).await
    }

    /// The entries of all projects and of the installation, newest first: the operator's view.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn audit_log_of_installation(
        &self,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>, StoreError> {
        self.audit_entries(Entity::find(), filter, page).await
    }

    async fn audit_entries(
        &self,
        mut query: sea_orm::Select<Entity>,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>, StoreError> {
        if let Some(action) = filter.action {
            query = query.filter(Column::Action.eq(action.as_str()));
        }
        if let Some(actor_type) = filter.actor_type {
            query = query.filter(Column::ActorType.eq(actor_type.as_str()));
        }
        if let Some(since) = filter.since {
            query = query.filter(Column::CreatedAt.gte(since.as_millis()));
        }
        if let Some(until) = filter.until {
            query = query.filter(Column::CreatedAt.lt(until.as_millis()));
        }
        let reader = self.database().reader();
        let total = query.clone().count(reader).await?;
        let data = query
            .order_by_desc(Column::Sequence)
            .limit(page.limit)
            .offset(page.offset)
            .all(reader)
            .await?;
        Listing { data, total }.try_map(entry)
    }
}

fn entry(row: Model) -> Result<AuditEntry, StoreError> {
    const TABLE: &str = "audit_log";
    Ok(AuditEntry {
        sequence: row.sequence,
        id: row.id,
        project: row.project_id.map(ProjectId::new),
        action: parsed(TABLE, &row.action, Action::parse)?,
        actor_type: parsed(TABLE, &row.actor_type, ActorType::parse)?,
        actor_id: row.actor_id,
        ip: row.ip,
        target_type: row.target_type,
        target_id: row.target_id,
        metadata: from_json::<Value>(TABLE, &row.metadata)?,
        created_at: time(row.created_at),
        prev_hash: row.prev_hash,
        hash: row.hash,
    })
}
