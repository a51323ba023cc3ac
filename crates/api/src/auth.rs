//! From the `Authorization` header to the caller, with failed attempts limited per address.

use std::net::IpAddr;

use byok_domain::credential::Caller;
use byok_gateway::AuthError;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::{ApiError, Code};
use crate::state::AppState;

/// The longest token that is looked at, in bytes: far over ours, enough for an operator's own.
const MAX_TOKEN: usize = 4096;

/// Who sent the request.
///
/// A wrong token counts against its address, a missing one does not: it tries nothing. A right one
/// is never refused for the wrong ones before it, so nobody can lock an owner out.
pub(crate) async fn authenticate(
    state: &AppState,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Caller, ApiError> {
    let token = bearer(headers)?;
    let found = if token.len() <= MAX_TOKEN {
        state.gateway.authenticate(token).await
    } else {
        Err(AuthError::Invalid)
    };
    if matches!(found, Err(AuthError::Invalid)) {
        state.limits.failed_login(address)?;
    }
    Ok(found?)
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        (None, _) => {
            return Err(unauthenticated("Send a key as Authorization: Bearer <key>."));
        }
        (Some(_), Some(_)) => {
            return Err(unauthenticated("Send the Authorization header once."));
        }
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Ok(token)
        }
        _ => Err(unauthenticated("Send the key as Authorization: Bearer <key>.")),
    }
}

fn unauthenticated(message: &'static str) -> ApiError {
    ApiError::new(Code::Unauthenticated, message)
}
