//! Customers' provider keys.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::{group, list, request};
use crate::routing::Mode;
use crate::timestamp::Timestamp;

group! {
    /// Customers' provider keys: connected, checked, listed, revoked.
    Keys,
    /// Customers' provider keys.
    keys
}

impl Keys {
    /// Stores a customer's key, after the provider was asked whether it works. A key of the same
    /// provider, customer and label is replaced.
    pub fn connect(
        &self,
        provider: impl Into<String>,
        ref_id: impl Into<String>,
        provider_key: impl Into<String>,
    ) -> ConnectKey {
        let ask = self.owned(Method::POST, "connect", provider, ref_id);
        ConnectKey(ask.field("providerKey", provider_key.into()))
    }

    /// Asks the provider whether a stored key still works.
    pub fn validate(&self, provider: impl Into<String>, ref_id: impl Into<String>) -> ValidateKey {
        ValidateKey(self.owned(Method::POST, "validate", provider, ref_id))
    }

    /// Whether a customer has a key, and what is known of it; the provider is not asked.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn check(
        &self,
        provider: impl Into<String>,
        ref_id: impl Into<String>,
    ) -> Result<CheckedKey> {
        self.owned(Method::POST, "check", provider, ref_id).repeatable().send().await
    }

    /// What is known of the stored keys, which is everything but the keys.
    pub fn list(&self) -> ListKeys {
        ListKeys(Ask::new(&self.byok, Method::GET, &["keys"]))
    }

    /// Removes a customer's keys for a provider, or one of them. They are gone at once.
    pub fn revoke(&self, provider: impl Into<String>, ref_id: impl Into<String>) -> RevokeKey {
        RevokeKey(self.owned(Method::DELETE, "revoke", provider, ref_id))
    }

    /// What would pay for a customer's calls, and how to tell them.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn settings(&self, ref_id: impl Into<String>) -> Result<KeySettings> {
        let ask = Ask::new(&self.byok, Method::GET, &["keys", "settings"]);
        ask.query("refId", &ref_id.into()).send().await
    }

    fn owned(
        &self,
        method: Method,
        action: &str,
        provider: impl Into<String>,
        ref_id: impl Into<String>,
    ) -> Ask {
        let ask = Ask::new(&self.byok, method, &["keys", action]);
        ask.field("provider", provider.into()).field("refId", ref_id.into())
    }
}

request! {
    /// A key to be stored.
    ConnectKey -> ConnectedKey {
        /// What the provider needs besides the key: `{"baseUrl": …}`, `{"region": …}`.
        field provider_config(Value) = "providerConfig";
        /// Tells it from the customer's other keys there.
        field label(String) = "label";
        /// Among the customer's keys the lowest number is used first.
        field priority(i32) = "priority";
        /// Stores nothing unless the provider accepts the key.
        field require_valid(bool) = "requireValid";
    }
}

request! {
    /// A key to be validated.
    ValidateKey -> ValidatedKey {
        /// Which of several; the one that calls use unless set.
        field key_id(String) = "keyId";
    }
}

request! {
    /// Keys to be removed.
    RevokeKey -> RevokedKey {
        /// This one alone.
        field key_id(String) = "keyId";
    }
}

list! {
    /// The stored keys that are wanted.
    ListKeys of StoredKey {
        /// Those of this customer.
        query ref_id(String) = "refId";
        /// Those for this provider.
        query provider(String) = "provider";
        /// Those of this status.
        query status(KeyStatus) = "status";
    }
}

/// What a provider last said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyStatus {
    /// It accepts the key.
    Valid,
    /// It rejects the key.
    Invalid,
    /// It could not be asked.
    Unverified,
    /// A status that is newer than this crate.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// What came of connecting a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectedKey {
    /// The key's id.
    pub id: String,
    /// The provider.
    pub provider: String,
    /// The customer.
    pub ref_id: String,
    /// What tells it from the customer's other keys there.
    pub label: Option<String>,
    /// What the provider said.
    pub status: KeyStatus,
    /// The same in a sentence.
    pub message: String,
    /// Whether it took another's place.
    pub updated: bool,
    /// The part of it that people may see.
    pub key_hint: String,
}

/// What a provider says of a stored key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ValidatedKey {
    /// The key's id.
    pub key_id: String,
    /// Whether the provider accepts it.
    pub valid: bool,
    /// The same, with the case that it could not be asked.
    pub status: KeyStatus,
    /// The same in a sentence.
    pub message: String,
    /// When it was asked.
    pub checked_at: Timestamp,
}

/// Whether a customer has a key.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CheckedKey {
    /// Whether there is one.
    pub connected: bool,
    /// What its provider last said of it.
    pub status: Option<KeyStatus>,
}

/// Keys were removed.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RevokedKey {
    /// That they are gone.
    pub revoked: bool,
}

/// What is known of a stored key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StoredKey {
    /// Its id.
    pub id: String,
    /// The provider.
    pub provider: String,
    /// The customer.
    pub ref_id: String,
    /// What tells it from the customer's other keys there.
    pub label: Option<String>,
    /// Among the customer's keys the lowest is used first.
    pub priority: i32,
    /// The part of it that people may see.
    pub key_hint: String,
    /// Whether calls use it.
    pub is_active: bool,
    /// What its provider last said of it.
    pub status: KeyStatus,
    /// Why it is not valid.
    pub last_error: Option<String>,
    /// When its provider was last asked.
    pub last_validated_at: Option<Timestamp>,
    /// When it last paid for a call.
    pub last_used_at: Option<Timestamp>,
    /// The calls it was used for.
    pub total_requests: u64,
    /// The tokens of those calls.
    pub total_tokens: u64,
    /// What its provider needs besides it, secrets masked.
    pub provider_config: BTreeMap<String, String>,
    /// What its provider last said of its limits.
    pub rate_limits: Option<Vec<RateLimit>>,
    /// When it said so.
    pub rate_limits_at: Option<Timestamp>,
    /// When it was first connected.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One of a key's limits at its provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RateLimit {
    /// What is limited, by the provider's name for it: `requests`, `tokens`.
    pub kind: String,
    /// How much is allowed.
    pub limit: u64,
    /// How much is left.
    pub remaining: u64,
    /// When it is allowed anew.
    pub reset_at: Option<Timestamp>,
}

/// What would pay for a customer's calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeySettings {
    /// Whether calls can be made.
    pub enabled: bool,
    /// The same as older products know it.
    pub flags: KeyFlags,
    /// Who pays first.
    pub mode: Mode,
    /// The customer's plan.
    pub tier: String,
    /// Whether there are credits.
    pub has_credits: bool,
    /// Whether there is a key for any provider.
    pub has_byok_keys: bool,
    /// The providers that there are keys for.
    pub byok_providers: Vec<String>,
    /// What pays.
    pub key_source: PayingSource,
    /// What to tell the customer.
    pub banner: Banner,
    /// The same for each provider.
    pub providers: BTreeMap<String, ProviderSettings>,
}

/// What is switched on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyFlags {
    /// Customers' own keys may pay.
    pub byok_enabled: bool,
    /// Credits may pay.
    pub byok_uses_internal_credits: bool,
    /// Nothing but customers' own keys may pay.
    pub byok_only_mode: bool,
}

/// What would pay for a customer's calls to one provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProviderSettings {
    /// Whether there is a key.
    pub has_byok_keys: bool,
    /// Whether there are credits.
    pub has_credits: bool,
    /// What pays.
    pub key_source: PayingSource,
    /// What to tell the customer.
    pub banner: Banner,
}

/// What pays, and why.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct PayingSource {
    /// `byok`, `internal` (credits), or `error`.
    pub source: String,
    /// Why.
    pub reason: String,
}

/// A notice for the customer.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Banner {
    /// `info`, `success` or `error`.
    pub level: String,
    /// Its heading.
    pub title: String,
    /// Its text.
    pub message: String,
}
