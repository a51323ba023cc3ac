//! The record of one call: what the journal keeps, the log shows and the roll-ups count.

mod aftermath;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use aftermath::{Aftermath, Attempt, CircuitChange, OpenUntil, QuotaWarning};

use crate::{PicoUsd, ProjectId, ProviderId, ProviderKeyId, RefId, RequestId, Timestamp, Usage};

/// Who pays the provider for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The customer, with its own key.
    Byok,
    /// The platform, with its key, paid in credits.
    Credits,
}

impl KeySource {
    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Byok => "byok",
            Self::Credits => "credits",
        }
    }
}

/// What kind of failure a call ended in, and so whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The provider does not accept the key.
    KeyRejected,
    /// The account behind the key has no money or quota left.
    QuotaExhausted,
    /// Too many calls for now.
    RateLimited,
    /// The provider cannot be reached or fails.
    ProviderDown,
    /// The provider does not accept this request.
    RequestRejected,
    /// The answer broke off before its end.
    Truncated,
    /// The caller left before the end of its answer.
    ClientClosed,
}

impl ErrorClass {
    const ALL: [Self; 7] = [
        Self::KeyRejected,
        Self::QuotaExhausted,
        Self::RateLimited,
        Self::ProviderDown,
        Self::RequestRejected,
        Self::Truncated,
        Self::ClientClosed,
    ];

    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyRejected => "key_rejected",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited => "rate_limited",
            Self::ProviderDown => "provider_down",
            Self::RequestRejected => "request_rejected",
            Self::Truncated => "truncated",
            Self::ClientClosed => "client_closed",
        }
    }

    /// The class that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// A stored object that a provider keeps for a customer: its id is bound to that customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderObject {
    /// `file` or `batch`.
    pub kind: Arc<str>,
    /// The provider's id for it.
    pub id: String,
}

/// One call, as it is journalled, written to the log and folded into roll-ups.
///
/// Holds no prompt, no completion and no secret. The field names on the wire are those of the
/// journal, not of the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The call.
    pub id: RequestId,
    /// Whose product made it.
    pub project: ProjectId,
    /// For which customer.
    #[serde(rename = "ref")]
    pub ref_id: RefId,
    /// At which provider.
    pub provider: ProviderId,
    /// The model asked for, or the one that the answer names.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<Arc<str>>,
    /// The operation, as in the envelope routes (`chat/completions`).
    pub operation: Cow<'static, str>,
    /// The customer's key it was made with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<ProviderKeyId>,
    /// Who paid.
    pub source: KeySource,
    /// The HTTP status the caller saw (the provider's own, where it answered).
    pub status: u16,
    /// Why it failed; `None` when it succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorClass>,
    /// Whether the answer was a stream of events.
    pub streamed: bool,
    /// What it used, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usage: Option<Usage>,
    /// Whether the usage is an estimate (the answer broke off).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub usage_estimated: bool,
    /// Whether the usage is the word of an address that the customer chose.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub customer_reported: bool,
    /// What it cost at list price; `None` without a price or without usage.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<PicoUsd>,
    /// The unit prices that entered the cost, as a JSON object of the price row's fields.
    #[serde(rename = "up", skip_serializing_if = "Option::is_none", default)]
    pub unit_prices: Option<Arc<str>>,
    /// The model that the answer names, kept where it is not the one asked for and the call has
    /// no price: it may get one by that name later.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answered: Option<Arc<str>>,
    /// Milliseconds from the request to the end of the answer.
    pub latency_ms: u32,
    /// Milliseconds from the request to the answer's first byte; `None` without an answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_byte_ms: Option<u32>,
    /// When the request came in.
    pub at: Timestamp,
    /// Objects that the provider made, to be bound to the customer.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub objects: Vec<ProviderObject>,
    /// What follows from it beside its own row.
    #[serde(rename = "then", skip_serializing_if = "Aftermath::is_empty", default)]
    pub aftermath: Aftermath,
}

impl CallRecord {
    /// Whether the caller got the answer it asked for.
    pub fn succeeded(&self) -> bool {
        self.error.is_none()
    }
}
