//! Appending to the audit log.

use std::collections::BTreeMap;

use byok_domain::ProjectId;
use byok_domain::audit::{Action, Actor, Event, chained_bytes};
use byok_vault::AuditKey;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, EntityTrait, QueryOrder};
use serde_json::Value;

use super::Target;
use crate::changes::Changed;
use crate::entity::audit_log;
use crate::{By, StoreError};

/// One change, as the audit log tells it.
pub(crate) struct Change<'a> {
    /// The project it concerns; `None` for the whole installation.
    pub(crate) project: Option<&'a ProjectId>,
    pub(crate) action: Action,
    pub(crate) target: Target,
    pub(crate) target_id: &'a str,
    pub(crate) metadata: Metadata,
}

/// Ids and masked data: texts, whole numbers and booleans. Those, in the order of their names,
/// read back to the bytes that were hashed; a float may not.
pub(crate) type Metadata = BTreeMap<&'static str, Value>;

/// Appends to the one chain of the installation, inside the transaction that makes the change.
///
/// The transaction has the turn since it began to read, so nobody appends between the look at the
/// last entry and this one. Whoever has to forget something for the change is told.
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    key: &AuditKey,
    change: Change<'_>,
    by: &By,
) -> Result<(), StoreError> {
    let last = audit_log::Entity::find()
        .order_by_desc(audit_log::Column::Sequence)
        .one(transaction)
        .await?;
    let (sequence, prev_hash) = last.map_or((1, String::new()), |row| (row.sequence + 1, row.hash));
    let id = entry_id(key, sequence);
    let event = Event {
        project: change.project.cloned(),
        action: change.action,
        actor: Actor { ip: by.actor.ip.clone().filter(|ip| !ip.is_empty()), ..by.actor.clone() },
        target_type: change.target.as_str(),
        target_id: change.target_id.to_owned(),
        metadata: change
            .metadata
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        at: by.at,
    };
    let changed =
        Changed::told_by(change.project, event.target_type, &event.target_id, &event.metadata);
    let hash = key.chain(&chained_bytes(&prev_hash, sequence, &id, &event));
    audit_log::ActiveModel {
        sequence: Set(sequence),
        id: Set(id),
        project_id: Set(event.project.map(|project| project.as_str().to_owned())),
        action: Set(event.action.as_str().to_owned()),
        actor_type: Set(event.actor.kind.as_str().to_owned()),
        actor_id: Set(event.actor.id),
        ip: Set(event.actor.ip),
        target_type: Set(event.target_type.to_owned()),
        target_id: Set(event.target_id),
        metadata: Set(event.metadata.to_string()),
        created_at: Set(event.at.as_millis()),
        prev_hash: Set(prev_hash),
        hash: Set(hash),
    }
    .insert(transaction)
    .await?;
    if let Some(changed) = changed {
        changed.tell(transaction, Some(sequence)).await?;
    }
    Ok(())
}

/// An entry's id: it needs no randomness of its own, and does not tell a tenant how many entries
/// the others have.
fn entry_id(key: &AuditKey, sequence: i64) -> String {
    let code = key.chain(format!("byok-audit-id-v1:{sequence}").as_bytes());
    format!("aud_{}", &code[..32])
}

/// Digests of what a setting was and is: enough to tell whether it was this or that value, without
/// keeping the value.
pub(crate) fn before_and_after(key: &AuditKey, before: &str, after: &str) -> Metadata {
    let digest = |text: &str| key.chain(format!("byok-audit-value-v1:{text}").as_bytes()).into();
    Metadata::from([("after", digest(after)), ("before", digest(before))])
}
