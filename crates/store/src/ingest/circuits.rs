//! Circuits that calls opened or closed, written down for the next start and other instances.

use std::collections::{BTreeMap, BTreeSet};

use byok_domain::call::CircuitChange;
use byok_domain::{CallRecord, ProjectId, ProviderKeyId};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::batch::Batch;
use crate::StoreError;
use crate::changes::Changed;
use crate::statement::Sql;

/// Writes the last change of each key's circuit into its row.
pub(super) async fn record(
    transaction: &DatabaseTransaction,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let mut last: BTreeMap<(&ProjectId, &ProviderKeyId), (&CallRecord, &CircuitChange)> =
        BTreeMap::new();
    for call in batch.iter() {
        for change in &call.aftermath.circuits {
            last.insert((&call.project, &change.key), (call, change));
        }
    }
    let mut told = BTreeSet::new();
    for ((project, key), (call, change)) in last {
        let mut sql = Sql::new("UPDATE provider_keys SET circuit_until = ");
        sql.bind(change.open.map(|open| open.until.as_millis()));
        sql.push(", circuit_cause = ").bind(change.open.map(|open| open.cause.as_str()));
        sql.push(" WHERE project_id = ").bind(project.as_str());
        sql.push(" AND id = ").bind(key.as_str());
        if transaction.execute_raw(sql.into_statement()).await?.rows_affected() > 0 {
            told.insert((project, &call.provider, &call.ref_id));
        }
    }
    let told = told.into_iter().map(|(project, provider, ref_id)| {
        Changed::ProviderKeys(project.clone(), provider.clone(), ref_id.clone())
    });
    Ok(Changed::tell_all(transaction, told).await?)
}
