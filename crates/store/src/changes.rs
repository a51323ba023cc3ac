//! What the processes on one database tell one another: what changed, so that none goes on using
//! what it remembers.
//!
//! Whatever is written to the audit log is told in the transaction that writes it, by PostgreSQL's
//! NOTIFY, and so is what has no entry there: a change of a key's status or circuit, and that calls
//! took a customer's last credits. Who listens looks into the audit log once a second besides, for
//! what was told and not heard. An SQLite file has one process, which knows what it does.

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
    /// The platform's own key for a provider.
    PlatformKey(ProjectId, ProviderId),
    /// A customer's plan or credits.
    Customer(ProjectId, RefId),
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
        let provider = || metadata["provider"].as_str().map(ProviderId::new);
        let ref_id = || metadata["refId"].as_str().and_then(|text| RefId::parse(text).ok());
        let told = match Target::parse(target) {
            Some(Target::ApiKey) => Some(Self::ApiKey(ApiKeyId::new(target_id))),
            Some(Target::ProviderKey) => provider()
                .zip(ref_id())
                .map(|(provider, ref_id)| Self::ProviderKeys(project.clone(), provider, ref_id)),
            Some(Target::PlatformKey) => {
                provider().map(|provider| Self::PlatformKey(project.clone(), provider))
            }
            // Of one that was erased the log has no name: all of the project is forgotten.
            Some(Target::Customer) => {
                ref_id().map(|ref_id| Self::Customer(project.clone(), ref_id))
            }
            // They are looked up for each delivery.
            Some(Target::Webhook) => return None,
            _ => None,
        };
        Some(told.unwrap_or(Self::Project(project)))
    }

    /// Tells the other processes of changes that the audit log has no entries of, once the
    /// transaction is committed.
    pub(crate) async fn tell_all(
        transaction: &DatabaseTransaction,
        changes: impl Iterator<Item = Self>,
    ) -> Result<(), DbErr> {
        if transaction.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let messages: Vec<_> =
            changes.map(|changed| json(&Message { sequence: None, changed })).collect();
        if messages.is_empty() {
            return Ok(());
        }
        let sql = "SELECT COUNT(pg_notify($1, message)) \
                   FROM json_array_elements_text($2::json) AS told (message)";
        let values = [CHANNEL.into(), json(&messages).into()];
        let statement = Statement::from_sql_and_values(BACKEND, sql, values);
        transaction.query_one_raw(statement).await.map(drop)
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
