//! What every answer of our own has in common: JSON, a request id, and headers that keep browsers
//! and caches from doing anything clever with it.

use axum::body::Body;
use axum::response::Response;
use byok_domain::RequestId;
use byok_store::Page;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::state::AppState;

/// What a handler comes to.
pub(crate) type Answer = Result<Response, ApiError>;

/// A new request id, in the form of a call's id.
pub(crate) fn new_request_id(state: &AppState) -> String {
    RequestId::from_parts(state.ambient.now(), state.ambient.random()).to_string()
}

/// `value` as JSON with status 200.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A part of a list, as every list that is paged by offset is answered.
#[derive(Serialize)]
struct List<T> {
    data: Vec<T>,
    total: u64,
    limit: u64,
    offset: u64,
}

/// The part `page` of a list that has `total` entries in all.
pub(crate) fn list<T: Serialize>(data: Vec<T>, total: u64, page: Page) -> Answer {
    let Page { limit, offset } = page;
    json(&List { data, total, limit, offset })
}

/// Adds the headers that all answers of our own share.
pub fn finish(response: &mut Response, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert("x-request-id", id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A moment or an id in a JSON answer, in the form that it is displayed in.
pub(crate) fn shown<T: std::fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// As [`shown`], `null` when there is none.
pub(crate) fn shown_if_any<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// A number in a JSON answer, by its exact decimal: money never passes through a float.
pub(crate) fn exact(decimal: String) -> Result<Box<RawValue>, ApiError> {
    RawValue::from_string(decimal).map_err(ApiError::internal)
}
