//! How a delivery is signed.
//!
//! Two schemes over the same bytes, under the one secret that the receiver was shown:
//!
//! - `X-BYO-Signature`: lowercase hex HMAC-SHA256 of the body. Its key is the secret's whole text,
//!   `whsec_` included, since its verifiers take the text as it is given to them.
//! - Standard Webhooks, `webhook-signature`: `v1,` and Base64 HMAC-SHA256 of id, time and body. Its
//!   key is what the Base64 after `whsec_` stands for.
//!
//! While a secret is being rotated, `webhook-signature` carries a signature under each of the two;
//! `X-BYO-Signature` has room for one, which is the new one's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byok_domain::{EventId, Timestamp};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use ring::hmac;

use crate::Secret;

const SIGNATURE: HeaderName = HeaderName::from_static("x-byo-signature");
const STANDARD_ID: HeaderName = HeaderName::from_static("webhook-id");
const STANDARD_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const STANDARD_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

const AGENT: &str = concat!("byok-webhooks/", env!("CARGO_PKG_VERSION"));

/// The headers of one attempt, made at `at`, to deliver `body`. `previous` is the secret that is
/// being rotated out, if any.
pub fn signed_headers(
    event: &EventId,
    at: Timestamp,
    body: &[u8],
    current: &Secret,
    previous: Option<&Secret>,
) -> HeaderMap {
    let seconds = at.as_millis().div_euclid(1000).to_string();
    let mut signatures = standard(event, &seconds, body, current);
    if let Some(previous) = previous {
        signatures.push(' ');
        signatures.push_str(&standard(event, &seconds, body, previous));
    }
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in [
        (SIGNATURE, plain(body, current)),
        (STANDARD_ID, event.to_string()),
        (STANDARD_TIMESTAMP, seconds),
        (STANDARD_SIGNATURE, signatures),
    ] {
        let value = HeaderValue::try_from(value).expect("hex, Base64, digits and ids of our own");
        headers.insert(name, value);
    }
    headers
}

fn plain(body: &[u8], secret: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.text().as_bytes());
    hmac::sign(&key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn standard(event: &EventId, seconds: &str, body: &[u8], secret: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    let mut context = hmac::Context::with_key(&key);
    for part in [event.as_str().as_bytes(), b".", seconds.as_bytes(), b".", body] {
        context.update(part);
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// Vectors that docs/webhooks.md publishes, worked out with Python's `hmac`.
    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        let old = Secret::new(Zeroizing::new([2; 32]));
        let new = Secret::new(Zeroizing::new([1; 32]));
        assert_eq!(*new.text(), "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
        let event = EventId::new("evt_1");
        let at = Timestamp::from_millis(1_700_000_000_999);
        let body = "{\"id\":\"evt_1\",\"data\":\"ü\"}".as_bytes();
        let headers = signed_headers(&event, at, body, &new, None);
        let text = |headers: &HeaderMap, name: &HeaderName| {
            headers[name].to_str().expect("visible ASCII").to_owned()
        };
        assert_eq!(text(&headers, &SIGNATURE), PLAIN);
        assert_eq!(text(&headers, &STANDARD_ID), "evt_1");
        assert_eq!(text(&headers, &STANDARD_TIMESTAMP), "1700000000");
        assert_eq!(text(&headers, &STANDARD_SIGNATURE), format!("v1,{NEW}"));
        let headers = signed_headers(&event, at, body, &new, Some(&old));
        assert_eq!(text(&headers, &SIGNATURE), PLAIN);
        assert_eq!(text(&headers, &STANDARD_SIGNATURE), format!("v1,{NEW} v1,{OLD}"));
    }

    const PLAIN: &str = "57ae7815eae3cad1276dbf3bef82b79596807e86fc24c229839fc90f91a82405";
    const NEW: &str = "ybPwNACDCZltDoii4P5LUOQvPrfnq7vU63XzTd/d6GM=";
    const OLD: &str = "noAdx0FlNBneuzbIb05ZGIoEuVJ4M0PnfJO/jlj9yVI=";
}
