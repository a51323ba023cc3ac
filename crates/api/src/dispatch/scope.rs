//! Authority as a value: what a handler may touch, made only where that was decided.

use std::net::IpAddr;

use byok_domain::audit::{Actor, ActorType};
use byok_domain::credential::{ApiKeyKind, Caller};
use byok_domain::{ProjectId, Timestamp};
use byok_store::{By, Project};

/// One project, for a caller who may do there what its route demands.
///
/// The handlers of project routes take it, and only the dispatcher makes it: after it has looked
/// at the credential, its permission, the project and the origin.
pub(crate) struct Scope {
    project: Project,
    caller: Caller,
    address: IpAddr,
}

impl Scope {
    pub(super) fn new(project: Project, caller: Caller, address: IpAddr) -> Self {
        Self { project, caller, address }
    }

    /// The project's id: what every store method wants first.
    pub(crate) fn id(&self) -> &ProjectId {
        &self.project.id
    }

    /// The project as it was when the request came in.
    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    /// The project itself, when nothing else is wanted.
    pub(crate) fn into_project(self) -> Project {
        self.project
    }

    /// Whether the caller is a public key, which anyone may hold.
    pub(crate) fn is_public(&self) -> bool {
        is_public(&self.caller)
    }

    /// Who changes something at `at`, for the audit log.
    pub(crate) fn by(&self, at: Timestamp) -> By {
        By::new(actor(&self.caller, self.address), at)
    }
}

/// The whole installation, for a caller who may operate it.
pub(crate) struct Installation {
    caller: Caller,
    address: IpAddr,
}

impl Installation {
    pub(super) fn new(caller: Caller, address: IpAddr) -> Self {
        Self { caller, address }
    }

    /// Who changes something at `at`, for the audit log.
    pub(crate) fn by(&self, at: Timestamp) -> By {
        By::new(actor(&self.caller, self.address), at)
    }
}

pub(super) fn is_public(caller: &Caller) -> bool {
    matches!(caller, Caller::Key(key) if key.kind == ApiKeyKind::Publishable)
}

fn actor(caller: &Caller, address: IpAddr) -> Actor {
    let (kind, id) = match caller {
        Caller::Admin => (ActorType::User, "admin"),
        Caller::Key(key) => (ActorType::ApiKey, key.id.as_str()),
    };
    Actor { kind, id: id.to_owned(), ip: Some(address.to_string()) }
}
