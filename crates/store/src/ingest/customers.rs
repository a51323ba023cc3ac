//! Whoever a call was for is a customer, unless it was erased since.

use std::collections::BTreeMap;

use byok_domain::{ProjectId, RefId, Timestamp};
use sea_orm::ConnectionTrait;

use super::batch::{Batch, millis};
use crate::StoreError;
use crate::rows::execute_rows;

const HEAD: &str =
    "INSERT INTO customers (project_id, ref_id, metadata, created_at, updated_at) VALUES";
const TAIL: &str = " ON CONFLICT (project_id, ref_id) DO NOTHING";

/// Notes the customers that are new.
pub(super) async fn note(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let mut seen: BTreeMap<(&ProjectId, &RefId), Timestamp> = BTreeMap::new();
    for record in batch.iter().filter(|record| !batch.is_erased(record)) {
        let first = seen.entry((&record.project, &record.ref_id)).or_insert(record.at);
        *first = (*first).min(record.at);
    }
    let seen: Vec<_> = seen.into_iter().collect();
    execute_rows(connection, HEAD, 5, TAIL, &seen, |((project, ref_id), at), values| {
        values.extend([
            project.as_str().into(),
            ref_id.as_str().into(),
            "{}".into(),
            millis(*at).into(),
            millis(*at).into(),
        ]);
    })
    .await?;
    Ok(())
}
