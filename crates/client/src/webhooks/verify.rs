//! Whether a delivery is genuine.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::hmac;

use super::event::Event;
use crate::secret::Secret;

/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;
/// Signatures of one delivery that are looked at: each costs a pass over the payload, and a server
/// that changes its secret sends two.
const MOST_TAGS: usize = 10;
/// How old or how far ahead a delivery may be.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);
const PREFIX: &str = "whsec_";

/// Why a delivery is not believed. Answer it with 400.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A header is missing, or there twice.
    #[error("the header {0} is missing or unreadable")]
    Header(&'static str),
    /// Nobody who knows the secret has signed this body. It has to be the bytes as they came.
    #[error("the signature is not the body's; check the secret, and verify the raw body")]
    Signature,
    /// It was signed too long ago, or too far ahead.
    #[error("the delivery was signed at another time; check the clock")]
    Time,
    /// It is signed, but no event.
    #[error("the body is no event: {0}")]
    Body(#[from] serde_json::Error),
}

/// Whether `signature`, the header `X-BYO-Signature`, is that of the raw body under the endpoint's
/// secret. It is compared in constant time.
pub fn verify_signature(payload: impl AsRef<[u8]>, signature: &str, secret: &str) -> bool {
    let Some(tag) = unhex(signature.trim()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    !secret.is_empty() && hmac::verify(&key, payload.as_ref(), &tag).is_ok()
}

/// The event in a delivery, if `signature`, the header `X-BYO-Signature`, is that of the raw body
/// under the endpoint's secret.
///
/// That header covers the body alone: a delivery that somebody has recorded passes again.
/// [`Verifier`] looks at the time as well.
///
/// # Errors
/// [`Refused`] says why it is not believed.
pub fn construct_event(
    payload: impl AsRef<[u8]>,
    signature: &str,
    secret: &str,
) -> Result<Event, Refused> {
    let payload = payload.as_ref();
    if !verify_signature(payload, signature, secret) {
        return Err(Refused::Signature);
    }
    Ok(Event::read(payload)?)
}

/// Verifies deliveries by [Standard Webhooks](https://www.standardwebhooks.com): body, id and time.
#[derive(Clone)]
pub struct Verifier {
    secrets: Vec<Secret>,
    tolerance: Duration,
}

impl Verifier {
    /// For an endpoint with this secret (`whsec_…`).
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secrets: vec![secret.into().into()], tolerance: TOLERANCE }
    }

    /// Takes this secret too, while one is replaced by another.
    #[must_use]
    pub fn or(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into().into());
        self
    }

    /// How old or how far ahead a delivery may be. Five minutes unless set.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The event in a delivery, by its headers and its raw body.
    ///
    /// # Errors
    /// [`Refused`] says why it is not believed.
    pub fn construct_event(
        &self,
        headers: &HeaderMap,
        payload: impl AsRef<[u8]>,
    ) -> Result<Event, Refused> {
        self.construct_event_at(headers, payload.as_ref(), SystemTime::now())
    }

    fn construct_event_at(
        &self,
        headers: &HeaderMap,
        payload: &[u8],
        now: SystemTime,
    ) -> Result<Event, Refused> {
        let id = header(headers, "webhook-id")?;
        let timestamp = header(headers, "webhook-timestamp")?;
        let signatures = header(headers, "webhook-signature")?;
        let at = timestamp.parse().map_err(|_| Refused::Header("webhook-timestamp"))?;
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(at)).ok_or(Refused::Time)?;
        let apart = now.duration_since(at).unwrap_or_else(|ahead| ahead.duration());
        if apart > self.tolerance {
            return Err(Refused::Time);
        }
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", payload].concat();
        let tags: Vec<Vec<u8>> = signatures
            .split_ascii_whitespace()
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .filter(|tag| tag.len() == TAG_BYTES)
            .take(MOST_TAGS)
            .collect();
        let genuine = self
            .secrets
            .iter()
            .filter_map(key)
            .any(|key| tags.iter().any(|tag| hmac::verify(&key, &signed, tag).is_ok()));
        if !genuine {
            return Err(Refused::Signature);
        }
        Ok(Event::read(payload)?)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("tolerance", &self.tolerance).finish_non_exhaustive()
    }
}

/// What the Base64 of a secret stands for; `None` for a text that is no secret.
fn key(secret: &Secret) -> Option<hmac::Key> {
    let text = secret.expose();
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok()?;
    (!bytes.is_empty()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn header<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Refused> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    match (value, values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Refused::Header(name)),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of docs/webhooks.md.
    const SECRET: &str = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const OTHER: &str = "whsec_AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    const BODY: &str = r#"{"id":"evt_1","data":"ü"}"#;
    const SIGNATURE: &str = "57ae7815eae3cad1276dbf3bef82b79596807e86fc24c229839fc90f91a82405";
    const EVENT: &str = r#"{"id":"evt_1","event":"webhook.test","createdAt":"2026-01-31T12:00:00.000Z","projectId":"p","data":{}}"#;

    fn signed(secret: &str, id: &str, at: u64, body: &str) -> String {
        let key = key(&Secret::from(secret)).expect("a secret");
        let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }

    fn headers(at: u64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let at = at.to_string();
        for (name, value) in
            [("webhook-id", "evt_1"), ("webhook-timestamp", &at), ("webhook-signature", signature)]
        {
            headers.insert(name, value.parse().expect("a header"));
        }
        headers
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_published_vectors_verify() {
        assert!(verify_signature(BODY, SIGNATURE, SECRET));
        assert_eq!(
            signed(SECRET, "evt_1", 1_700_000_000, BODY),
            "v1,ybPwNACDCZltDoii4P5LUOQvPrfnq7vU63XzTd/d6GM="
        );
    }

    #[test]
    fn a_signature_is_of_these_bytes_under_this_secret_or_none() {
        for (body, signature, secret) in [
            (&BODY[1..], SIGNATURE, SECRET),
            (BODY, &SIGNATURE[2..], SECRET),
            (BODY, "", SECRET),
            (BODY, "zz", SECRET),
            (BODY, "abc", SECRET),
            (BODY, "ää", SECRET),
            (BODY, SIGNATURE, OTHER),
            (BODY, SIGNATURE, ""),
        ] {
            assert!(!verify_signature(body, signature, secret), "{body} {signature} {secret}");
            assert!(matches!(construct_event(body, signature, secret), Err(Refused::Signature)));
        }
        // Signed, but no event.
        assert!(matches!(construct_event(BODY, SIGNATURE, SECRET), Err(Refused::Body(_))));
    }

    #[test]
    fn any_of_several_secrets_and_signatures_will_do() {
        let now = 1_700_000_000;
        let both = format!(
            "v1a,zz {} {}",
            signed(OTHER, "evt_1", now, EVENT),
            signed(SECRET, "evt_1", now, EVENT)
        );
        for verifier in
            [Verifier::new(SECRET), Verifier::new(OTHER), Verifier::new("whsec_AwM=").or(SECRET)]
        {
            let event =
                verifier.construct_event_at(&headers(now, &both), EVENT.as_bytes(), at(now));
            assert_eq!(event.expect("genuine").id, "evt_1");
        }
        for wrong in ["whsec_AwM=", "whsec_", "", "whsec_no base64"] {
            let event = Verifier::new(wrong).construct_event_at(
                &headers(now, &both),
                EVENT.as_bytes(),
                at(now),
            );
            assert!(matches!(event, Err(Refused::Signature)), "{wrong}");
        }
    }

    #[test]
    fn what_was_signed_at_another_time_is_refused() {
        let now = 1_700_000_000;
        let signature = signed(SECRET, "evt_1", now, EVENT);
        let tried = |seconds, tolerance| {
            let verifier = Verifier::new(SECRET).tolerance(Duration::from_secs(tolerance));
            verifier.construct_event_at(&headers(now, &signature), EVENT.as_bytes(), at(seconds))
        };
        assert!(tried(now + 300, 300).is_ok());
        assert!(tried(now - 300, 300).is_ok());
        assert!(matches!(tried(now + 301, 300), Err(Refused::Time)));
        assert!(matches!(tried(now - 301, 300), Err(Refused::Time)));
        assert!(tried(now + 301, 3600).is_ok());
        // The time is part of what is signed.
        let moved = headers(now + 60, &signature);
        let moved = Verifier::new(SECRET).construct_event_at(&moved, EVENT.as_bytes(), at(now));
        assert!(matches!(moved, Err(Refused::Signature)));
        let endless = headers(u64::MAX, &signature);
        let endless = Verifier::new(SECRET).construct_event_at(&endless, EVENT.as_bytes(), at(now));
        assert!(matches!(endless, Err(Refused::Time)));
    }

    #[test]
    fn headers_that_are_missing_or_twice_are_named() {
        let now = 1_700_000_000;
        let signature = signed(SECRET, "evt_1", now, EVENT);
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut without = headers(now, &signature);
            without.remove(name);
            let mut twice = headers(now, &signature);
            twice.append(name, "x".parse().expect("a header"));
            for headers in [without, twice] {
                let event =
                    Verifier::new(SECRET).construct_event_at(&headers, EVENT.as_bytes(), at(now));
                assert!(matches!(event, Err(Refused::Header(named)) if named == name));
            }
        }
    }

    #[test]
    fn a_verifier_shows_no_secret() {
        assert!(!format!("{:?}", Verifier::new(SECRET)).contains("AQEB"));
    }
}
