//! Erasures that are remembered: calls that were under way then are recorded later, under the name
//! that was erased.

use std::collections::{BTreeMap, HashMap};

use byok_domain::{CallRecord, ProjectId, RefId, RequestId};
use byok_vault::AuditKey;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder,
};

use crate::column::ref_id;
use crate::entity::customer_erasures::{ActiveModel, Column, Entity};
use crate::statement::Sql;
use crate::{By, StoreError};

const TABLE: &str = "customer_erasures";

/// Names that are looked up at a time.
const LOOK_UP: usize = 256;

/// The names that take the place of erased ones, by the calls that are to be under them.
pub(crate) type Tombstones = HashMap<(ProjectId, RequestId), RefId>;

/// Writes down that a customer was erased, and what its name became.
pub(super) async fn remember(
    connection: &impl ConnectionTrait,
    audit_key: &AuditKey,
    project: &ProjectId,
    ref_id: &RefId,
    tombstone: &RefId,
    by: &By,
) -> Result<(), StoreError> {
    ActiveModel {
        project_id: Set(project.as_str().to_owned()),
        ref_id_hash: Set(hash(audit_key, project, ref_id)),
        tombstone: Set(tombstone.as_str().to_owned()),
        erased_at: Set(by.at.as_millis()),
    }
    .insert(connection)
    .await?;
    Ok(())
}

/// Those of `calls` that began before their customer was erased: whoever calls under the name later
/// is somebody new. Where nobody was erased since the first of them began, which is nearly always,
/// that takes one look into an index.
pub(crate) async fn tombstones(
    connection: &impl ConnectionTrait,
    audit_key: &AuditKey,
    calls: impl Iterator<Item = &CallRecord>,
) -> Result<Tombstones, StoreError> {
    let mut found = Tombstones::new();
    let last = Sql::new("SELECT MAX(erased_at) FROM customer_erasures").into_statement();
    let last = match connection.query_one_raw(last).await? {
        Some(row) => row.try_get_by_index::<Option<i64>>(0)?,
        None => None,
    };
    let Some(last) = last else { return Ok(found) };
    let mut projects: BTreeMap<&ProjectId, HashMap<String, Vec<&CallRecord>>> = BTreeMap::new();
    for call in calls.filter(|call| call.at.as_millis() <= last) {
        let names = projects.entry(&call.project).or_default();
        names.entry(hash(audit_key, &call.project, &call.ref_id)).or_default().push(call);
    }
    for (project, names) in projects {
        let hashes: Vec<_> = names.keys().map(String::as_str).collect();
        for hashes in hashes.chunks(LOOK_UP) {
            let rows = Entity::find()
                .filter(Column::ProjectId.eq(project.as_str()))
                .filter(Column::RefIdHash.is_in(hashes.iter().copied()))
                .order_by_asc(Column::ErasedAt)
                .all(connection)
                .await?;
            for row in rows {
                let tombstone = ref_id(TABLE, &row.tombstone)?;
                let calls = names.get(&row.ref_id_hash).into_iter().flatten();
                // Of several erasures of one name the first after a call is the one of its customer.
                for call in calls.filter(|call| call.at.as_millis() <= row.erased_at) {
                    let place = (project.clone(), call.id);
                    found.entry(place).or_insert_with(|| tombstone.clone());
                }
            }
        }
    }
    Ok(found)
}

/// What tells a name again, and tells it to nobody without the key.
fn hash(audit_key: &AuditKey, project: &ProjectId, ref_id: &RefId) -> String {
    audit_key.chain(format!("byok-erasure-v1:{project}:{ref_id}").as_bytes())
}
