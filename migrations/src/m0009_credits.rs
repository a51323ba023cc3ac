//! Who pays: routing and plans of a project, the platform's own keys, customers and their credits.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [
            ("projects", ColumnDef::new("routing").text().not_null().default("{}").take()),
            ("projects", ColumnDef::new("tiers").text().not_null().default("[]").take()),
            ("provider_keys", ColumnDef::new("circuit_until").big_integer().take()),
            ("provider_keys", ColumnDef::new("circuit_cause").text().take()),
            // What credits were charged, why they were, and the attempts before, as JSON.
            ("calls", ColumnDef::new("credits").big_integer().take()),
            ("calls", ColumnDef::new("fallback").text().take()),
            ("calls", ColumnDef::new("attempts").text().take()),
            ("usage_hourly", ColumnDef::new("credits").big_integer().not_null().default(0).take()),
        ] {
            let change = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(change).await?;
        }
        for table in [platform_keys(), customers(), accounts(), entries(), holds()] {
            manager.create_table(table).await?;
        }
        for index in [
            Index::create()
                .name("credit_entries_once")
                .table("credit_entries")
                .col("project_id")
                .col("idempotency_key")
                .col("ref_id")
                .unique()
                .to_owned(),
            Index::create()
                .name("credit_entries_by_customer")
                .table("credit_entries")
                .col("project_id")
                .col("ref_id")
                .col("sequence")
                .to_owned(),
            Index::create()
                .name("credit_holds_by_deadline")
                .table("credit_holds")
                .col("deadline")
                .to_owned(),
        ] {
            manager.create_index(index).await?;
        }
        // Everybody who has been seen so far is a customer.
        manager
            .get_connection()
            .execute_unprepared(
                "INSERT INTO customers (project_id, ref_id, metadata, created_at, updated_at) \
                 SELECT project_id, ref_id, '{}', MIN(at), MIN(at) FROM ( \
                     SELECT project_id, ref_id, created_at AS at FROM provider_keys UNION ALL \
                     SELECT project_id, ref_id, hour AS at FROM usage_hourly) AS seen \
                 GROUP BY project_id, ref_id",
            )
            .await?;
        Ok(())
    }
}

fn platform_keys() -> TableCreateStatement {
    Table::create()
        .table("platform_keys")
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("provider").text().not_null())
        .col(ColumnDef::new("id").text().not_null())
        .col(ColumnDef::new("hint").text().not_null())
        .col(ColumnDef::new("status").text().not_null())
        .col(ColumnDef::new("last_error").text())
        .col(ColumnDef::new("last_validated_at").big_integer())
        .col(ColumnDef::new("config").text().not_null())
        .col(ColumnDef::new("sealed").blob().not_null())
        .col(ColumnDef::new("version").big_integer().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .primary_key(Index::create().col("project_id").col("provider"))
        .to_owned()
}

fn customers() -> TableCreateStatement {
    Table::create()
        .table("customers")
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("ref_id").text().not_null())
        .col(ColumnDef::new("tier").text())
        .col(ColumnDef::new("email").text())
        .col(ColumnDef::new("metadata").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .primary_key(Index::create().col("project_id").col("ref_id"))
        .to_owned()
}

/// The sums of a customer's entries: neither falls below nothing.
fn accounts() -> TableCreateStatement {
    Table::create()
        .table("credit_accounts")
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("ref_id").text().not_null())
        .col(ColumnDef::new("balance").big_integer().not_null().check(Expr::col("balance").gte(0)))
        .col(ColumnDef::new("held").big_integer().not_null().check(Expr::col("held").gte(0)))
        .primary_key(Index::create().col("project_id").col("ref_id"))
        .to_owned()
}

/// The ledger. An amount is what the entry did to what is available.
fn entries() -> TableCreateStatement {
    Table::create()
        .table("credit_entries")
        .col(ColumnDef::new("sequence").big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("ref_id").text().not_null())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("amount").big_integer().not_null())
        .col(ColumnDef::new("shortfall").big_integer().not_null())
        .col(ColumnDef::new("balance_after").big_integer())
        .col(ColumnDef::new("held_after").big_integer())
        .col(ColumnDef::new("request_id").blob())
        .col(ColumnDef::new("reason").text())
        .col(ColumnDef::new("idempotency_key").text().not_null())
        .col(ColumnDef::new("body_hash").text())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .to_owned()
}

/// What is set aside for calls under way.
fn holds() -> TableCreateStatement {
    Table::create()
        .table("credit_holds")
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("request_id").blob().not_null())
        .col(ColumnDef::new("ref_id").text().not_null())
        .col(ColumnDef::new("amount").big_integer().not_null())
        .col(ColumnDef::new("deadline").big_integer().not_null())
        .primary_key(Index::create().col("project_id").col("request_id"))
        .to_owned()
}
