//! What callers tell repeats of their calls by, where credits pay.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(idempotency_keys()).await?;
        let by_end = Index::create()
            .name("idempotency_keys_by_end")
            .table("idempotency_keys")
            .col("expires_at")
            .to_owned();
        manager.create_index(by_end).await?;
        // Holds are few at any time, and looked through twice a minute; each was written to this.
        let unused =
            Index::drop().name("credit_holds_by_deadline").table("credit_holds").to_owned();
        manager.drop_index(unused).await
    }
}

/// Which call a key is that of, until its time is over.
fn idempotency_keys() -> TableCreateStatement {
    Table::create()
        .table("idempotency_keys")
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("ref_id").text().not_null())
        .col(ColumnDef::new("key_digest").blob().not_null())
        .col(ColumnDef::new("body_digest").blob().not_null())
        .col(ColumnDef::new("request_id").blob().not_null())
        // The keys of the ledger's entries that charge the call and give back what was held for it.
        .col(ColumnDef::new("settled_by").text().not_null())
        .col(ColumnDef::new("released_by").text().not_null())
        .col(ColumnDef::new("expires_at").big_integer().not_null())
        .primary_key(Index::create().col("project_id").col("ref_id").col("key_digest"))
        .to_owned()
}
