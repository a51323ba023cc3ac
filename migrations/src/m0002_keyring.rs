//! What the encryption keys seal directly: data keys, the installation's own secrets, check records.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("data_keys")
                    .col(ColumnDef::new("project_id").text().not_null().primary_key())
                    .col(ColumnDef::new("kid").text().not_null())
                    .col(ColumnDef::new("sealed").blob().not_null())
                    .foreign_key(
                        ForeignKey::create().from("data_keys", "project_id").to("projects", "id"),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("data_keys_by_kid")
                    .table("data_keys")
                    .col("kid")
                    .col("project_id")
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("roots")
                    .col(ColumnDef::new("name").text().not_null().primary_key())
                    .col(ColumnDef::new("kid").text().not_null())
                    .col(ColumnDef::new("sealed").blob().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("keyring_checks")
                    .col(ColumnDef::new("kid").text().not_null().primary_key())
                    .col(ColumnDef::new("record").blob().not_null())
                    .to_owned(),
            )
            .await
    }
}
