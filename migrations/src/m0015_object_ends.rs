//! Objects that their provider forgets after a while need not be known for longer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm_migration::prelude::*;

/// How long responses are known.
const KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // When those that are there were made, nobody has noted.
        let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ends = (made + KEPT).as_millis();
        for statement in [
            "ALTER TABLE provider_objects ADD COLUMN ends_at BIGINT",
            &format!("UPDATE provider_objects SET ends_at = {ends} WHERE kind = 'response'"),
            "CREATE INDEX provider_objects_by_end ON provider_objects (ends_at) \
             WHERE ends_at IS NOT NULL",
        ] {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
