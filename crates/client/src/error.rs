//! What can go wrong, sorted by what the caller can do about it.

mod refusal;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

pub(crate) use refusal::content_type;
pub use refusal::{FieldError, ProviderError, Refusal};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a method did not do what it was asked to.
///
/// Every class tells its [`message`](Self::message), [`status`](Self::status),
/// [`code`](Self::code) and [`request_id`](Self::request_id), as far as there are any. None of them
/// holds a key or a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 401: the API key is missing, unknown, revoked or expired.
    #[error(transparent)]
    Authentication(Box<Refusal>),
    /// 402: nobody pays for the call. [`Refusal::data`] tells what there is to pay with.
    #[error(transparent)]
    PaymentRequired(Box<Refusal>),
    /// 403: the key is not allowed to do this.
    #[error(transparent)]
    Authorization(Box<Refusal>),
    /// 400 or 422, and what was refused before it was sent: the arguments are not what the method
    /// takes. [`Refusal::errors`] names the fields.
    #[error(transparent)]
    Validation(Box<Refusal>),
    /// 404: there is no such thing, or none that this key can see.
    #[error(transparent)]
    NotFound(Box<Refusal>),
    /// 409: the request contradicts what is there.
    #[error(transparent)]
    Conflict(Box<Refusal>),
    /// 429: too many requests. [`Refusal::retry_after`] says when to come back.
    #[error(transparent)]
    RateLimited(Box<Refusal>),
    /// The provider (OpenAI, Anthropic, …) refused the call, or broke off its stream with an error.
    #[error(transparent)]
    Provider(Box<ProviderError>),
    /// 5xx from the server, or an answer that is none of its own.
    #[error(transparent)]
    Server(Box<Refusal>),
    /// The connection failed or broke off. A call that was on its way may have been executed.
    #[error(transparent)]
    Network(Box<Lost>),
    /// No answer within the time-out of this client. The call may have been executed.
    #[error(transparent)]
    Timeout(Box<Lost>),
}

impl Error {
    /// What happened and what to do, in a sentence.
    pub fn message(&self) -> &str {
        match self {
            Self::Provider(error) => &error.message,
            Self::Network(lost) | Self::Timeout(lost) => &lost.message,
            other => other.refusal().map_or("", |refusal| &refusal.message),
        }
    }

    /// The HTTP status: the server's, or for [`Error::Provider`] the provider's.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Provider(error) => error.status,
            other => other.refusal().and_then(|refusal| refusal.status),
        }
    }

    /// The code of the API, such as `key_not_connected`.
    pub fn code(&self) -> Option<&str> {
        self.refusal().and_then(|refusal| refusal.code.as_deref())
    }

    /// The id to name when the operator is asked about it.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Provider(error) => error.receipt.request_id.as_deref(),
            Self::Network(lost) | Self::Timeout(lost) => lost.request_id.as_deref(),
            other => other.refusal().and_then(|refusal| refusal.request_id.as_deref()),
        }
    }

    /// When to come back, if the server said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal().and_then(|refusal| refusal.retry_after)
    }

    /// What is wrong with which field.
    pub fn field_errors(&self) -> &[FieldError] {
        self.refusal().map_or(&[], |refusal| &refusal.errors)
    }

    /// Whether the same request may succeed later. Of [`Network`](Self::Network) and
    /// [`Timeout`](Self::Timeout) nobody knows whether it has succeeded already.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Network(_) | Self::Timeout(_) => true,
            Self::Server(refusal) => {
                refusal.status.is_some_and(|status| status.is_server_error())
                    && !matches!(
                        refusal.code.as_deref(),
                        Some("vault_integrity" | "upstream_redirect" | "egress_blocked")
                    )
            }
            Self::Provider(error) => error.status.is_some_and(|status| {
                status.is_server_error()
                    || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }),
            _ => false,
        }
    }

    /// What the server said, where it was the server.
    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Authentication(refusal)
            | Self::PaymentRequired(refusal)
            | Self::Authorization(refusal)
            | Self::Validation(refusal)
            | Self::NotFound(refusal)
            | Self::Conflict(refusal)
            | Self::RateLimited(refusal)
            | Self::Server(refusal) => Some(refusal),
            Self::Provider(_) | Self::Network(_) | Self::Timeout(_) => None,
        }
    }

    /// Arguments that are refused before anything is sent.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Validation(Box::new(Refusal { message: message.into(), ..Refusal::default() }))
    }

    /// An answer that the server of this API does not give.
    pub(crate) fn unexpected(message: impl Into<String>, request_id: Option<String>) -> Self {
        Self::Server(Box::new(Refusal {
            message: message.into(),
            request_id,
            ..Refusal::default()
        }))
    }

    /// A connection that could not be made, or broke.
    pub(crate) fn network(error: reqwest::Error, request_id: Option<String>) -> Self {
        let nothing_sent = error.is_connect();
        let message = if nothing_sent {
            "The server cannot be reached; is it running, and is the base URL right?"
        } else {
            "The connection to the server broke off."
        };
        let timed_out = error.is_timeout();
        // The URL has refIds in it.
        let source: Box<dyn StdError + Send + Sync> = Box::new(error.without_url());
        let lost = Lost { message: message.into(), request_id, nothing_sent, source: Some(source) };
        if timed_out { Self::Timeout(Box::new(lost)) } else { Self::Network(Box::new(lost)) }
    }

    /// A stream that ended before it was over.
    pub(crate) fn cut(request_id: Option<String>) -> Self {
        let message = "The stream broke off in the middle of an event.".to_owned();
        Self::Network(Box::new(Lost { message, request_id, nothing_sent: false, source: None }))
    }

    pub(crate) fn timeout(limit: Duration, request_id: Option<String>) -> Self {
        let message = format!(
            "Nothing came within {limit:?}; what was asked for may have been done all the same."
        );
        Self::Timeout(Box::new(Lost { message, request_id, nothing_sent: false, source: None }))
    }

    /// Whether it is certain that the server has seen nothing of the request.
    pub(crate) fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Network(lost) | Self::Timeout(lost) if lost.nothing_sent)
    }
}

/// A request whose answer never came.
#[derive(Debug)]
pub struct Lost {
    /// What happened, in a sentence.
    pub message: String,
    /// The request's id, if the head of an answer had come.
    pub request_id: Option<String>,
    /// Whether the connection was never made, so that nothing has been executed.
    pub nothing_sent: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Lost {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The message that a provider's error holds, wherever the provider keeps it.
pub(crate) fn told_by_provider(body: &Value) -> Option<&str> {
    let error = match body {
        Value::Array(entries) => entries.first()?,
        other => other,
    };
    let inner = ["/error", "/response/error", "/delta/error"]
        .iter()
        .find_map(|place| error.pointer(place).filter(|inner| !inner.is_null()))
        .unwrap_or(error);
    ["message", "Message", "detail"]
        .iter()
        .find_map(|name| inner.get(name))
        .unwrap_or(inner)
        .as_str()
        .filter(|text| !text.is_empty())
}
