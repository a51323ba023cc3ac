//! Circuits that calls opened or closed, written down for the next start and other instances.

use std::collections::BTreeMap;

use byok_domain::call::CircuitChange;
use byok_domain::{ProjectId, ProviderKeyId};
use sea_orm::ConnectionTrait;

use super::batch::Batch;
use crate::StoreError;
use crate::statement::Sql;

/// Writes the last change of each key's circuit into its row.
pub(super) async fn record(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let mut last: BTreeMap<(&ProjectId, &ProviderKeyId), &CircuitChange> = BTreeMap::new();
    for call in batch.iter() {
        for change in &call.aftermath.circuits {
            last.insert((&call.project, &change.key), change);
        }
    }
    for ((project, key), change) in last {
        let mut sql = Sql::new("UPDATE provider_keys SET circuit_until = ");
        sql.bind(change.open.map(|open| open.until.as_millis()));
        sql.push(", circuit_cause = ").bind(change.open.map(|open| open.cause.as_str()));
        sql.push(" WHERE project_id = ").bind(project.as_str());
        sql.push(" AND id = ").bind(key.as_str());
        connection.execute_raw(sql.into_statement()).await?;
    }
    Ok(())
}
