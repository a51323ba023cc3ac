//! The audit log, of a project and of the whole installation.

use byok_domain::audit::{Action, ActorType};
use byok_domain::{ProjectId, Timestamp};
use byok_store::{AuditEntry, AuditFilter, Listing, Page};
use serde::Serialize;
use serde_json::Value;

use crate::answer::{self, Answer, shown};
use crate::dispatch::{Ask, Installation, Scope};
use crate::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    project_id: Option<ProjectId>,
    action: &'static str,
    actor_type: ActorType,
    actor_id: String,
    target_type: String,
    target_id: String,
    ip: Option<String>,
    metadata: Value,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    prev_hash: String,
    hash: String,
}

impl From<AuditEntry> for Shown {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            project_id: entry.project,
            action: entry.action.as_str(),
            actor_type: entry.actor_type,
            actor_id: entry.actor_id,
            target_type: entry.target_type,
            target_id: entry.target_id,
            ip: entry.ip,
            metadata: entry.metadata,
            created_at: entry.created_at,
            prev_hash: entry.prev_hash,
            hash: entry.hash,
        }
    }
}

/// `GET /audit-logs`: a project's entries.
pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let (filter, page) = wanted(&ask)?;
    shown_page(ask.state.store.audit_log(scope.id(), &filter, page).await?, page)
}

/// `GET /audit-logs` by the operator, who names no project: the entries of all projects, and those
/// that concern none.
pub(crate) async fn list_all(_: Installation, ask: Ask) -> Answer {
    let (filter, page) = wanted(&ask)?;
    shown_page(ask.state.store.audit_log_of_installation(&filter, page).await?, page)
}

fn wanted(ask: &Ask) -> Result<(AuditFilter, Page), ApiError> {
    let query = ask.query(&["action", "actorType", "since", "until", "limit", "offset"])?;
    let (since, until) = query.span()?;
    let known = || Action::ALL.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ");
    let filter = AuditFilter {
        action: query.read("action", &format!("one of: {}", known()), Action::parse)?,
        actor_type: query.read("actorType", "user, api_key or system", ActorType::parse)?,
        since,
        until,
    };
    Ok((filter, query.page()?))
}

fn shown_page(entries: Listing<AuditEntry>, page: Page) -> Answer {
    let data = entries.data.into_iter().map(Shown::from).collect();
    answer::list(data, entries.total, page)
}
