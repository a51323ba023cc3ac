//! Provider keys whose configuration holds a session token in the clear, to be sealed with the key.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A list to be worked off by who may open keys: looking for them at each start would read
        // every key there is.
        manager
            .create_table(
                Table::create()
                    .table("keys_to_reseal")
                    .col(ColumnDef::new("key_id").text().not_null().primary_key())
                    .to_owned(),
            )
            .await?;
        manager
            .get_connection()
            .execute_unprepared(
                "INSERT INTO keys_to_reseal (key_id) SELECT id FROM provider_keys \
                 WHERE config LIKE '%\"sessionToken\":%'",
            )
            .await?;
        Ok(())
    }
}
