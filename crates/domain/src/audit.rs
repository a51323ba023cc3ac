//! The audit log: who did what to which object, chained so that a change to the past shows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ProjectId, Timestamp};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What was done. The texts are those of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As written in the API and the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The action that `text` names.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.as_str() == text)
            }
        }
    };
}

actions! {
    /// A project was made.
    ProjectCreated = "project.created",
    /// A project's name or settings changed.
    ProjectUpdated = "project.updated",
    /// A project was removed, its keys shredded.
    ProjectDeleted = "project.deleted",
    /// A token was made.
    ApiKeyCreated = "api_key.created",
    /// A token was withdrawn.
    ApiKeyRevoked = "api_key.revoked",
    /// A customer's provider key was stored.
    ProviderKeyConnected = "provider_key.connected",
    /// A customer's provider key was replaced.
    ProviderKeyUpdated = "provider_key.updated",
    /// A customer's provider key was removed.
    ProviderKeyRevoked = "provider_key.revoked",
    /// The provider no longer accepts a key.
    ProviderKeyInvalidated = "provider_key.invalidated",
    /// Price overrides changed.
    PricingUpdated = "pricing.updated",
    /// Price overrides were removed.
    PricingCleared = "pricing.cleared",
    /// The origin allowlist changed.
    OriginsUpdated = "origins.updated",
    /// Who pays for calls changed.
    RoutingUpdated = "routing.updated",
    /// The plans changed.
    TiersUpdated = "tiers.updated",
    /// The platform's own key for a provider was stored or replaced.
    PlatformKeyUpdated = "platform_key.updated",
    /// The platform's own key for a provider was removed.
    PlatformKeyRemoved = "platform_key.removed",
    /// What is known of a customer changed.
    CustomerUpdated = "customer.updated",
    /// A customer's keys and personal data were erased.
    CustomerErased = "customer.erased",
    /// A customer was given credits.
    CreditsGranted = "credits.granted",
    /// A webhook endpoint was made.
    WebhookCreated = "webhook.created",
    /// A webhook endpoint changed, by hand or because it failed for too long.
    WebhookUpdated = "webhook.updated",
    /// A webhook endpoint was removed.
    WebhookDeleted = "webhook.deleted",
    /// The encryption key was rotated.
    KeyringRotated = "keyring.rotated",
}

/// The kind of actor behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorType {
    /// The operator, by the admin token or the command line.
    User,
    /// A token of the project.
    ApiKey,
    /// The system itself.
    System,
}

impl ActorType {
    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::System => "system",
        }
    }

    /// The type that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::ApiKey, Self::System].into_iter().find(|t| t.as_str() == text)
    }
}

/// Who did it, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The kind of actor.
    pub kind: ActorType,
    /// The token's id, `admin`, `cli`, or the part of the system.
    pub id: String,
    /// The address the request came from.
    pub ip: Option<String>,
}

impl Actor {
    /// The system itself, by the name of its part.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorType::System, id: part.to_owned(), ip: None }
    }

    /// The operator at the command line.
    pub fn cli() -> Self {
        Self { kind: ActorType::User, id: "cli".to_owned(), ip: None }
    }
}

/// What is written, before it has a place in the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The project it concerns; `None` for the whole installation.
    pub project: Option<ProjectId>,
    /// What was done.
    pub action: Action,
    /// By whom.
    pub actor: Actor,
    /// The kind of object: `project`, `api_key`, `provider_key`, …
    pub target_type: &'static str,
    /// The object.
    pub target_id: String,
    /// Ids and masked data only: never a key, a prompt or a completion.
    pub metadata: Value,
    /// When.
    pub at: Timestamp,
}

/// The bytes that an entry's hash covers: the hash before it and every field, each with its length
/// in front, so that no two entries share a form.
pub fn chained_bytes(previous_hash: &str, sequence: i64, id: &str, event: &Event) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut field = |value: &str| {
        bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value.as_bytes());
    };
    field("byok-audit-v1");
    field(previous_hash);
    field(&sequence.to_string());
    field(id);
    field(event.project.as_ref().map_or("", ProjectId::as_str));
    field(event.action.as_str());
    field(event.actor.kind.as_str());
    field(&event.actor.id);
    field(event.actor.ip.as_deref().unwrap_or(""));
    field(event.target_type);
    field(&event.target_id);
    field(&event.metadata.to_string());
    field(&event.at.as_millis().to_string());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_back_from_their_texts() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(*action));
        }
        assert_eq!(Action::parse("project.exploded"), None);
    }

    #[test]
    fn moving_bytes_from_one_field_to_the_next_changes_the_form() {
        let event = |id: &str, ip: &str| Event {
            project: None,
            action: Action::ApiKeyCreated,
            actor: Actor { kind: ActorType::User, id: id.into(), ip: Some(ip.into()) },
            target_type: "api_key",
            target_id: "key_1".into(),
            metadata: Value::Null,
            at: Timestamp::from_millis(0),
        };
        assert_ne!(
            chained_bytes("", 1, "a", &event("x1", "27.0.0.1")),
            chained_bytes("", 1, "a", &event("x", "127.0.0.1"))
        );
    }
}
