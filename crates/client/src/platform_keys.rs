//! The platform's own provider keys, which credits pay for.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::ask::Ask;
use crate::error::Result;
use crate::keys::KeyStatus;
use crate::requests::{group, request};
use crate::timestamp::Timestamp;

group! {
    /// The platform's own provider keys.
    PlatformKeys,
    /// The platform's own provider keys, which credits pay for.
    platform_keys
}

impl PlatformKeys {
    /// What is known of the key for a provider, which is everything but the key.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self, provider: impl AsRef<str>) -> Result<PlatformKey> {
        self.ask(Method::GET, provider.as_ref()).send().await
    }

    /// Stores the key for a provider, after the provider was asked whether it works.
    pub fn put(
        &self,
        provider: impl AsRef<str>,
        provider_key: impl Into<String>,
    ) -> PutPlatformKey {
        let ask = self.ask(Method::PUT, provider.as_ref());
        PutPlatformKey(ask.field("providerKey", provider_key.into()))
    }

    /// Removes the key for a provider.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn remove(&self, provider: impl AsRef<str>) -> Result<()> {
        self.ask(Method::DELETE, provider.as_ref()).whole().await.map(drop)
    }

    fn ask(&self, method: Method, provider: &str) -> Ask {
        Ask::new(&self.byok, method, &["platform-keys", provider])
    }
}

request! {
    /// A key to be stored.
    PutPlatformKey -> PlatformKey {
        /// What the provider needs besides the key: `{"baseUrl": …}`, `{"region": …}`.
        field provider_config(Value) = "providerConfig";
        /// Stores nothing unless the provider accepts the key.
        field require_valid(bool) = "requireValid";
    }
}

/// What is known of a key of the platform's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlatformKey {
    /// Its id.
    pub id: String,
    /// The provider.
    pub provider: String,
    /// The part of it that people may see.
    pub key_hint: String,
    /// What its provider last said of it.
    pub status: KeyStatus,
    /// Why it is not valid.
    pub last_error: Option<String>,
    /// When its provider was last asked.
    pub last_validated_at: Option<Timestamp>,
    /// What its provider needs besides it, secrets masked.
    pub provider_config: BTreeMap<String, String>,
    /// Whether it took another's place, told when it is stored.
    #[serde(default)]
    pub updated: bool,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
