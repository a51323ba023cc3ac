//! Removing what is kept no longer, a part at a time.

use byok_domain::Timestamp;
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use crate::column::BACKEND;
use crate::entity::{customer_erasures, webhook_attempts, webhook_deliveries, webhook_events};
use crate::{Store, StoreError};

/// Rows of each table that one transaction removes.
const PART: u64 = 500;

impl Store {
    /// Removes deliveries that were last touched before `before`, with their attempts; events that
    /// have no delivery any more; what has been quiet until `now`; and who was erased before `before`:
    /// no journal is that far behind.
    pub(super) async fn prune_deliveries(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use webhook_deliveries::Column;
        let before = before.as_millis();
        let transaction = self.database().begin().await?;
        let deliveries: Vec<String> = webhook_deliveries::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::UpdatedAt.lt(before))
            .order_by_asc(Column::UpdatedAt)
            .limit(PART)
            .into_tuple()
            .all(&transaction)
            .await?;
        if !deliveries.is_empty() {
            webhook_attempts::Entity::delete_many()
                .filter(webhook_attempts::Column::DeliveryId.is_in(&deliveries))
                .exec(&transaction)
                .await?;
            webhook_deliveries::Entity::delete_many()
                .filter(Column::Id.is_in(&deliveries))
                .exec(&transaction)
                .await?;
        }
        let delivered = Query::select()
            .column(Column::EventId)
            .from(webhook_deliveries::Entity)
            .and_where(Column::EventId.is_not_null())
            .to_owned();
        let events: Vec<String> = webhook_events::Entity::find()
            .select_only()
            .column(webhook_events::Column::Id)
            .filter(webhook_events::Column::CreatedAt.lt(before))
            .filter(webhook_events::Column::Id.not_in_subquery(delivered))
            .limit(PART)
            .into_tuple()
            .all(&transaction)
            .await?;
        if !events.is_empty() {
            webhook_events::Entity::delete_many()
                .filter(webhook_events::Column::Id.is_in(&events))
                .exec(&transaction)
                .await?;
        }
        let sql = "DELETE FROM webhook_debounces WHERE quiet_until <= $1";
        let quiet = Statement::from_sql_and_values(BACKEND, sql, [now.as_millis().into()]);
        transaction.execute_raw(quiet).await?;
        customer_erasures::Entity::delete_many()
            .filter(customer_erasures::Column::ErasedAt.lt(before))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(deliveries.len().max(events.len()) as u64 == PART)
    }
}
