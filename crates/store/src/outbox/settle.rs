//! Recording an attempt, and what follows from it.

use byok_domain::audit::{Action, Actor};
use byok_domain::{Timestamp, WebhookId};
use byok_webhooks::{Attempt, Claimed, Next, Reason};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction,
    EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, Statement, Value,
};

use super::status;
use crate::audit::{Change, Metadata, Target, append};
use crate::column::BACKEND;
use crate::entity::{webhook_attempts, webhook_deliveries};
use crate::{By, Store, StoreError};

impl Store {
    pub(super) async fn settle_delivery(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        next: Next,
    ) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let row = webhook_deliveries::Entity::find_by_id(claimed.delivery.as_str())
            .filter(webhook_deliveries::Column::ProjectId.eq(claimed.project.as_str()))
            .one(&transaction)
            .await?;
        // Removed meanwhile, with its endpoint or its project.
        let Some(row) = row else { return Ok(()) };
        insert_attempt(&transaction, &row.id, attempt).await?;
        if row.lease == claimed.lease {
            let (status, due_at) = match next {
                Next::Delivered => (status::DELIVERED, None),
                Next::Again(at) => (status::PENDING, Some(at.as_millis())),
                Next::GiveUp | Next::Disable(_) => (status::FAILED, None),
            };
            let tries = row.tries + 1;
            let mut row = row.into_active_model();
            row.status = Set(status.to_owned());
            row.due_at = Set(due_at);
            row.tries = Set(tries);
            row.updated_at = Set(attempt.ended().as_millis());
            row.update(&transaction).await?;
            judge_endpoint(&transaction, claimed, attempt).await?;
            if let Next::Disable(reason) = next {
                self.disable(&transaction, claimed, reason, attempt.ended()).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Sends nothing to an endpoint any more, what is on its way there included.
    async fn disable(
        &self,
        transaction: &DatabaseTransaction,
        claimed: &Claimed,
        reason: Reason,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        // Another attempt may have succeeded since this one was leased.
        let sql = "UPDATE webhook_endpoints SET disabled_at = $1, disabled_reason = $2, \
                   updated_at = $1 WHERE id = $3 AND project_id = $4 AND disabled_at IS NULL \
                   AND failing_since IS NOT NULL";
        let values = [
            at.as_millis().into(),
            reason.as_str().into(),
            claimed.endpoint.as_str().into(),
            claimed.project.as_str().into(),
        ];
        if run(transaction, sql, values).await? == 0 {
            return Ok(());
        }
        give_up(transaction, &claimed.endpoint, at).await?;
        let change = Change {
            project: Some(&claimed.project),
            action: Action::WebhookUpdated,
            target: Target::Webhook,
            target_id: claimed.endpoint.as_str(),
            metadata: Metadata::from([
                ("enabled", false.into()),
                ("reason", reason.as_str().into()),
            ]),
        };
        let by = By::new(Actor::system("webhooks"), at);
        append(transaction, self.audit_key(), change, &by).await
    }
}

async fn insert_attempt(
    transaction: &DatabaseTransaction,
    delivery: &str,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    let before = webhook_attempts::Entity::find()
        .filter(webhook_attempts::Column::DeliveryId.eq(delivery))
        .count(transaction)
        .await?;
    webhook_attempts::ActiveModel {
        delivery_id: Set(delivery.to_owned()),
        number: Set(i64::try_from(before).unwrap_or(i64::MAX - 1) + 1),
        at: Set(attempt.at.as_millis()),
        duration_ms: Set(attempt.duration_ms()),
        status: Set(attempt.outcome.status().map(i64::from)),
        error: Set(attempt.outcome.error().map(str::to_owned)),
    }
    .insert(transaction)
    .await?;
    Ok(())
}

/// Keeps since when nothing has succeeded at the endpoint.
async fn judge_endpoint(
    transaction: &DatabaseTransaction,
    claimed: &Claimed,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    let (sql, since) = if attempt.outcome.is_success() {
        let sql = "UPDATE webhook_endpoints SET failing_since = $1 \
                   WHERE id = $2 AND failing_since IS NOT NULL";
        (sql, None)
    } else {
        let sql = "UPDATE webhook_endpoints SET failing_since = $1 \
                   WHERE id = $2 AND failing_since IS NULL";
        (sql, Some(attempt.at.as_millis()))
    };
    run(transaction, sql, [since.into(), claimed.endpoint.as_str().into()]).await.map(drop)
}

/// Ends all deliveries that are on their way to an endpoint.
pub(crate) async fn give_up(
    transaction: &DatabaseTransaction,
    endpoint: &WebhookId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE webhook_deliveries SET status = $1, due_at = $2, lease = lease + 1, \
               updated_at = $3 WHERE endpoint_id = $4 AND due_at IS NOT NULL";
    let values = [
        status::FAILED.into(),
        None::<i64>.into(),
        at.as_millis().into(),
        endpoint.as_str().into(),
    ];
    run(transaction, sql, values).await.map(drop)
}

async fn run<const N: usize>(
    transaction: &DatabaseTransaction,
    sql: &str,
    values: [Value; N],
) -> Result<u64, StoreError> {
    let statement = Statement::from_sql_and_values(BACKEND, sql, values);
    Ok(transaction.execute_raw(statement).await?.rows_affected())
}
