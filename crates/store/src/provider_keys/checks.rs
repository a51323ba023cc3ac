//! Keys whose providers are to be asked about them: leased, then settled.

use async_trait::async_trait;
use byok_domain::audit::Actor;
use byok_domain::{ProjectId, Timestamp, key_checks};
use byok_gateway::{DirectoryError, DueKey, KeyChecks, Told};
use byok_vault::random_bytes;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter,
    Statement,
};

use super::{Verdict, read_sealed, record};
use crate::column::{BACKEND, optional_time};
use crate::entity::provider_keys::{Column, Entity};
use crate::{By, Store, StoreError};

/// Keys looked at for each that is wanted: of most that are due a call has told meanwhile.
const LOOK: usize = 8;

#[derive(FromQueryResult)]
struct Candidate {
    project_id: String,
    id: String,
    check_due_at: i64,
    last_validated_at: Option<i64>,
}

#[async_trait]
impl KeyChecks for Store {
    async fn claim(
        &self,
        now: Timestamp,
        leased_until: Timestamp,
        most: usize,
    ) -> Result<Vec<DueKey>, DirectoryError> {
        self.claim_checks(now, leased_until, most).await.map_err(unavailable)
    }

    async fn settle(
        &self,
        key: &DueKey,
        told: Option<Told>,
        next: Timestamp,
        tries: u32,
    ) -> Result<bool, DirectoryError> {
        self.settle_check(key, told, next, tries).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> DirectoryError {
    DirectoryError(Box::new(error))
}

/// When a key is asked about that is stored now, its provider having told of it then.
pub(super) fn first(told: Option<Timestamp>, now: Timestamp) -> Timestamp {
    match told {
        Some(told) => key_checks::after_verdict(told, random()),
        None => key_checks::after_silence(now, 0, random()),
    }
}

fn random() -> u32 {
    u32::from_le_bytes(random_bytes())
}

impl Store {
    async fn claim_checks(
        &self,
        now: Timestamp,
        leased_until: Timestamp,
        most: usize,
    ) -> Result<Vec<DueKey>, StoreError> {
        let sql = "SELECT project_id, id, check_due_at, last_validated_at FROM provider_keys \
                   WHERE check_due_at <= $1 ORDER BY check_due_at, id LIMIT $2";
        let look = i64::try_from(most.saturating_mul(LOOK)).unwrap_or(i64::MAX);
        let values = [now.as_millis().into(), look.into()];
        let statement = Statement::from_sql_and_values(BACKEND, sql, values);
        let due = Candidate::find_by_statement(statement).all(self.database().reader()).await?;
        // Most looks find nothing, and then nothing waits for the one writer.
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = self.database().begin().await?;
        let mut claimed = Vec::with_capacity(most);
        for candidate in due {
            let told = optional_time(candidate.last_validated_at);
            if let Some(told) = told.filter(|told| key_checks::is_fresh(Some(*told), now)) {
                let next = key_checks::after_verdict(told, random());
                move_on(&transaction, &candidate, next).await?;
            } else if claimed.len() < most
                && move_on(&transaction, &candidate, leased_until).await?
                && let Some(row) = Entity::find_by_id(&candidate.id)
                    .filter(Column::ProjectId.eq(&candidate.project_id))
                    .one(&transaction)
                    .await?
            {
                let tries = u32::try_from(row.check_tries).unwrap_or(u32::MAX);
                match read_sealed(row) {
                    Ok(key) => claimed.push(DueKey { key, tries, leased_until }),
                    // One that cannot be read keeps no other from being asked about.
                    Err(error) => {
                        tracing::error!(key = candidate.id, %error, "a key is not checked")
                    }
                }
            }
        }
        transaction.commit().await?;
        Ok(claimed)
    }

    async fn settle_check(
        &self,
        due: &DueKey,
        told: Option<Told>,
        next: Timestamp,
        tries: u32,
    ) -> Result<bool, StoreError> {
        let transaction = self.database().begin().await?;
        let sql = "UPDATE provider_keys SET check_due_at = $1, check_tries = $2 \
                   WHERE id = $3 AND project_id = $4 AND version = $5 AND check_due_at = $6";
        let values = [
            next.as_millis().into(),
            i64::from(tries).into(),
            due.key.id.as_str().into(),
            due.key.project.as_str().into(),
            i64::from(due.key.version).into(),
            due.leased_until.as_millis().into(),
        ];
        let statement = Statement::from_sql_and_values(BACKEND, sql, values);
        // Of a key that was replaced or taken away, or is another's to ask about by now, nothing is
        // written down.
        if transaction.execute_raw(statement).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let changed = match told {
            Some(told) => judge(self, &transaction, &due.key.project, due, told).await?,
            None => false,
        };
        transaction.commit().await?;
        Ok(changed)
    }
}

/// Puts off the next look at a candidate, unless somebody was faster: the condition decides, not the
/// look before it.
async fn move_on(
    transaction: &DatabaseTransaction,
    candidate: &Candidate,
    to: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE provider_keys SET check_due_at = $1 \
               WHERE id = $2 AND project_id = $3 AND check_due_at = $4";
    let values = [
        to.as_millis().into(),
        candidate.id.as_str().into(),
        candidate.project_id.as_str().into(),
        candidate.check_due_at.into(),
    ];
    let statement = Statement::from_sql_and_values(BACKEND, sql, values);
    Ok(transaction.execute_raw(statement).await?.rows_affected() > 0)
}

/// Writes down what the provider told, unless a call has told something newer meanwhile.
async fn judge(
    store: &Store,
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    due: &DueKey,
    told: Told,
) -> Result<bool, StoreError> {
    let found = Entity::find_by_id(due.key.id.as_str())
        .filter(Column::ProjectId.eq(project.as_str()))
        .one(transaction)
        .await?;
    let Some(row) = found else { return Ok(false) };
    if row.last_validated_at.is_some_and(|before| before > told.at.as_millis()) {
        return Ok(false);
    }
    let by = By::new(Actor::system("key-checks"), told.at);
    let verdict = Verdict {
        version: due.key.version,
        status: told.status,
        error: told.error,
        validated_at: Some(told.at),
    };
    record(transaction, store.audit_key(), row, verdict, &by).await
}
