//! Webhooks: the endpoints, the outbox of events on their way there, and what came of it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Change;

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [endpoints(), events(), deliveries(), attempts(), debounces()] {
            manager.create_table(table).await?;
        }
        for (name, table, columns) in [
            ("webhook_endpoints_by_project", "webhook_endpoints", &["project_id", "id"]),
            ("webhook_events_by_age", "webhook_events", &["created_at", "id"]),
            ("webhook_events_by_notice", "webhook_events", &["notice_due_at", "id"]),
            // What is due is chosen by endpoint, so the index tells that too.
            ("webhook_deliveries_by_due", "webhook_deliveries", &["due_at", "endpoint_id"]),
            (
                "webhook_deliveries_by_endpoint",
                "webhook_deliveries",
                &["endpoint_id", "created_at"],
            ),
            ("webhook_deliveries_by_event", "webhook_deliveries", &["event_id", "id"]),
            ("webhook_deliveries_by_age", "webhook_deliveries", &["updated_at", "id"]),
        ] {
            let mut index = Index::create().name(name).table(table).to_owned();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn endpoints() -> TableCreateStatement {
    Table::create()
        .table("webhook_endpoints")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("url").text().not_null())
        .col(ColumnDef::new("events").text().not_null())
        .col(ColumnDef::new("description").text().not_null())
        .col(ColumnDef::new("sealed").blob().not_null())
        .col(ColumnDef::new("version").big_integer().not_null())
        .col(ColumnDef::new("previous_sealed").blob())
        .col(ColumnDef::new("previous_until").big_integer())
        .col(ColumnDef::new("failing_since").big_integer())
        .col(ColumnDef::new("disabled_at").big_integer())
        .col(ColumnDef::new("disabled_reason").text())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .foreign_key(
            ForeignKey::create().from("webhook_endpoints", "project_id").to("projects", "id"),
        )
        .to_owned()
}

fn events() -> TableCreateStatement {
    Table::create()
        .table("webhook_events")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("event").text().not_null())
        .col(ColumnDef::new("ref_id").text())
        .col(ColumnDef::new("body").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        // A notice to the customer about the event; null when there is none, or no more.
        .col(ColumnDef::new("notice_due_at").big_integer())
        .col(ColumnDef::new("notice_tries").big_integer().not_null())
        .col(ColumnDef::new("notice_lease").big_integer().not_null())
        .to_owned()
}

fn deliveries() -> TableCreateStatement {
    Table::create()
        .table("webhook_deliveries")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("endpoint_id").text().not_null())
        .col(ColumnDef::new("event_id").text().not_null())
        .col(ColumnDef::new("status").text().not_null())
        .col(ColumnDef::new("tries").big_integer().not_null())
        // When it may be taken; null when no attempt is to come.
        .col(ColumnDef::new("due_at").big_integer())
        .col(ColumnDef::new("lease").big_integer().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .foreign_key(
            ForeignKey::create()
                .from("webhook_deliveries", "endpoint_id")
                .to("webhook_endpoints", "id"),
        )
        .foreign_key(
            ForeignKey::create().from("webhook_deliveries", "event_id").to("webhook_events", "id"),
        )
        .to_owned()
}

fn attempts() -> TableCreateStatement {
    Table::create()
        .table("webhook_attempts")
        .col(ColumnDef::new("delivery_id").text().not_null())
        .col(ColumnDef::new("number").big_integer().not_null())
        .col(ColumnDef::new("at").big_integer().not_null())
        .col(ColumnDef::new("duration_ms").big_integer().not_null())
        .col(ColumnDef::new("status").big_integer())
        .col(ColumnDef::new("error").text())
        .primary_key(Index::create().col("delivery_id").col("number"))
        .foreign_key(
            ForeignKey::create()
                .from("webhook_attempts", "delivery_id")
                .to("webhook_deliveries", "id"),
        )
        .to_owned()
}

fn debounces() -> TableCreateStatement {
    Table::create()
        .table("webhook_debounces")
        .col(ColumnDef::new("project_id").text().not_null())
        .col(ColumnDef::new("event_key").text().not_null())
        .col(ColumnDef::new("quiet_until").big_integer().not_null())
        .primary_key(Index::create().col("project_id").col("event_key"))
        .to_owned()
}
