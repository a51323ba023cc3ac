//! The token of a call, wherever the provider's SDK puts it.

use byok_gateway::AuthError;
use http::{HeaderMap, HeaderName, header};

use crate::error::{ApiError, Code};

/// The headers that the providers' SDKs send their key in.
const KEY_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// The one token that the request carries.
pub(super) fn of(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut found = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(unauthenticated("Send the key as Authorization: Bearer <key>.")),
        };
        agree(&mut found, token)?;
    }
    for name in &KEY_HEADERS {
        for value in headers.get_all(name) {
            agree(&mut found, value.to_str().unwrap_or_default())?;
        }
    }
    match found {
        Some(token) if !token.is_empty() => Ok(token),
        _ => Err(unauthenticated("Send a secret key as Authorization: Bearer <key>.")),
    }
}

/// Some SDKs send the same key twice; two different ones are a mistake.
fn agree<'a>(found: &mut Option<&'a str>, token: &'a str) -> Result<(), ApiError> {
    match *found {
        Some(other) if other != token => Err(unauthenticated("Send one key, not two.")),
        _ => {
            *found = Some(token);
            Ok(())
        }
    }
}

fn unauthenticated(message: &'static str) -> ApiError {
    ApiError::new(Code::Unauthenticated, message)
}

pub(super) fn refused() -> ApiError {
    unauthenticated("The key is unknown, revoked or expired; send a current one.")
}

pub(super) fn unknown_ticket() -> ApiError {
    unauthenticated("The address of this upload is unknown or too old; begin the upload again.")
}

pub(super) fn unavailable(error: AuthError) -> ApiError {
    ApiError::new(Code::Unavailable, "Keys cannot be looked up at the moment; try again shortly.")
        .retry_after(1)
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_key_is_found_wherever_an_sdk_puts_it_and_only_one_is_taken() {
        for (pairs, expected) in [
            (vec![("authorization", "Bearer k1")], Some("k1")),
            (vec![("authorization", "bearer k1")], Some("k1")),
            (vec![("x-api-key", "k1")], Some("k1")),
            (vec![("api-key", "k1"), ("x-api-key", "k1")], Some("k1")),
            (vec![("x-goog-api-key", "k1")], Some("k1")),
            (vec![("authorization", "Bearer k1"), ("x-api-key", "k2")], None),
            (vec![("authorization", "Bearer k1"), ("authorization", "Bearer k2")], None),
            (vec![("authorization", "Basic k1")], None),
            (vec![("authorization", "Bearer ")], None),
            (vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in &pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(of(&headers).ok(), expected, "{pairs:?}");
        }
    }
}
