//! What is known of a call besides its answer.

use std::fmt;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::usd::Usd;

/// Who answered a call, who paid for it, and what it used and cost.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id of the call, under which the request log has it.
    pub request_id: Option<String>,
    /// The provider that was called, such as `openai`.
    pub provider: String,
    /// Whose key paid.
    pub key_source: KeySource,
    /// Why it was not the customer's own key, if it was meant to be.
    pub fallback: Option<Fallback>,
    /// The tokens; `None` while they are not known.
    pub usage: Option<TokenUsage>,
    /// The cost; `None` while it is not known, or when the model has no price.
    pub cost_usd: Option<Usd>,
}

impl Receipt {
    /// What the head of an answer tells.
    pub(crate) fn of(provider: &str, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: request_id(headers),
            provider: text("x-byo-provider").unwrap_or(provider).to_owned(),
            key_source: text("x-byo-key-source").and_then(known).unwrap_or_default(),
            fallback: text("x-byo-fallback").and_then(known),
            usage: None,
            cost_usd: None,
        }
    }
}

/// The id that the server gave a request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn known<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text)).ok()
}

/// Whose key paid for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeySource {
    /// The customer's own.
    Byok,
    /// The platform's, for the customer's credits.
    Credits,
    /// The server did not say, or something that is newer than this crate.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Why credits paid for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fallback {
    /// The provider did not accept the customer's key.
    KeyRejected,
    /// The customer's account has no quota left.
    QuotaExhausted,
    /// The provider did not answer.
    ProviderDown,
    /// The key has kept failing and is left alone for a while.
    CircuitOpen,
    /// The customer has no key for the provider.
    NoKey,
    /// A reason that is newer than this crate.
    #[serde(other)]
    Other,
}

/// The tokens of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenUsage {
    /// All that went in, cached ones included.
    pub input_tokens: u64,
    /// All that came out, reasoning included.
    pub output_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of the input, what was read from the provider's cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// Of the input, what was written to it.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Of the output, what nobody sees.
    #[serde(default)]
    pub reasoning_tokens: u64,
}
