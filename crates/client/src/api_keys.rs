//! A project's API keys.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::{group, list, request};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

group! {
    /// A project's API keys.
    ApiKeys,
    /// A project's API keys.
    api_keys
}

impl ApiKeys {
    /// Makes a key.
    pub fn create(&self, kind: ApiKeyKind) -> CreateApiKey {
        let ask = Ask::new(&self.byok, Method::POST, &["api-keys"]);
        CreateApiKey(ask.field("type", kind))
    }

    /// All keys, those that were revoked too.
    pub fn list(&self) -> ListApiKeys {
        ListApiKeys(Ask::new(&self.byok, Method::GET, &["api-keys"]))
    }

    /// Ends a key at once.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn revoke(&self, id: impl AsRef<str>) -> Result<()> {
        let ask = Ask::new(&self.byok, Method::DELETE, &["api-keys", id.as_ref()]);
        ask.whole().await.map(drop)
    }
}

request! {
    /// A key to be made.
    CreateApiKey -> CreatedApiKey {
        /// What it is called.
        field name(String) = "name";
        /// The customer that it makes calls for: of a customer's key.
        field ref_id(String) = "refId";
        /// When it ends by itself: of a customer's key.
        field expires_at(Timestamp) = "expiresAt";
    }
}

list! {
    /// The keys that are wanted.
    ListApiKeys of ApiKey {}
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApiKeyKind {
    /// Everything in its project.
    Secret,
    /// Connect and check customers' keys, from a browser.
    Publishable,
    /// Calls for one customer.
    Customer,
    /// Something that is newer than this crate.
    #[serde(other)]
    Other,
}

/// An API key, as far as it is told of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// What it may do.
    #[serde(rename = "type")]
    pub kind: ApiKeyKind,
    /// What it is called.
    pub name: String,
    /// The part of it that people may see.
    pub hint: String,
    /// The customer that it makes calls for.
    pub ref_id: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A new API key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreatedApiKey {
    /// Its id.
    pub id: String,
    /// What it may do.
    #[serde(rename = "type")]
    pub kind: ApiKeyKind,
    /// What it is called.
    pub name: String,
    /// The key, told this once.
    pub key: Secret,
    /// The part of it that people may see.
    pub hint: String,
    /// The customer that it makes calls for.
    pub ref_id: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}
