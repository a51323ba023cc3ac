//! Giving a customer credits, new ones or those that a call was charged, once for each idempotency
//! key.

use byok_domain::audit::Action;
use byok_domain::credits::{Balance, EntryKind};
use byok_domain::{Credits, ProjectId, RefId, RequestId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::account::{Sums, change, lock_or_make};
use super::entry::{self, CreditEntry, NewEntry, call_key, signed};
use crate::audit::{Change, Metadata, Target, append};
use crate::column::count;
use crate::entity::credit_entries::{Column, Entity};
use crate::statement::Sql;
use crate::{By, Store, StoreError, customers, projects};

/// More credits than any customer has: the sums of them stay far within 64 bits.
const MOST: u64 = 1_000_000_000_000_000;

/// Credits to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How many.
    pub amount: Credits,
    /// Why, for people.
    pub reason: Option<String>,
    /// What the caller tells repeats of it by.
    pub idempotency_key: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The entry.
    pub entry: CreditEntry,
    /// What the customer had right after it.
    pub after: Balance,
}

impl Store {
    /// Gives a customer credits. Asked again with the same key and the same body it answers what
    /// it answered before, and gives nothing.
    ///
    /// # Errors
    /// [`StoreError::Reused`] when the key came with another amount or reason before,
    /// [`StoreError::TooManyCredits`], [`StoreError::NotFound`] without the project,
    /// [`StoreError::Database`].
    pub async fn grant_credits(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        grant: &Grant,
        by: &By,
    ) -> Result<Granted, StoreError> {
        self.give(project, ref_id, grant, None, by).await
    }

    /// Gives a customer back what a call was charged, or a part of it: never more than that with
    /// all refunds together. The key is of the same kind as a grant's: asked again with the same key
    /// and the same body it answers what it answered before.
    ///
    /// # Errors
    /// [`StoreError::NotCharged`] when the customer was charged nothing for such a call,
    /// [`StoreError::RefundTooLarge`], and those of [`grant_credits`](Self::grant_credits).
    pub async fn refund_credits(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        request: RequestId,
        refund: &Grant,
        by: &By,
    ) -> Result<Granted, StoreError> {
        self.give(project, ref_id, refund, Some(request), by).await
    }

    async fn give(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        grant: &Grant,
        refunded: Option<RequestId>,
        by: &By,
    ) -> Result<Granted, StoreError> {
        let transaction = self.database().begin().await?;
        projects::require(&transaction, project).await?;
        let before = lock_or_make(&transaction, project, ref_id).await?;
        let key = format!("{}:{}", EntryKind::Grant.as_str(), grant.idempotency_key);
        let find = || {
            Entity::find()
                .filter(Column::ProjectId.eq(project.as_str()))
                .filter(Column::RefId.eq(ref_id.as_str()))
                .filter(Column::IdempotencyKey.eq(key.as_str()))
        };
        let (amount, reason) = (grant.amount, grant.reason.as_deref().unwrap_or(""));
        let body = match refunded {
            None => format!("byok-grant-v1:{amount}:{reason}"),
            Some(request) => format!("byok-refund-v1:{amount}:{request}:{reason}"),
        };
        let body_hash = self.audit_key().chain(body.as_bytes());
        if let Some(row) = find().one(&transaction).await? {
            if row.body_hash.as_deref() != Some(body_hash.as_str()) {
                return Err(StoreError::Reused);
            }
            return read(row);
        }
        if let Some(request) = refunded {
            let left = refundable(&transaction, project, ref_id, request).await?;
            if grant.amount > left {
                return Err(StoreError::RefundTooLarge { left });
            }
        }
        let after = Balance {
            balance: Credits::new(before.balance.get().saturating_add(grant.amount.get())),
            held: before.held,
        };
        if after.balance.get() > MOST {
            return Err(StoreError::TooManyCredits);
        }
        customers::ensure(&transaction, project, ref_id, by.at).await?;
        let new = NewEntry {
            project: project.clone(),
            ref_id: ref_id.clone(),
            kind: if refunded.is_some() { EntryKind::Refund } else { EntryKind::Grant },
            amount: signed(grant.amount),
            shortfall: Credits::ZERO,
            after: Some(after),
            request: refunded,
            reason: grant.reason.clone(),
            key: key.clone(),
            body_hash: Some(body_hash),
            at: by.at,
        };
        entry::append(&transaction, &[new]).await?;
        let sums = Sums { project, ref_id, balance: signed(grant.amount), held: 0 };
        change(&transaction, &[sums]).await?;
        let mut metadata = Metadata::from([
            ("amount", grant.amount.get().into()),
            ("balance", after.balance.get().into()),
            ("refId", ref_id.as_str().into()),
        ]);
        metadata.extend(refunded.map(|request| ("requestId", request.to_string().into())));
        let entry = Change {
            project: Some(project),
            action: Action::CreditsGranted,
            target: Target::Customer,
            target_id: ref_id.as_str(),
            metadata,
        };
        append(&transaction, self.audit_key(), entry, by).await?;
        let row = find().one(&transaction).await?;
        let row = row.ok_or_else(|| StoreError::damaged(entry::TABLE, "a new row is not there"))?;
        transaction.commit().await?;
        read(row)
    }
}

/// What a customer was charged for a call, less what was refunded of it. The account is locked: of
/// two refunds at once the second finds the first.
async fn refundable(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
    request: RequestId,
) -> Result<Credits, StoreError> {
    let charge = Entity::find()
        .filter(Column::ProjectId.eq(project.as_str()))
        .filter(Column::RefId.eq(ref_id.as_str()))
        .filter(Column::IdempotencyKey.eq(call_key(EntryKind::Settle, request)))
        .one(connection)
        .await?;
    let charged = charge.map_or(0, |row| row.amount.unsigned_abs());
    if charged == 0 {
        return Err(StoreError::NotCharged);
    }
    let mut sql = Sql::new(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM credit_entries \
         WHERE kind = 'refund' AND project_id = ",
    );
    sql.bind(project.as_str()).push(" AND request_id = ").bind(request.as_bytes().to_vec());
    let refunded = match connection.query_one_raw(sql.into_statement()).await? {
        Some(row) => count(row.try_get_by_index(0)?),
        None => 0,
    };
    Ok(Credits::new(charged).less(Credits::new(refunded)))
}

fn read(row: crate::entity::credit_entries::Model) -> Result<Granted, StoreError> {
    let credits = |column: Option<i64>| Credits::new(count(column.unwrap_or(0)));
    let after = Balance { balance: credits(row.balance_after), held: credits(row.held_after) };
    Ok(Granted { entry: entry::read(row)?, after })
}
