//! Who calls us, and what that credential may do.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, ProjectId, RefId, Timestamp};

/// Whether a project or key is meant for production or for trying out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Production.
    #[default]
    Live,
    /// Trying out.
    Test,
}

impl Environment {
    /// As written in the API, the database and inside tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// The environment that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Live, Self::Test].into_iter().find(|e| e.as_str() == text)
    }
}

/// The kinds of token that a project holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyKind {
    /// Everything inside its project.
    Secret,
    /// Public: connecting and checking keys from a browser, nothing else.
    Publishable,
    /// Calls for the one refId it belongs to, nothing else.
    Customer,
}

impl ApiKeyKind {
    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Publishable => "publishable",
            Self::Customer => "customer",
        }
    }

    /// The kind that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Secret, Self::Publishable, Self::Customer].into_iter().find(|k| k.as_str() == text)
    }

    /// What a token of this kind starts with.
    pub const fn token_prefix(self, environment: Environment) -> &'static str {
        match (self, environment) {
            (Self::Secret, Environment::Live) => "byo_sk_live_",
            (Self::Secret, Environment::Test) => "byo_sk_test_",
            (Self::Publishable, Environment::Live) => "byo_pk_live_",
            (Self::Publishable, Environment::Test) => "byo_pk_test_",
            (Self::Customer, _) => "byo_ck_",
        }
    }
}

/// A token's owner, as found by the token's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The token's own id.
    pub id: ApiKeyId,
    /// The project it opens.
    pub project: ProjectId,
    /// What it may do there.
    pub kind: ApiKeyKind,
    /// The one customer it stands for; set for customer keys only.
    pub ref_id: Option<RefId>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// Who is calling, once the credential has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The operator, over all projects.
    Admin,
    /// A token of a project.
    Key(ApiKey),
}

/// What a route lets a caller do; each route of the API demands one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Operator only: projects are made and removed.
    Operate,
    /// Read and change everything inside the project.
    Manage,
    /// Make calls to providers.
    Call,
    /// Connect and check keys.
    Connect,
}

impl Caller {
    /// Whether the caller may do what `permission` names (inside its own project).
    pub fn may(&self, permission: Permission) -> bool {
        let kind = match self {
            Self::Admin => return true,
            Self::Key(key) => key.kind,
        };
        match permission {
            Permission::Operate => false,
            Permission::Manage => kind == ApiKeyKind::Secret,
            Permission::Call => matches!(kind, ApiKeyKind::Secret | ApiKeyKind::Customer),
            Permission::Connect => matches!(kind, ApiKeyKind::Secret | ApiKeyKind::Publishable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_credential_may_do_what_the_contract_lists_and_no_more() {
        use ApiKeyKind::{Customer, Publishable, Secret};
        use Permission::{Call, Connect, Manage, Operate};
        let key = |kind| {
            Caller::Key(ApiKey {
                id: ApiKeyId::new("key_1"),
                project: ProjectId::new("proj_1"),
                kind,
                ref_id: None,
                expires_at: None,
            })
        };
        for (caller, allowed) in [
            (Caller::Admin, vec![Operate, Manage, Call, Connect]),
            (key(Secret), vec![Manage, Call, Connect]),
            (key(Customer), vec![Call]),
            (key(Publishable), vec![Connect]),
        ] {
            for permission in [Operate, Manage, Call, Connect] {
                assert_eq!(
                    caller.may(permission),
                    allowed.contains(&permission),
                    "{caller:?} {permission:?}"
                );
            }
        }
    }
}
