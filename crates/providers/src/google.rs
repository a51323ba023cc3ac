//! Google AI Studio: the Gemini API.

mod classify;
mod payload;
mod reader;
mod routes;
mod usage;

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use serde_json::json;

use crate::compatible::Compatible;
use crate::config_fields;
use crate::media_type::MediaType;
use crate::next_address::NextAddress;
use crate::percent::decoded;
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict,
};

/// Google AI Studio's wire. Facts and sources: <https://ai.google.dev/api>.
pub(crate) struct Google;

const API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const UPLOAD_URL: HeaderName = HeaderName::from_static("x-goog-upload-url");
const COMPATIBLE_PREFIX: &str = "/v1beta/openai";

static COMPATIBLE: Compatible =
    Compatible { of: &Google, prefix: COMPATIBLE_PREFIX, bearer: true, takes_usage_option: true };

impl Provider for Google {
    fn id(&self) -> &'static str {
        "google"
    }

    fn display_name(&self) -> &'static str {
        "Google AI Studio"
    }

    fn mount(&self) -> &'static str {
        "google"
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        Some("https://generativelanguage.googleapis.com".into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        Some(&COMPATIBLE)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        let mut errors = config_fields::unknown(config, "google", &["baseUrl"]);
        let address = "https://generativelanguage.googleapis.com";
        errors.extend(config_fields::base_url_too_long(config, &["/v1", "/v1beta"], address));
        errors
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        routes::envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        routes::drop_in(method, path)
    }

    fn next_address(&self, route: &Route) -> Option<NextAddress> {
        route.path.starts_with("/upload/").then_some(NextAddress::Upload(UPLOAD_URL))
    }

    fn prepare(
        &self,
        route: &Route,
        body: Bytes,
        ask_usage: bool,
    ) -> Result<Payload, PayloadError> {
        if routes::is_compatible(&route.path) {
            return COMPATIBLE.prepare(route, body, ask_usage);
        }
        payload::prepare(route, body)
    }

    fn path<'r>(
        &self,
        route: &'r Route,
        model: Option<&str>,
        _: &ProviderConfig,
    ) -> Result<Cow<'r, str>, PayloadError> {
        payload::path(route, model)
    }

    fn authorize(
        &self,
        _: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        if routes::is_compatible(request.uri.path()) {
            request.headers.insert(header::AUTHORIZATION, secret.header_value("Bearer "));
        } else {
            request.headers.insert(API_KEY, secret.header_value(""));
        }
    }

    fn forwards_header(&self, name: &str) -> bool {
        matches!(name, "x-goog-api-client" | "x-server-timeout")
            || name.starts_with("x-goog-upload-")
    }

    fn withholds_parameter(&self, name: &str) -> bool {
        matches!(&*decoded(name), "key" | "access_token" | "oauth_token" | "bearer_token")
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: "/v1beta/models?pageSize=1".into() }
    }

    fn judge(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Verdict {
        classify::judge(status, body)
    }

    fn classify(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> ErrorClass {
        classify::classify(status, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        let (number, status) = canonical(code);
        json!({"error": {"code": number, "message": message, "status": status, "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code, "domain": "byok",
        }]}})
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        if routes::is_compatible(&route.path) {
            return COMPATIBLE.reader(route, media);
        }
        reader::reader(route, media == MediaType::Events)
    }
}

/// The HTTP status that a code of ours is sent with, and Google's name for what it means.
fn canonical(code: &str) -> (u16, &'static str) {
    match code {
        "unauthenticated" => (401, "UNAUTHENTICATED"),
        "insufficient_credits" | "byok_required" => (402, "RESOURCE_EXHAUSTED"),
        "forbidden" | "origin_not_allowed" | "byok_not_in_plan" => (403, "PERMISSION_DENIED"),
        "not_found" | "key_not_connected" => (404, "NOT_FOUND"),
        "conflict" | "key_exists" | "key_required" => (409, "ALREADY_EXISTS"),
        "body_too_large" => (413, "INVALID_ARGUMENT"),
        "unsupported_media_type" => (415, "INVALID_ARGUMENT"),
        "validation_failed" | "unpriced_model" => (422, "FAILED_PRECONDITION"),
        "rate_limited" => (429, "RESOURCE_EXHAUSTED"),
        "internal" | "vault_integrity" => (500, "INTERNAL"),
        "upstream_unreachable" | "upstream_redirect" | "egress_blocked" => (502, "UNAVAILABLE"),
        "overloaded" | "unavailable" => (503, "UNAVAILABLE"),
        "upstream_timeout" => (504, "DEADLINE_EXCEEDED"),
        _ => (400, "INVALID_ARGUMENT"),
    }
}

#[cfg(test)]
mod tests {
    use byok_domain::Timestamp;

    use super::*;

    fn config(fields: &[(&str, &str)]) -> ProviderConfig {
        let mut config = ProviderConfig::default();
        fields.iter().for_each(|(field, value)| config.set(field, *value));
        config
    }

    #[test]
    fn the_key_goes_into_the_one_header_that_the_endpoint_takes() {
        let secret = ProviderSecret::parse("AQ.canary-0123456789".to_owned()).expect("a key");
        for (path, name, value) in [
            ("/v1beta/models/m:generateContent?alt=sse", "x-goog-api-key", "AQ.canary-0123456789"),
            ("/v1beta/openai/chat/completions", "authorization", "Bearer AQ.canary-0123456789"),
        ] {
            let (mut headers, uri) = (HeaderMap::new(), path.parse().expect("a URI"));
            Google.authorize(
                &ProviderConfig::default(),
                &secret,
                &mut OutgoingRequest {
                    method: &Method::POST,
                    uri: &uri,
                    headers: &mut headers,
                    body: None,
                    at: Timestamp::from_millis(0),
                },
            );
            assert_eq!(headers.len(), 1, "{path}");
            assert_eq!(headers[name], value, "{path}");
        }
        for (name, withheld) in [("key", true), ("access_token", true), ("alt", false)] {
            assert_eq!(Google.withholds_parameter(name), withheld, "{name}");
        }
        assert!(!Google.forwards_header("x-goog-api-key"));
        assert!(!Google.forwards_header("x-goog-user-project"));
    }

    #[test]
    fn a_configuration_may_hold_an_address_only() {
        assert!(Google.check_config(&config(&[("baseUrl", "https://gemini.example")])).is_empty());
        let errors = Google.check_config(&config(&[("region", "eu"), ("project", "p")]));
        let with_path = Google.check_config(&config(&[("baseUrl", "https://g.example/v1beta/")]));
        assert!(with_path[0].message.contains("leave `/v1beta` out"), "{with_path:?}");
        let fields: Vec<_> = errors.iter().map(|error| &*error.field).collect();
        assert_eq!(fields, ["providerConfig.project", "providerConfig.region"]);
    }

    #[test]
    fn a_refusal_of_ours_has_googles_shape() {
        for (code, number, status) in [
            ("missing_ref_id", 400, "INVALID_ARGUMENT"),
            ("unauthenticated", 401, "UNAUTHENTICATED"),
            ("key_not_connected", 404, "NOT_FOUND"),
            ("rate_limited", 429, "RESOURCE_EXHAUSTED"),
            ("upstream_timeout", 504, "DEADLINE_EXCEEDED"),
        ] {
            let error = &Google.own_error(code, "Do this.")["error"];
            assert_eq!((&error["code"], &error["status"]), (&json!(number), &json!(status)));
            assert_eq!(
                (&error["message"], &error["details"][0]["reason"]),
                (&json!("Do this."), &json!(code))
            );
        }
    }
}
