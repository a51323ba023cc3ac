//! Circuits that calls opened or closed, written down for the next start and other instances.

use std::collections::{BTreeMap, BTreeSet};

use byok_domain::call::CircuitChange;
use byok_domain::{CallRecord, ProjectId, ProviderKeyId};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::batch::{Batch, millis};
use crate::StoreError;
use crate::changes::Changed;
use crate::entity::provider_keys::{Column, Entity, Model};
use crate::statement::Sql;

/// A key whose circuit a call closed.
pub(super) struct Recovered<'b> {
    pub(super) call: &'b CallRecord,
    pub(super) key: Model,
}

/// Writes what became of each key's circuit into its row. Answers which were open and are not any
/// more: of several servers that find out, the first one tells.
pub(super) async fn record<'b>(
    transaction: &DatabaseTransaction,
    batch: &'b Batch<'_>,
) -> Result<Vec<Recovered<'b>>, StoreError> {
    let mut changes: BTreeMap<(&ProjectId, &ProviderKeyId), Vec<(&CallRecord, &CircuitChange)>> =
        BTreeMap::new();
    for call in batch.iter() {
        for change in &call.aftermath.circuits {
            changes.entry((&call.project, &change.key)).or_default().push((call, change));
        }
    }
    let (mut recovered, mut told) = (Vec::new(), BTreeSet::new());
    for ((project, id), changes) in changes {
        let row = Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::Id.eq(id.as_str()))
            .one(transaction)
            .await?;
        let Some(row) = row else { continue };
        let mut open = row.circuit_until.is_some();
        // A call that began before the key was replaced was not made with what it is now.
        let own = changes.into_iter().filter(|(call, _)| millis(call.at) >= row.updated_at);
        let mut last = None;
        for (call, change) in own {
            if open && change.open.is_none() {
                recovered.push(Recovered { call, key: row.clone() });
            }
            open = change.open.is_some();
            last = Some((call, change.open));
        }
        let Some((call, open)) = last else { continue };
        let mut sql = Sql::new("UPDATE provider_keys SET circuit_until = ");
        sql.bind(open.map(|open| open.until.as_millis()));
        sql.push(", circuit_cause = ").bind(open.map(|open| open.cause.as_str()));
        sql.push(" WHERE project_id = ").bind(project.as_str());
        sql.push(" AND id = ").bind(id.as_str());
        transaction.execute_raw(sql.into_statement()).await?;
        told.insert((project, &call.provider, &call.ref_id));
    }
    let told = told.into_iter().map(|(project, provider, ref_id)| {
        Changed::ProviderKeys(project.clone(), provider.clone(), ref_id.clone())
    });
    Changed::tell_all(transaction, told).await?;
    Ok(recovered)
}
