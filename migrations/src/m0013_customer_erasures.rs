//! Customers who were erased of late, by a keyed hash of their names: what is told of them later
//! stays under the name that took the place of theirs.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("customer_erasures")
                    .col(ColumnDef::new("project_id").text().not_null())
                    .col(ColumnDef::new("ref_id_hash").text().not_null())
                    .col(ColumnDef::new("tombstone").text().not_null())
                    .col(ColumnDef::new("erased_at").big_integer().not_null())
                    .primary_key(
                        Index::create().col("project_id").col("ref_id_hash").col("tombstone"),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("customer_erasures_by_age")
                    .table("customer_erasures")
                    .col("erased_at")
                    .to_owned(),
            )
            .await
    }
}
