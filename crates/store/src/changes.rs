//! What the processes on one database tell one another: what changed, so that none goes on using
//! what it remembers.
//!
//! Whatever is written to the audit log is told in the transaction that writes it, by PostgreSQL's
//! NOTIFY, and so is a change of a key's status, which mostly is not. Who listens looks into the
//! audit log once a second besides, for what was told and not heard. An SQLite file has one process,
//! which knows what it does.

mod watch;

use byok_domain::{ApiKeyId, ProjectId, ProviderId, RefId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::Target;
use crate::column::{BACKEND, json};

/// The channel that changes are told on.
const CHANNEL: &str = "byok_changes";

/// What a process has to forget, because another changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// A project, and all that hangs on it.
    Project(ProjectId),
    /// A token.
    ApiKey(ApiKeyId),
    /// A customer's keys for a provider.
    ProviderKeys(ProjectId, ProviderId, RefId),
    /// Nobody can say what: for a while it could not be heard.
    Anything,
}

/// A change as it is told.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    /// The place of its entry in the audit log, if it has one.
    sequence: Option<i64>,
    changed: Changed,
}

impl Changed {
    /// What an entry of the audit log says has changed; nothing when it is about no project.
    ///
    /// An entry of a kind that is not known here changes the whole of its project: forgetting too
    /// much costs a query.
    pub(crate) fn told_by(
        project: Option<&ProjectId>,
        target: &str,
        target_id: &str,
        metadata: &Value,
    ) -> Option<Self> {
        let project = project?.clone();
        Some(match Target::parse(target) {
            Some(Target::ApiKey) => Self::ApiKey(ApiKeyId::new(target_id)),
            Some(Target::ProviderKey) => {
                let provider = metadata["provider"].as_str().map(ProviderId::new);
                let ref_id = metadata["refId"].as_str().and_then(|text| RefId::parse(text).ok());
                match (provider, ref_id) {
                    (Some(provider), Some(ref_id)) => Self::ProviderKeys(project, provider, ref_id),
                    _ => Self::Project(project),
                }
            }
            _ => Self::Project(project),
        })
    }

    /// Tells the other processes, once the transaction is committed.
    pub(crate) async fn tell(
        self,
        transaction: &DatabaseTransaction,
        sequence: Option<i64>,
    ) -> Result<(), DbErr> {
        if transaction.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let message = json(&Message { sequence, changed: self });
        let values = [CHANNEL.into(), message.into()];
        let statement = Statement::from_sql_and_values(BACKEND, "SELECT pg_notify($1, $2)", values);
        transaction.query_one_raw(statement).await.map(drop)
    }
}
