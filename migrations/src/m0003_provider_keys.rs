//! Customers' provider keys, sealed, and the objects that were made with them at providers.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("provider_keys")
                    .col(ColumnDef::new("id").text().not_null().primary_key())
                    .col(ColumnDef::new("project_id").text().not_null())
                    .col(ColumnDef::new("provider").text().not_null())
                    .col(ColumnDef::new("ref_id").text().not_null())
                    .col(ColumnDef::new("label").text().not_null())
                    .col(ColumnDef::new("priority").integer().not_null())
                    .col(ColumnDef::new("hint").text().not_null())
                    .col(ColumnDef::new("status").text().not_null())
                    .col(ColumnDef::new("last_error").text())
                    .col(ColumnDef::new("last_validated_at").big_integer())
                    .col(ColumnDef::new("last_used_at").big_integer())
                    .col(ColumnDef::new("total_requests").big_integer().not_null())
                    .col(ColumnDef::new("total_tokens").big_integer().not_null())
                    .col(ColumnDef::new("config").text().not_null())
                    .col(ColumnDef::new("sealed").blob().not_null())
                    .col(ColumnDef::new("version").big_integer().not_null())
                    .col(ColumnDef::new("created_at").big_integer().not_null())
                    .col(ColumnDef::new("updated_at").big_integer().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .from("provider_keys", "project_id")
                            .to("projects", "id"),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("provider_keys_by_owner")
                    .table("provider_keys")
                    .col("project_id")
                    .col("ref_id")
                    .col("provider")
                    .col("label")
                    .unique()
                    .to_owned(),
            )
            .await?;
        let objects = Table::create()
            .table("provider_objects")
            .col(ColumnDef::new("project_id").text().not_null())
            .col(ColumnDef::new("provider").text().not_null())
            .col(ColumnDef::new("kind").text().not_null())
            .col(ColumnDef::new("object_id").text().not_null())
            .col(ColumnDef::new("ref_id").text().not_null())
            .col(ColumnDef::new("key_id").text())
            .primary_key(
                Index::create().col("project_id").col("provider").col("kind").col("object_id"),
            )
            .to_owned();
        dialect::create_clustered(manager, &objects).await
    }
}
