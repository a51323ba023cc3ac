//! Changing and removing an endpoint.

use byok_domain::audit::Action;
use byok_domain::{ProjectId, WebhookId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter,
};

use super::{Webhook, read, require};
use crate::audit::{Change, Metadata, Target, append};
use crate::column::json;
use crate::entity::{webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_events};
use crate::outbox::give_up;
use crate::{By, Store, StoreError};

/// Why an endpoint that a request disabled is disabled.
const REQUEST: &str = "request";

/// What is to change of an endpoint; `None` leaves a part as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Another URL.
    pub url: Option<String>,
    /// Other filters.
    pub events: Option<Vec<String>>,
    /// Another description.
    pub description: Option<String>,
    /// Whether events are sent to it.
    pub enabled: Option<bool>,
}

impl Store {
    /// Changes an endpoint. Disabled, it gets nothing more of what is on its way; enabled again, or
    /// under another URL, it starts without a past.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn update_webhook(
        &self,
        project: &ProjectId,
        id: &WebhookId,
        change: WebhookChange,
        by: &By,
    ) -> Result<Webhook, StoreError> {
        let transaction = self.database().begin().await?;
        let row = require(&transaction, project, id).await?;
        let was_enabled = row.disabled_at.is_none();
        let mut row = row.into_active_model();
        let mut metadata = Metadata::new();
        if let Some(url) = change.url {
            // The URL itself may carry a secret of the receiver's.
            metadata.insert("url", "changed".into());
            row.url = Set(url);
            row.failing_since = Set(None);
        }
        if let Some(events) = change.events {
            metadata.insert("events", events.join(" ").into());
            row.events = Set(json(&events));
        }
        if let Some(description) = change.description {
            metadata.insert("description", description.clone().into());
            row.description = Set(description);
        }
        if let Some(enabled) = change.enabled {
            metadata.insert("enabled", enabled.into());
            if enabled && !was_enabled {
                row.failing_since = Set(None);
                row.disabled_at = Set(None);
                row.disabled_reason = Set(None);
            } else if !enabled && was_enabled {
                metadata.insert("reason", REQUEST.into());
                row.disabled_at = Set(Some(by.at.as_millis()));
                row.disabled_reason = Set(Some(REQUEST.to_owned()));
                give_up(&transaction, id, by.at).await?;
            }
        }
        row.updated_at = Set(by.at.as_millis());
        let row = row.update(&transaction).await?;
        let entry = Change {
            project: Some(project),
            action: Action::WebhookUpdated,
            target: Target::Webhook,
            target_id: id.as_str(),
            metadata,
        };
        append(&transaction, self.audit_key(), entry, by).await?;
        transaction.commit().await?;
        read(row)
    }

    /// Removes an endpoint with its secrets and its deliveries.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn delete_webhook(
        &self,
        project: &ProjectId,
        id: &WebhookId,
        by: &By,
    ) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let row = require(&transaction, project, id).await?;
        let of_endpoint = webhook_deliveries::Column::EndpointId.eq(id.as_str());
        remove_deliveries(&transaction, of_endpoint).await?;
        webhook_endpoints::Entity::delete_by_id(row.id).exec(&transaction).await?;
        let change = Change {
            project: Some(project),
            action: Action::WebhookDeleted,
            target: Target::Webhook,
            target_id: id.as_str(),
            metadata: Metadata::new(),
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Removes all of a project's webhooks, with what is on its way.
pub(crate) async fn remove_all(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
) -> Result<u64, StoreError> {
    let id = project.as_str();
    remove_deliveries(transaction, webhook_deliveries::Column::ProjectId.eq(id)).await?;
    webhook_events::Entity::delete_many()
        .filter(webhook_events::Column::ProjectId.eq(id))
        .exec(transaction)
        .await?;
    let endpoints = webhook_endpoints::Entity::delete_many()
        .filter(webhook_endpoints::Column::ProjectId.eq(id))
        .exec(transaction)
        .await?;
    Ok(endpoints.rows_affected)
}

async fn remove_deliveries(
    transaction: &DatabaseTransaction,
    which: sea_orm::sea_query::SimpleExpr,
) -> Result<(), StoreError> {
    let ids = sea_orm::sea_query::Query::select()
        .column(webhook_deliveries::Column::Id)
        .from(webhook_deliveries::Entity)
        .and_where(which.clone())
        .to_owned();
    webhook_attempts::Entity::delete_many()
        .filter(webhook_attempts::Column::DeliveryId.in_subquery(ids))
        .exec(transaction)
        .await?;
    webhook_deliveries::Entity::delete_many().filter(which).exec(transaction).await?;
    Ok(())
}
