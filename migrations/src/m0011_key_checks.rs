//! When each customer's provider key is asked about next.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [
            // Or, while it is being asked about, when another may do so. A server of an older version
            // knows nothing of it: a key that one connects is due at once.
            ColumnDef::new("check_due_at").big_integer().not_null().default(0).take(),
            // How often the provider could not be asked since it last told anything.
            ColumnDef::new("check_tries").big_integer().not_null().default(0).take(),
        ] {
            let change = Table::alter().table("provider_keys").add_column(column).to_owned();
            manager.alter_table(change).await?;
        }
        // The keys that are there already are spread over the first day.
        dialect::execute_each(
            manager,
            &["UPDATE provider_keys SET check_due_at = \
               CAST(strftime('%s', 'now') AS INTEGER) * 1000 + (random() & 2147483647) % 86400000"],
            &["UPDATE provider_keys SET check_due_at = \
               floor(extract(epoch FROM now()) * 1000 + random() * 86400000)::bigint"],
        )
        .await?;
        manager
            .create_index(
                Index::create()
                    .name("provider_keys_by_check")
                    .table("provider_keys")
                    .col("check_due_at")
                    .col("id")
                    .to_owned(),
            )
            .await
    }
}
