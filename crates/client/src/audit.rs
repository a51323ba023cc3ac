//! The audit log: every change, who made it, and a chain that shows tampering.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::ask::Ask;
use crate::requests::{group, list};
use crate::timestamp::Timestamp;

group! {
    /// The audit log.
    Audit,
    /// The audit log.
    audit
}

impl Audit {
    /// The changes that are wanted, newest first: those in the key's own project, and of the
    /// operator's token those in all.
    pub fn list(&self) -> ListAudit {
        ListAudit(Ask::new(&self.byok, Method::GET, &["audit-logs"]))
    }

    /// The changes in one project.
    pub fn list_project(&self, project: impl AsRef<str>) -> ListAudit {
        ListAudit(Ask::in_project(&self.byok, project.as_ref(), Method::GET, &["audit-logs"]))
    }
}

list! {
    /// The changes that are wanted.
    ListAudit of AuditEntry {
        /// Those of this kind, such as `provider_key.revoked`.
        query action(String) = "action";
        /// Those made by a `user`, an `api_key` or the `system`.
        query actor_type(String) = "actorType";
        /// Those from this moment on.
        query since(Timestamp) = "since";
        /// Those before this moment.
        query until(Timestamp) = "until";
    }
}

/// A change.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// The project; `None` for what concerns the installation.
    pub project_id: Option<String>,
    /// What was done, such as `provider_key.revoked`.
    pub action: String,
    /// `user`, `api_key` or `system`.
    pub actor_type: String,
    /// Who did it.
    pub actor_id: String,
    /// What it was done to, such as `provider_key`.
    pub target_type: String,
    /// Which of them.
    pub target_id: String,
    /// From where.
    pub ip: Option<String>,
    /// Details.
    pub metadata: Value,
    /// When.
    pub created_at: Timestamp,
    /// The hash of the entry before.
    pub prev_hash: String,
    /// The hash of this one.
    pub hash: String,
}
