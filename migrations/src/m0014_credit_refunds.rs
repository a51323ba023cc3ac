//! Refunds of one call are found without reading its customer's whole ledger.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX credit_refunds_by_request ON credit_entries (project_id, request_id) \
                 WHERE kind = 'refund'",
            )
            .await?;
        Ok(())
    }
}
