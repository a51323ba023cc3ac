//! AWS's Signature Version 4 over a request about to leave.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use byok_vault::ProviderSecret;
use http::{HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::provider::OutgoingRequest;

/// What a signature names beside the secret.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) region: &'a str,
    /// The service, as AWS knows it in signatures.
    pub(super) service: &'static str,
}

impl Signer<'_> {
    /// Adds `authorization`, `x-amz-date` and, with a session token, `x-amz-security-token`.
    ///
    /// A request that cannot be signed leaves as it is: AWS refuses it by name
    /// (`MissingAuthenticationTokenException`).
    pub(super) fn sign(&self, secret: &ProviderSecret, request: &mut OutgoingRequest<'_>) {
        let Some(added) = self.headers(secret, request) else { return };
        for (name, value) in added {
            request.headers.insert(name, value);
        }
    }

    fn headers(
        &self,
        secret: &ProviderSecret,
        request: &OutgoingRequest<'_>,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        // The signer wipes its copies of key and token when this goes.
        let credentials = secret.lend(|secret, token| {
            Credentials::new(self.access_key_id, secret, token.map(str::to_owned), None, "byok")
        });
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        let body = match request.body {
            Some(pieces) => SignableBody::Precomputed(digest(pieces.iter().map(AsRef::as_ref))),
            None => {
                settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
                SignableBody::UnsignedPayload
            }
        };
        let millis = u64::try_from(request.at.as_millis()).ok()?;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .settings(settings)
            .build()
            .ok()?;
        // Only what the answer depends on is signed: other headers may be changed on the way.
        let signed = request.headers.iter().filter(|(name, _)| is_signed(name));
        let signed = signed.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri.to_string();
        let signable = SignableRequest::new(request.method.as_str(), uri, signed, body).ok()?;
        let (instructions, _) = sign(signable, &params.into()).ok()?.into_parts();
        let (added, _) = instructions.into_parts();
        added
            .iter()
            .map(|header| {
                let mut value = HeaderValue::from_str(header.value()).ok()?;
                value.set_sensitive(true);
                Some((HeaderName::from_static(header.name()), value))
            })
            .collect()
    }
}

fn is_signed(name: &HeaderName) -> bool {
    name == header::CONTENT_TYPE || name.as_str().starts_with("x-amzn-bedrock-")
}

/// SHA-256 of a body in pieces, in lower-case hex.
fn digest<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    pieces.for_each(|piece| hasher.update(piece));
    let digest = hasher.finalize();
    let nibble = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    digest.iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::Timestamp;
    use bytes::Bytes;
    use http::{HeaderMap, Method, Uri};

    /// AWS's published example key.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const MODEL: &str = "https://bedrock-runtime.us-east-1.amazonaws.com/model";

    struct Case<'a> {
        method: Method,
        uri: &'a str,
        pieces: Option<&'a [&'static str]>,
        headers: &'a [(&'static str, &'static str)],
        token: Option<&'a str>,
        service: &'static str,
        at: i64,
    }

    fn signed(case: &Case<'_>) -> HeaderMap {
        let secret = ProviderSecret::parse(SECRET.to_owned()).expect("a key");
        let secret = match case.token {
            Some(token) => secret.with_session_token(token.to_owned()).expect("a token"),
            None => secret,
        };
        let mut headers: HeaderMap = case
            .headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let uri: Uri = case.uri.parse().expect("a URI");
        let pieces: Option<Vec<Bytes>> = case
            .pieces
            .map(|all| all.iter().map(|text| Bytes::from_static(text.as_bytes())).collect());
        let mut request = OutgoingRequest {
            method: &case.method,
            uri: &uri,
            headers: &mut headers,
            body: pieces.as_deref(),
            at: Timestamp::from_millis(case.at),
        };
        let signer =
            Signer { access_key_id: "AKIDEXAMPLE", region: "us-east-1", service: case.service };
        signer.sign(&secret, &mut request);
        headers
    }

    fn authorization(headers: &HeaderMap) -> &str {
        headers[header::AUTHORIZATION].to_str().expect("text")
    }

    #[test]
    fn the_signature_is_that_of_awss_own_test_suite() {
        // `get-vanilla` of the Signature Version 4 test suite.
        let headers = signed(&Case {
            method: Method::GET,
            uri: "https://example.amazonaws.com/",
            pieces: Some(&[]),
            headers: &[],
            token: None,
            service: "service",
            at: 1_440_938_160_000,
        });
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(
            authorization(&headers),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn requests_to_bedrock_are_signed_as_botocore_signs_them() {
        // Computed with botocore 1.44.5 for the same requests.
        let json = ("content-type", "application/json");
        let post = |uri, headers, token| Case {
            method: Method::POST,
            uri,
            pieces: Some(&[r#"{"mess"#, r#"ages":[]}"#]),
            headers,
            token,
            service: "bedrock",
            at: 1_795_256_430_000,
        };
        let get = |uri| Case { method: Method::GET, pieces: Some(&[]), ..post(uri, &[], None) };
        let escaped = format!("{MODEL}/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
        let plain = format!("{MODEL}/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke");
        let arn = format!(
            "{MODEL}/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F\
             us.amazon.nova-lite-v1%3A0/converse-stream"
        );
        let traced = [json, ("x-amzn-bedrock-trace", "ENABLED"), ("user-agent", "not signed")];
        for (case, names, signature) in [
            (
                get("https://bedrock.us-east-1.amazonaws.com/foundation-models"),
                "host;x-amz-date",
                "2ff3b7218f7d4c484eb0d346fc3a7c54b13ac6b34d7d6f4d5adac2d68fcf7c5c",
            ),
            (
                post(&escaped, &[json], None),
                "content-type;host;x-amz-date",
                "c32f2ecd6d952de537b40dce7964f2c6f1fa9ae342d66f54e3a1df139916a834",
            ),
            (
                post(&plain, &[json], None),
                "content-type;host;x-amz-date",
                "8f35010edc13e4266734657a19db7d8b03c6581e07846984c25120c8217ffff3",
            ),
            (
                post(&arn, &traced, Some("tok/en+ASIA==")),
                "content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace",
                "2228feebd5d9759c84bca4441eaa9c923740540d2081ffa4d0f76614cd33febd",
            ),
            (
                get(
                    "http://127.0.0.1:4010/prefix/inference-profiles?maxResults=5&typeEquals=SYSTEM_DEFINED",
                ),
                "host;x-amz-date",
                "89c4fed42d1205634dd3287e7b739ab988c00b6d30e14b7552dd462b6de8be5d",
            ),
        ] {
            let headers = signed(&case);
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/bedrock/aws4_request, \
                 SignedHeaders={names}, Signature={signature}"
            );
            assert_eq!(authorization(&headers), expected, "{}", case.uri);
            assert!(headers[header::AUTHORIZATION].is_sensitive());
            let token =
                headers.get("x-amz-security-token").map(|value| value.to_str().expect("text"));
            assert_eq!(token, case.token);
            assert!(!headers.contains_key("x-amz-content-sha256"));
        }
    }

    #[test]
    fn a_body_that_is_streamed_through_is_said_to_be_unsigned() {
        let headers = signed(&Case {
            method: Method::POST,
            uri: "https://bedrock-runtime.us-east-1.amazonaws.com/x",
            pieces: None,
            headers: &[],
            token: None,
            service: "bedrock",
            at: 1_795_256_430_000,
        });
        assert_eq!(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert!(authorization(&headers).contains("x-amz-content-sha256"));
    }

    #[test]
    fn the_secret_is_in_no_header() {
        let uri = format!("{MODEL}/m/converse");
        let headers = signed(&Case {
            method: Method::POST,
            uri: &uri,
            pieces: Some(&["{}"]),
            headers: &[],
            token: Some("token"),
            service: "bedrock",
            at: 0,
        });
        let secret = ProviderSecret::parse(SECRET.to_owned()).expect("a key");
        assert!(headers.values().all(|value| !secret.find_in(value.as_bytes())));
    }
}
