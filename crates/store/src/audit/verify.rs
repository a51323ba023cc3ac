//! Going over the whole audit log to see whether its past was changed.

use std::fmt;

use byok_domain::ProjectId;
use byok_domain::audit::{Action, Actor, ActorType, Event, chained_bytes};
use byok_vault::AuditKey;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::Target;
use crate::column::time;
use crate::entity::audit_log::{Column, Entity, Model};
use crate::{Store, StoreError};

/// Entries read at a time, so that a long log takes no more memory than a short one.
const PAGE: u64 = 1_000;

/// The last entry of a chain. Kept elsewhere, it shows when the end of the log was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditHead {
    /// Its place; 0 when the log is empty.
    pub sequence: i64,
    /// Its hash.
    pub hash: String,
}

/// What going over the audit log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Entries that are in order.
    pub verified: u64,
    /// The last entry that is in order.
    pub head: AuditHead,
    /// The first that is not; `None` when all are.
    pub first_bad: Option<BadEntry>,
}

/// The first place where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// The place in the chain.
    pub sequence: i64,
    /// What is wrong there.
    pub fault: AuditFault,
}

/// What can be wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// The entry of this place is not there.
    Missing,
    /// The entry does not follow the one before it.
    Detached,
    /// The entry is not what was written.
    Changed,
    /// The log ends before the head that was expected of it.
    CutOff,
    /// The entry at the expected head's place is another.
    Replaced,
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the entry is missing",
            Self::Detached => "the entry does not follow the one before it",
            Self::Changed => "the entry was changed",
            Self::CutOff => "the log was cut off",
            Self::Replaced => "the entry is not the one that was recorded elsewhere",
        })
    }
}

impl Store {
    /// Goes over all entries and names the first that is not in order.
    ///
    /// `expected` is a head recorded earlier and kept elsewhere: without one, a log whose newest
    /// entries were all removed cannot be told from one that never had them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn verify_audit(
        &self,
        expected: Option<&AuditHead>,
    ) -> Result<AuditReport, StoreError> {
        let mut report = AuditReport { verified: 0, head: AuditHead::default(), first_bad: None };
        let mut last_read = i64::MIN;
        loop {
            let rows = Entity::find()
                .filter(Column::Sequence.gt(last_read))
                .order_by_asc(Column::Sequence)
                .limit(PAGE)
                .all(self.database().reader())
                .await?;
            let Some(last) = rows.last() else { break };
            last_read = last.sequence;
            for row in rows {
                if let Some(bad) = report.follow(self.audit_key(), row, expected) {
                    report.first_bad = Some(bad);
                    return Ok(report);
                }
            }
        }
        if let Some(expected) = expected
            && expected.sequence > report.head.sequence
        {
            let sequence = report.head.sequence + 1;
            report.first_bad = Some(BadEntry { sequence, fault: AuditFault::CutOff });
        }
        Ok(report)
    }
}

impl AuditReport {
    /// Takes the next row, or says what is wrong with it.
    fn follow(
        &mut self,
        key: &AuditKey,
        row: Model,
        expected: Option<&AuditHead>,
    ) -> Option<BadEntry> {
        let next = self.head.sequence + 1;
        let bad = |sequence, fault| Some(BadEntry { sequence, fault });
        if row.sequence < next {
            return bad(row.sequence, AuditFault::Detached);
        }
        if row.sequence > next {
            return bad(next, AuditFault::Missing);
        }
        if row.prev_hash != self.head.hash {
            return bad(next, AuditFault::Detached);
        }
        if hash_of(key, &row).as_deref() != Some(row.hash.as_str()) {
            return bad(next, AuditFault::Changed);
        }
        if expected.is_some_and(|head| head.sequence == next && head.hash != row.hash) {
            return bad(next, AuditFault::Replaced);
        }
        self.verified += 1;
        self.head = AuditHead { sequence: next, hash: row.hash };
        None
    }
}

/// The hash that the row ought to have; `None` when it holds what was never written.
fn hash_of(key: &AuditKey, row: &Model) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(&row.metadata).ok()?;
    // The hash covers the value; the text has to be the one way it is written.
    let written = metadata.to_string();
    if written != row.metadata {
        return None;
    }
    // An absent field and an empty one are hashed alike; only one of them is ever written.
    if row.ip.as_deref() == Some("") || row.project_id.as_deref() == Some("") {
        return None;
    }
    let event = Event {
        project: row.project_id.as_deref().map(ProjectId::new),
        action: Action::parse(&row.action)?,
        actor: Actor {
            kind: ActorType::parse(&row.actor_type)?,
            id: row.actor_id.clone(),
            ip: row.ip.clone(),
        },
        target_type: Target::parse(&row.target_type)?.as_str(),
        target_id: row.target_id.clone(),
        metadata,
        at: time(row.created_at),
    };
    Some(key.chain(&chained_bytes(&row.prev_hash, row.sequence, &row.id, &event)))
}
