//! The request log, its hourly roll-ups, and how far each journal has been applied.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The id is a version 7 UUID: within a project the primary key is the order of time.
        let calls = Table::create()
            .table("calls")
            .col(ColumnDef::new("project_id").text().not_null())
            .col(ColumnDef::new("id").blob().not_null())
            .col(ColumnDef::new("ref_id").text().not_null())
            .col(ColumnDef::new("provider").text().not_null())
            .col(ColumnDef::new("model").text())
            .col(ColumnDef::new("operation").text().not_null())
            .col(ColumnDef::new("key_id").text())
            .col(ColumnDef::new("source").text().not_null())
            .col(ColumnDef::new("status").integer().not_null())
            .col(ColumnDef::new("error").text())
            .col(ColumnDef::new("streamed").boolean().not_null())
            .col(ColumnDef::new("input_tokens").big_integer())
            .col(ColumnDef::new("output_tokens").big_integer())
            .col(ColumnDef::new("total_tokens").big_integer())
            .col(ColumnDef::new("cache_read_tokens").big_integer())
            .col(ColumnDef::new("cache_write_tokens").big_integer())
            .col(ColumnDef::new("reasoning_tokens").big_integer())
            .col(ColumnDef::new("usage_estimated").boolean().not_null())
            .col(ColumnDef::new("customer_reported").boolean().not_null())
            .col(ColumnDef::new("cost_pico").big_integer())
            .col(ColumnDef::new("latency_ms").big_integer().not_null())
            .col(ColumnDef::new("first_byte_ms").big_integer())
            .primary_key(Index::create().col("project_id").col("id"))
            .to_owned();
        dialect::create_clustered(manager, &calls).await?;
        manager
            .create_index(
                Index::create()
                    .name("calls_by_ref_id")
                    .table("calls")
                    .col("project_id")
                    .col("ref_id")
                    .col("id")
                    .to_owned(),
            )
            .await?;

        // A sum of costs is `cost_usd` whole dollars and `cost_pico` picodollars below one dollar:
        // neither part overflows where a plain sum of picodollars would, at 9.2 million dollars.
        let hourly = Table::create()
            .table("usage_hourly")
            .col(ColumnDef::new("project_id").text().not_null())
            .col(ColumnDef::new("hour").big_integer().not_null())
            .col(ColumnDef::new("provider").text().not_null())
            .col(ColumnDef::new("model").text().not_null())
            .col(ColumnDef::new("ref_id").text().not_null())
            .col(ColumnDef::new("source").text().not_null())
            .col(ColumnDef::new("requests").big_integer().not_null())
            .col(ColumnDef::new("succeeded").big_integer().not_null())
            .col(ColumnDef::new("input_tokens").big_integer().not_null())
            .col(ColumnDef::new("output_tokens").big_integer().not_null())
            .col(ColumnDef::new("total_tokens").big_integer().not_null())
            .col(ColumnDef::new("cache_read_tokens").big_integer().not_null())
            .col(ColumnDef::new("cache_write_tokens").big_integer().not_null())
            .col(ColumnDef::new("reasoning_tokens").big_integer().not_null())
            .col(ColumnDef::new("cost_usd").big_integer().not_null())
            .col(ColumnDef::new("cost_pico").big_integer().not_null())
            .col(ColumnDef::new("priced_requests").big_integer().not_null())
            .col(ColumnDef::new("unpriced_requests").big_integer().not_null())
            .col(ColumnDef::new("unpriced_tokens").big_integer().not_null())
            .col(ColumnDef::new("unknown_usage_requests").big_integer().not_null())
            .primary_key(
                Index::create()
                    .col("project_id")
                    .col("hour")
                    .col("provider")
                    .col("model")
                    .col("ref_id")
                    .col("source"),
            )
            .to_owned();
        dialect::create_clustered(manager, &hourly).await?;

        manager
            .create_table(
                Table::create()
                    .table("journal_positions")
                    .col(ColumnDef::new("journal").text().not_null().primary_key())
                    .col(ColumnDef::new("sequence").big_integer().not_null())
                    .to_owned(),
            )
            .await
    }
}
