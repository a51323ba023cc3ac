//! Making an endpoint.

use byok_domain::audit::Action;
use byok_domain::{ProjectId, WebhookId};
use byok_vault::SealedSecret;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
};

use super::{Webhook, read};
use crate::audit::{Change, Metadata, Target, append};
use crate::column::json;
use crate::entity::webhook_endpoints::{ActiveModel, Column, Entity};
use crate::{By, Store, StoreError, projects};

/// The most endpoints a project has: each event goes to every one of them.
const MOST: u64 = 20;

/// An endpoint to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Its id, not used before.
    pub id: WebhookId,
    /// Where events are delivered to.
    pub url: String,
    /// Which events it wants, each a filter.
    pub events: Vec<String>,
    /// For people.
    pub description: String,
    /// Its secret, sealed for this id and version 1.
    pub sealed: SealedSecret,
}

impl Store {
    /// Makes an endpoint.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] when the project has twenty, [`StoreError::NotFound`] without the
    /// project, [`StoreError::Database`].
    pub async fn create_webhook(
        &self,
        project: &ProjectId,
        new: NewWebhook,
        by: &By,
    ) -> Result<Webhook, StoreError> {
        let transaction = self.database().begin().await?;
        projects::require(&transaction, project).await?;
        let there = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        if there.count(&transaction).await? >= MOST {
            return Err(StoreError::TooMany("webhooks"));
        }
        let metadata = Metadata::from([
            ("description", new.description.clone().into()),
            ("events", new.events.join(" ").into()),
        ]);
        let row = ActiveModel {
            id: Set(new.id.as_str().to_owned()),
            project_id: Set(project.as_str().to_owned()),
            url: Set(new.url),
            events: Set(json(&new.events)),
            description: Set(new.description),
            sealed: Set(new.sealed.bytes),
            version: Set(1),
            previous_sealed: Set(None),
            previous_until: Set(None),
            failing_since: Set(None),
            disabled_at: Set(None),
            disabled_reason: Set(None),
            created_at: Set(by.at.as_millis()),
            updated_at: Set(by.at.as_millis()),
        }
        .insert(&transaction)
        .await?;
        let change = Change {
            project: Some(project),
            action: Action::WebhookCreated,
            target: Target::Webhook,
            target_id: &row.id,
            metadata,
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        read(row)
    }
}
