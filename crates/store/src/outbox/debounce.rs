//! Events that repeat are told once a while.

use byok_domain::events::Debounce;
use byok_domain::{ProjectId, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement};

use crate::StoreError;
use crate::column::BACKEND;

/// Whether an event may be told at `at`; from then on it is quiet. Of two that ask at once, one is
/// told so.
pub(super) async fn passes(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    debounce: Debounce,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO webhook_debounces (project_id, event_key, quiet_until) \
               VALUES ($1, $2, $3) ON CONFLICT (project_id, event_key) \
               DO UPDATE SET quiet_until = excluded.quiet_until \
               WHERE webhook_debounces.quiet_until <= $4";
    let values = [
        project.as_str().into(),
        debounce.key.into(),
        debounce.until.as_millis().into(),
        at.as_millis().into(),
    ];
    let statement = Statement::from_sql_and_values(BACKEND, sql, values);
    Ok(transaction.execute_raw(statement).await?.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn of_events_that_repeat_one_passes_until_it_has_been_quiet_long_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("byok.db").display());
        let database = Database::open(&url).await.expect("a database");
        database.migrate().await.expect("a schema");
        let (one, two) = (ProjectId::new("proj_1"), ProjectId::new("proj_2"));
        for (project, key, at, expected) in [
            (&one, "a", 0, true),
            (&one, "a", 0, false),
            (&one, "a", 99, false),
            (&one, "b", 99, true),
            (&two, "a", 99, true),
            (&one, "a", 100, true),
            (&one, "a", 199, false),
            (&one, "a", 200, true),
        ] {
            let transaction = database.begin().await.expect("a transaction");
            let (at, key) = (Timestamp::from_millis(at), key.to_owned());
            let debounce = Debounce { key, until: at.plus_millis(100) };
            let told = passes(&transaction, project, debounce.clone(), at).await;
            assert_eq!(told.expect("it runs"), expected, "{project} {debounce:?}");
            transaction.commit().await.expect("committed");
        }
        // Undone with what it told of, it does not keep the next one quiet.
        let at = Timestamp::from_millis(300);
        for expected in [true, true] {
            let transaction = database.begin().await.expect("a transaction");
            let debounce = Debounce { key: "a".into(), until: at.plus_millis(100) };
            let told = passes(&transaction, &one, debounce, at).await.expect("it runs");
            assert_eq!(told, expected);
            transaction.rollback().await.expect("undone");
        }
    }
}
