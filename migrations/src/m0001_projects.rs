//! Projects and the tokens that open them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("projects")
                    .col(ColumnDef::new("id").text().not_null().primary_key())
                    .col(ColumnDef::new("name").text().not_null())
                    .col(ColumnDef::new("environment").text().not_null())
                    .col(ColumnDef::new("allowed_origins").text().not_null())
                    .col(ColumnDef::new("pricing").text().not_null())
                    .col(ColumnDef::new("settings").text().not_null())
                    .col(ColumnDef::new("created_at").big_integer().not_null())
                    .col(ColumnDef::new("updated_at").big_integer().not_null())
                    .col(ColumnDef::new("deleted_at").big_integer())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("api_keys")
                    .col(ColumnDef::new("id").text().not_null().primary_key())
                    .col(ColumnDef::new("project_id").text().not_null())
                    .col(ColumnDef::new("kind").text().not_null())
                    .col(ColumnDef::new("name").text().not_null())
                    .col(ColumnDef::new("hint").text().not_null())
                    .col(ColumnDef::new("digest").blob().not_null())
                    .col(ColumnDef::new("ref_id").text())
                    .col(ColumnDef::new("expires_at").big_integer())
                    .col(ColumnDef::new("created_at").big_integer().not_null())
                    .col(ColumnDef::new("revoked_at").big_integer())
                    .foreign_key(
                        ForeignKey::create().from("api_keys", "project_id").to("projects", "id"),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("api_keys_by_digest")
                    .table("api_keys")
                    .col("digest")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("api_keys_by_project")
                    .table("api_keys")
                    .col("project_id")
                    .col("created_at")
                    .to_owned(),
            )
            .await
    }
}
