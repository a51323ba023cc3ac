//! Objects that their provider forgets after a while need not be known for longer.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in [
            "ALTER TABLE provider_objects ADD COLUMN ends_at BIGINT",
            "CREATE INDEX provider_objects_by_end ON provider_objects (ends_at) \
             WHERE ends_at IS NOT NULL",
        ] {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
