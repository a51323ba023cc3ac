//! Refusals of our own on the hot routes.

use byok_domain::RequestId;
use byok_gateway::{CallError, CollectError, NotAnswered};
use byok_providers::{PayloadError, Provider};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use serde_json::{Map, Value};

use super::{CallBodyOut, payment};
use crate::answer;
use crate::error::{ApiError, Code};

/// What it is to the caller of a call that there is no answer, and who was to pay for the attempt
/// that there was.
pub(super) fn not_answered(not_answered: NotAnswered, limit: u64) -> ApiError {
    let NotAnswered { why, tried } = not_answered;
    let source = tried.map(|tried| ("x-byo-key-source", tried.source.as_str().to_owned()));
    let fallback = tried.and_then(|tried| tried.fallback);
    let fallback = fallback.map(|reason| ("x-byo-fallback", reason.as_str().to_owned()));
    of_call(why, limit).with_headers(source.into_iter().chain(fallback))
}

/// What a call's failure is to its caller.
pub(super) fn of_call(error: CallError, limit: u64) -> ApiError {
    let (code, message) = match &error {
        CallError::NoProject => return ApiError::not_found("project"),
        CallError::NoObject(kind) => return ApiError::not_found(kind),
        CallError::BodyTooLarge => return too_large(limit),
        CallError::NotPaid(not_paid) => return payment::not_paid(not_paid),
        CallError::Limited(reached) => return payment::limited(reached),
        CallError::Uncounted => return payment::uncounted(),
        CallError::Unpriced(model) => return payment::unpriced(model.as_deref()),
        CallError::Repeat(repeat) => return payment::repeat(*repeat),
        CallError::Ledger(_) => (
            Code::Unavailable,
            "Credits cannot be set aside at the moment; try again shortly.".to_owned(),
        ),
        CallError::KeyNotConnected(provider) => (
            Code::KeyNotConnected,
            format!(
                "This customer has connected no {provider} key; connect one with POST /keys/connect."
            ),
        ),
        CallError::Payload(error @ PayloadError::Invalid(_)) => {
            (Code::InvalidParameter, format!("{error}."))
        }
        CallError::Payload(error) => (Code::InvalidJson, format!("{error}.")),
        CallError::Path => (
            Code::InvalidParameter,
            "The path has an empty, a dot or an encoded segment; send a plain one.".to_owned(),
        ),
        CallError::RequestBody => {
            (Code::InvalidJson, "The request body broke off; send it again.".to_owned())
        }
        CallError::Blocked => (
            Code::EgressBlocked,
            "The baseUrl of this customer's key is not allowed; connect the key with another."
                .to_owned(),
        ),
        CallError::Loop => (
            Code::EgressBlocked,
            "The baseUrl of this customer's key leads back to this server; connect the key with another."
                .to_owned(),
        ),
        CallError::Unreachable { provider, .. } => (
            Code::UpstreamUnreachable,
            format!("{provider} could not be reached; try again, or check the key's baseUrl."),
        ),
        CallError::Broken(provider) => (
            Code::UpstreamUnreachable,
            format!("{provider} broke its answer off; the call may have been executed."),
        ),
        CallError::Timeout(provider) => (
            Code::UpstreamTimeout,
            format!("{provider} did not answer in time; try again, or ask for a stream."),
        ),
        CallError::Redirect(provider) => (
            Code::UpstreamRedirect,
            format!(
                "{provider} answered with a redirect, which is never followed; correct the baseUrl."
            ),
        ),
        CallError::Elsewhere(provider) => (
            Code::UpstreamRedirect,
            format!(
                "{provider} named an address to go on at that is not below the key's base URL, or that cannot be read; it is not followed."
            ),
        ),
        CallError::Vault(_) => (
            Code::VaultIntegrity,
            "The stored key cannot be opened; the customer has to connect it again.".to_owned(),
        ),
        CallError::Unavailable => (
            Code::Unavailable,
            "Calls cannot be recorded at the moment; try again later.".to_owned(),
        ),
        CallError::Directory(_) => (
            Code::Unavailable,
            "Keys cannot be looked up at the moment; try again shortly.".to_owned(),
        ),
    };
    let refusal = ApiError::new(code, message);
    let refusal = match code {
        Code::Unavailable => refusal.retry_after(1),
        _ => refusal,
    };
    if code.status().is_server_error() { refusal.caused_by(error) } else { refusal }
}

pub(super) fn collecting(error: &CollectError) -> ApiError {
    match error {
        CollectError::TooLarge(limit) => too_large(*limit),
        CollectError::Broken(_) => broke_off(),
    }
}

pub(super) fn broke_off() -> ApiError {
    ApiError::new(Code::InvalidJson, "The request body broke off; send it again.")
}

pub(super) fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        Code::BodyTooLarge,
        format!("The body is over the limit of {limit} bytes (BYO_MAX_BODY)."),
    )
}

/// Refuses a body of another type.
pub(super) fn require_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), ApiError> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::UnsupportedMediaType,
        format!("Send the body with the header Content-Type: {wanted}."),
    ))
}

/// The answer. On the drop-in routes its fields are laid over with those that the provider's SDK
/// reads (OpenAI's finds message and code inside `error`), so that the SDK's error says what ours
/// does; everything else stays where it is in all our refusals.
pub(super) fn respond(
    refusal: ApiError,
    shape: Option<&'static dyn Provider>,
    id: RequestId,
) -> Response<CallBodyOut> {
    let id = id.to_string();
    let laid_over = shape.and_then(|provider| {
        let mut body: Map<String, Value> = serde_json::from_slice(&refusal.to_json(&id)).ok()?;
        let own = provider.own_error(refusal.code().as_str(), refusal.message());
        body.extend(own.as_object()?.clone());
        serde_json::to_vec(&body).ok()
    });
    let header = shape.and_then(|provider| provider.own_error_header(refusal.code().as_str()));
    let mut response = refusal.into_response(&id);
    answer::finish(&mut response, &id);
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value);
    }
    match laid_over {
        Some(body) => response.map(|_| CallBodyOut::text(Bytes::from(body))),
        None => response.map(CallBodyOut::Own),
    }
}
