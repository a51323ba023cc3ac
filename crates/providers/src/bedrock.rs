//! Amazon Bedrock: Converse and `InvokeModel`, with an access key or a Bedrock API key.

mod classify;
mod config;
mod document;
mod frames;
mod payload;
mod routes;
mod sign;
mod stream;
mod usage;

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::compatible::Compatible;
use crate::media_type::MediaType;
use crate::openai::OpenAi;
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict,
};

/// Bedrock's wire. Facts and sources: <https://docs.aws.amazon.com/bedrock/latest/APIReference/>.
pub(crate) struct Bedrock;

/// The OpenAI-compatible endpoint of the runtime host, with the same credentials.
static COMPATIBLE: Compatible =
    Compatible { of: &Bedrock, prefix: "/openai/v1", bearer: false, takes_usage_option: true };

impl Provider for Bedrock {
    fn id(&self) -> &'static str {
        "bedrock"
    }

    fn display_name(&self) -> &'static str {
        "Amazon Bedrock"
    }

    fn mount(&self) -> &'static str {
        "bedrock"
    }

    fn base_url(&self, config: &ProviderConfig, plane: Plane) -> Option<Cow<'static, str>> {
        let region = config::region(config)?;
        let host = match plane {
            Plane::Runtime => "bedrock-runtime",
            Plane::Control => "bedrock",
        };
        Some(format!("https://{host}.{region}.amazonaws.com").into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        Some(&COMPATIBLE)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        config::check(config)
    }

    fn session_token_field(&self) -> Option<&'static str> {
        Some("sessionToken")
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        routes::envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        routes::drop_in(method, path)
    }

    fn encodes_slashes(&self) -> bool {
        true
    }

    fn takes_untyped_json(&self) -> bool {
        // `InvokeModel`: boto3 sends none, the JavaScript SDK `application/octet-stream`.
        true
    }

    fn prepare(&self, route: &Route, body: Bytes, _: bool) -> Result<Payload, PayloadError> {
        payload::prepare(route, body)
    }

    fn path<'r>(
        &self,
        route: &'r Route,
        model: Option<&str>,
        _: &ProviderConfig,
    ) -> Result<Cow<'r, str>, PayloadError> {
        routes::path(route, model)
    }

    fn authorize(
        &self,
        config: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        let Some(access_key_id) = config.get("accessKeyId") else {
            request.headers.insert(header::AUTHORIZATION, secret.header_value("Bearer "));
            return;
        };
        let signer = sign::Signer {
            access_key_id,
            region: config::region(config).unwrap_or_default(),
            service: "bedrock",
        };
        signer.sign(secret, request);
    }

    fn forwards_header(&self, name: &str) -> bool {
        name.starts_with("x-amzn-bedrock-")
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Control, path: "/foundation-models".into() }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
        classify::judge(status, headers, body)
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        classify::classify(status, headers, body)
    }

    fn own_error(&self, _: &str, message: &str) -> serde_json::Value {
        serde_json::json!({ "message": message })
    }

    fn own_error_header(&self, code: &str) -> Option<(HeaderName, HeaderValue)> {
        let name = HeaderName::from_static("x-amzn-errortype");
        Some((name, HeaderValue::from_static(classify::own_type(code))))
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        self.reader_beside(route, media, &HeaderMap::new())
    }

    fn reader_beside(
        &self,
        route: &Route,
        media: MediaType,
        headers: &HeaderMap,
    ) -> Box<dyn AnswerReader> {
        match media {
            MediaType::AwsEvents => Box::new(stream::Stream::new(!route.known)),
            // Other APIs of the same host, called by paths that are not known here.
            MediaType::Events => OpenAi.reader(route, media),
            MediaType::Json | MediaType::EventLines | MediaType::Page | MediaType::Other => {
                Box::new(document::Document::new(route, headers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::Timestamp;
    use http::Uri;

    fn config(fields: &[(&str, &str)]) -> ProviderConfig {
        let mut config = ProviderConfig::default();
        fields.iter().for_each(|(field, value)| config.set(field, *value));
        config
    }

    #[test]
    fn the_region_chooses_the_hosts_and_a_bad_one_none() {
        let good = config(&[("region", "eu-central-1")]);
        let base = |plane| Bedrock.base_url(&good, plane);
        assert_eq!(
            base(Plane::Runtime).as_deref(),
            Some("https://bedrock-runtime.eu-central-1.amazonaws.com")
        );
        assert_eq!(
            base(Plane::Control).as_deref(),
            Some("https://bedrock.eu-central-1.amazonaws.com")
        );
        for bad in [&[][..], &[("region", "evil.com#")]] {
            assert_eq!(Bedrock.base_url(&config(bad), Plane::Runtime), None);
        }
    }

    #[test]
    fn an_api_key_is_sent_and_a_secret_access_key_only_signs() {
        let id = ("accessKeyId", "AKIAIOSFODNN7EXAMPLE");
        let region = ("region", "us-east-1");
        for (fields, begins, shown) in [
            (&[region][..], "Bearer bedrock-canary-key", true),
            (
                &[region, id],
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20270115/us-east-1/bedrock/aws4_request",
                false,
            ),
        ] {
            let secret = ProviderSecret::parse("bedrock-canary-key".to_owned()).expect("a key");
            let uri: Uri = "https://h/model/m/converse".parse().expect("a URI");
            let mut headers = HeaderMap::new();
            let mut request = OutgoingRequest {
                method: &Method::POST,
                uri: &uri,
                headers: &mut headers,
                body: Some(&[]),
                at: Timestamp::from_millis(1_800_000_000_000),
            };
            for provider in [&Bedrock as &dyn Provider, &COMPATIBLE] {
                provider.authorize(&config(fields), &secret, &mut request);
                let value = &request.headers[header::AUTHORIZATION];
                assert!(value.to_str().expect("text").starts_with(begins), "{value:?}");
                assert!(value.is_sensitive());
                let found = request.headers.values().any(|v| secret.find_in(v.as_bytes()));
                assert_eq!(found, shown);
            }
        }
    }

    #[test]
    fn the_compatible_endpoint_is_openais_below_a_prefix() {
        let compatible = Bedrock.compatible().expect("one");
        let route = compatible.drop_in(&Method::POST, "chat/completions");
        assert_eq!((route.path.as_ref(), route.known), ("/openai/v1/chat/completions", true));
        assert_eq!(compatible.id(), "bedrock");
    }

    #[test]
    fn a_refusal_of_our_own_is_one_that_awss_sdks_know() {
        assert_eq!(Bedrock.own_error("x", "No key."), serde_json::json!({"message": "No key."}));
        for (code, expected) in [
            ("key_not_connected", "ResourceNotFoundException"),
            ("missing_ref_id", "ValidationException"),
            ("unauthenticated", "UnrecognizedClientException"),
            ("rate_limited", "ThrottlingException"),
        ] {
            let (name, value) = Bedrock.own_error_header(code).expect("one");
            assert_eq!(name, "x-amzn-errortype");
            assert_eq!(value, expected, "{code}");
        }
    }
}
