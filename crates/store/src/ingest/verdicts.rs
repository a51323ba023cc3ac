//! What calls tell of the keys they were made with: every answer says whether the key works.

use std::collections::BTreeMap;

use byok_domain::audit::Actor;
use byok_domain::{CallRecord, ErrorClass, KeyStatus, ProjectId, ProviderId, ProviderKeyId};
use byok_vault::AuditKey;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::ChangedKey;
use super::batch::{Batch, millis};
use crate::column::ref_id;
use crate::entity::provider_keys::{Column, Entity, Model};
use crate::provider_keys::{TABLE, record as record_verdict};
use crate::{By, StoreError, Verdict};

/// Keys looked up at a time.
const LOOK_UP: usize = 100;

/// Marks keys that were rejected as invalid, and keys that worked as valid. Returns whose keys
/// changed status.
pub(super) async fn record(
    transaction: &DatabaseTransaction,
    audit_key: &AuditKey,
    batch: &Batch<'_>,
) -> Result<Vec<ChangedKey>, StoreError> {
    let mut latest: BTreeMap<&ProviderKeyId, (KeyStatus, &CallRecord)> = BTreeMap::new();
    for call in batch.iter() {
        for (key, status) in told_by(call) {
            let told = latest.entry(key).or_insert((status, call));
            // The call that began last tells most of the key as it is now.
            if call.id >= told.1.id {
                *told = (status, call);
            }
        }
    }
    let mut changed = Vec::new();
    let keys: Vec<_> = latest.keys().copied().collect();
    for ids in keys.chunks(LOOK_UP) {
        for row in out_of_date(transaction, ids, &latest).await? {
            let Some((status, call)) = latest.get(&ProviderKeyId::new(row.id.as_str())) else {
                continue;
            };
            if !concerns(call, &row) {
                continue;
            }
            let whose = (
                ProjectId::new(row.project_id.as_str()),
                ProviderId::new(row.provider.as_str()),
                ref_id(TABLE, &row.ref_id)?,
            );
            let rejected = *status == KeyStatus::Invalid;
            let verdict = Verdict {
                version: 0,
                status: *status,
                error: rejected.then(|| "the provider rejected the key in a call".to_owned()),
                validated_at: Some(call.at),
            };
            let by = By::new(Actor::system("metering"), call.at);
            record_verdict(transaction, audit_key, row, verdict, &by).await?;
            changed.push(whose);
        }
    }
    Ok(changed)
}

/// What a call tells of its key, and of those that were tried before; most failures tell nothing.
fn told_by(call: &CallRecord) -> impl Iterator<Item = (&ProviderKeyId, KeyStatus)> {
    let verdict = |error| match error {
        Some(ErrorClass::KeyRejected) => Some(KeyStatus::Invalid),
        None => Some(KeyStatus::Valid),
        Some(_) => None,
    };
    let attempts = call.aftermath.attempts.iter();
    let before = attempts.map(|attempt| (attempt.key.as_ref(), Some(attempt.class)));
    let all = before.chain([(call.key.as_ref(), call.error)]);
    all.filter_map(move |(key, error)| Some((key?, verdict(error)?)))
}

/// The rows among `ids` whose status is not what was told: seldom any.
async fn out_of_date(
    transaction: &DatabaseTransaction,
    ids: &[&ProviderKeyId],
    latest: &BTreeMap<&ProviderKeyId, (KeyStatus, &CallRecord)>,
) -> Result<Vec<Model>, StoreError> {
    let mut rows = Vec::new();
    for status in [KeyStatus::Invalid, KeyStatus::Valid] {
        let ids: Vec<_> =
            ids.iter().filter(|id| latest[*id].0 == status).map(|id| id.as_str()).collect();
        if ids.is_empty() {
            continue;
        }
        rows.extend(
            Entity::find()
                .filter(Column::Id.is_in(ids))
                .filter(Column::Status.ne(status.as_str()))
                .all(transaction)
                .await?,
        );
    }
    Ok(rows)
}

/// Whether a call was made with the key that the row holds now, and is newer than what is known
/// of it: a key may have been replaced or validated since.
fn concerns(call: &CallRecord, row: &Model) -> bool {
    let at = millis(call.at);
    row.project_id == call.project.as_str()
        && at >= row.updated_at
        && row.last_validated_at.is_none_or(|validated| at >= validated)
}
