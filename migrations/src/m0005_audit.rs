//! The audit log, which the database itself keeps append-only.

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
                    .table("audit_log")
                    .col(ColumnDef::new("sequence").big_integer().not_null().primary_key())
                    .col(ColumnDef::new("id").text().not_null().unique_key())
                    .col(ColumnDef::new("project_id").text())
                    .col(ColumnDef::new("action").text().not_null())
                    .col(ColumnDef::new("actor_type").text().not_null())
                    .col(ColumnDef::new("actor_id").text().not_null())
                    .col(ColumnDef::new("ip").text())
                    .col(ColumnDef::new("target_type").text().not_null())
                    .col(ColumnDef::new("target_id").text().not_null())
                    .col(ColumnDef::new("metadata").text().not_null())
                    .col(ColumnDef::new("created_at").big_integer().not_null())
                    .col(ColumnDef::new("prev_hash").text().not_null())
                    .col(ColumnDef::new("hash").text().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("audit_log_by_project")
                    .table("audit_log")
                    .col("project_id")
                    .col("sequence")
                    .to_owned(),
            )
            .await?;
        dialect::execute_each(
            manager,
            &[
                "CREATE TRIGGER audit_log_is_not_updated BEFORE UPDATE ON audit_log \
                 BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
                "CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log \
                 BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
                // REPLACE removes rows without firing a delete trigger.
                "CREATE TRIGGER audit_log_is_appended BEFORE INSERT ON audit_log \
                 WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_log) \
                 BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
            ],
            &[
                "CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
                "CREATE TRIGGER audit_log_is_not_updated BEFORE UPDATE ON audit_log \
                 FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()",
                "CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log \
                 FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()",
                "CREATE TRIGGER audit_log_is_not_emptied BEFORE TRUNCATE ON audit_log \
                 FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()",
                "CREATE FUNCTION audit_log_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$ \
                 BEGIN \
                   IF NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_log) THEN \
                     RAISE EXCEPTION 'the audit log is append-only'; \
                   END IF; \
                   RETURN NEW; \
                 END $$",
                "CREATE TRIGGER audit_log_is_appended BEFORE INSERT ON audit_log \
                 FOR EACH ROW EXECUTE FUNCTION audit_log_goes_on()",
            ],
        )
        .await
    }
}
