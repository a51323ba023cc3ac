//! What the server, or a provider behind it, says instead of an answer.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{Error, told_by_provider};
use crate::receipt::{Receipt, request_id};
use crate::retry;

/// A refusal of the server's own.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// What happened and what to do.
    pub message: String,
    /// The HTTP status; `None` when nothing was sent.
    pub status: Option<StatusCode>,
    /// The code of the API, such as `validation_failed`.
    pub code: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// What is wrong with which field.
    pub errors: Vec<FieldError>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// What programs may want to read, such as `byokProviders` of a call that nobody pays for.
    pub data: Option<Value>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Refusal {}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FieldError {
    /// Its name, such as `providerConfig.baseUrl`.
    pub field: String,
    /// What it has to be.
    pub message: String,
}

/// A refusal of the provider's.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProviderError {
    /// The provider that refused, such as `openai`.
    pub provider: String,
    /// Its HTTP status; `None` for an error inside a stream.
    pub status: Option<StatusCode>,
    /// Its words, as far as they were found in the body.
    pub message: String,
    /// A sentence for a person, where the server can give one.
    pub explanation: Option<String>,
    /// The kind of an error inside a stream, where the wire names it: `throttlingException`.
    pub kind: Option<String>,
    /// Its error as it came: JSON, or the text that it sent instead.
    pub body: Value,
    /// Who would have paid, and the request's id.
    pub receipt: Receipt,
}

impl ProviderError {
    pub(crate) fn new(
        receipt: Receipt,
        status: Option<StatusCode>,
        explanation: Option<String>,
        body: Value,
    ) -> Self {
        let told = told_by_provider(&body).or(explanation.as_deref());
        let message = told.unwrap_or("The provider gave no reason.").to_owned();
        let provider = receipt.provider.clone();
        Self { provider, status, message, explanation, kind: None, body, receipt }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused the call: {}", self.provider, self.message)
    }
}

impl StdError for ProviderError {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    error: String,
    message: String,
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<FieldError>,
    data: Option<Value>,
}

impl Error {
    /// The class of an answer that is no success.
    pub(crate) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let refusal = Box::new(Refusal {
            status: Some(status),
            retry_after: headers.get(RETRY_AFTER).and_then(retry::after),
            ..told(status, headers, body)
        });
        match status.as_u16() {
            401 => Self::Authentication(refusal),
            402 => Self::PaymentRequired(refusal),
            403 => Self::Authorization(refusal),
            404 => Self::NotFound(refusal),
            409 => Self::Conflict(refusal),
            429 => Self::RateLimited(refusal),
            400..=499 => Self::Validation(refusal),
            _ => Self::Server(refusal),
        }
    }
}

fn told(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refusal {
    match serde_json::from_slice::<Wire>(body) {
        Ok(wire) => Refusal {
            message: wire.message,
            code: Some(wire.error),
            request_id: wire.request_id.or_else(|| request_id(headers)),
            errors: wire.errors,
            data: wire.data,
            ..Refusal::default()
        },
        Err(_) => Refusal {
            message: format!(
                "The answer {status} ({}) is no BYOK server's; check the base URL, and what stands \
                 before the server.",
                content_type(headers)
            ),
            request_id: request_id(headers),
            ..Refusal::default()
        },
    }
}

/// The content type in small letters, as messages name it.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text.map_or_else(
        || "without a type".to_owned(),
        |text| text.chars().take(80).collect::<String>().to_ascii_lowercase(),
    )
}
