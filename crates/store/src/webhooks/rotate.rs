//! Replacing an endpoint's secret.

use byok_domain::audit::Action;
use byok_domain::{ProjectId, Timestamp, WebhookId};
use byok_vault::SealedSecret;
use byok_webhooks::schedule::ROTATION_MS;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};

use super::{TABLE, Webhook, read, require, version};
use crate::audit::{Change, Metadata, Target, append};
use crate::{By, Store, StoreError};

impl Store {
    /// Gives an endpoint a new secret; the one before signs beside it for another day. Returns the
    /// endpoint, and until when that is.
    ///
    /// `seal` is called once, inside the transaction, with the version that the new secret has to
    /// be sealed for.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn rotate_webhook_secret(
        &self,
        project: &ProjectId,
        id: &WebhookId,
        seal: impl FnOnce(u32) -> SealedSecret + Send,
        by: &By,
    ) -> Result<(Webhook, Timestamp), StoreError> {
        let transaction = self.database().begin().await?;
        let row = require(&transaction, project, id).await?;
        let next = version(row.version)?
            .checked_add(1)
            .ok_or_else(|| StoreError::damaged(TABLE, "a version is out of range"))?;
        let previous = row.sealed.clone();
        let until = by.at.plus_millis(ROTATION_MS);
        let mut row = row.into_active_model();
        row.sealed = Set(seal(next).bytes);
        row.version = Set(i64::from(next));
        row.previous_sealed = Set(Some(previous));
        row.previous_until = Set(Some(until.as_millis()));
        row.updated_at = Set(by.at.as_millis());
        let row = row.update(&transaction).await?;
        let change = Change {
            project: Some(project),
            action: Action::WebhookUpdated,
            target: Target::Webhook,
            target_id: id.as_str(),
            metadata: Metadata::from([("secret", "rotated".into()), ("version", next.into())]),
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        Ok((read(row)?, until))
    }
}
