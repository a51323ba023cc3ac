//! What a call was priced with, and what it needs to be priced later.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // JSON: the unit prices that entered the cost; the usage, where the columns of tokens do
        // not tell all of it. And the model that the answer named, of a call without a price.
        for column in ["unit_prices", "usage_detail", "answered_model"] {
            manager
                .alter_table(
                    Table::alter()
                        .table("calls")
                        .add_column(ColumnDef::new(column).text())
                        .to_owned(),
                )
                .await?;
        }
        // Few calls have no price; they are found without reading the others.
        dialect::execute(
            manager,
            &["CREATE INDEX calls_without_price ON calls (project_id, id) \
                WHERE cost_pico IS NULL AND (total_tokens IS NOT NULL OR usage_detail IS NOT NULL)"],
        )
        .await
    }
}
