//! OpenAI, and every host that speaks its API under a customer's own `baseUrl`.

mod classify;
mod payload;
mod reader;
mod routes;

use std::borrow::Cow;

use byok_domain::usage::HostRegion;
use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::config_fields;
use crate::media_type::MediaType;
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict,
};

/// OpenAI's wire. Facts and sources: <https://platform.openai.com/docs/api-reference>.
pub(crate) struct OpenAi;

const CONFIG_FIELDS: [&str; 3] = ["baseUrl", "organization", "project"];

impl Provider for OpenAi {
    fn id(&self) -> &'static str {
        "openai"
    }

    fn display_name(&self) -> &'static str {
        "OpenAI"
    }

    fn mount(&self) -> &'static str {
        "v1"
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        Some("https://api.openai.com/v1".into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        Some(&Self)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        let mut errors = config_fields::unknown(config, self.id(), &CONFIG_FIELDS);
        for field in ["organization", "project"] {
            let is_id = |id: &str| {
                (1..=256).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
            };
            if config.get(field).is_some_and(|id| !is_id(id)) {
                errors.push(FieldError::new(
                    format!("providerConfig.{field}"),
                    "must be 1 to 256 visible ASCII characters, as OpenAI shows the id",
                ));
            }
        }
        errors
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        routes::envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        routes::drop_in(method, path)
    }

    fn prepare(
        &self,
        route: &Route,
        body: Bytes,
        ask_usage: bool,
    ) -> Result<Payload, PayloadError> {
        payload::prepare(route, body, ask_usage)
    }

    fn authorize(
        &self,
        config: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        request.headers.insert(header::AUTHORIZATION, secret.header_value("Bearer "));
        for (field, name) in
            [("organization", "openai-organization"), ("project", "openai-project")]
        {
            if let Some(value) = config.get(field).and_then(|v| HeaderValue::from_str(v).ok()) {
                request.headers.insert(name, value);
            }
        }
    }

    fn forwards_header(&self, name: &str) -> bool {
        matches!(name, "openai-beta" | "x-client-request-id" | "http-referer" | "x-title")
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: "/models".into() }
    }

    fn judge(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Verdict {
        classify::judge(status, body)
    }

    fn classify(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> ErrorClass {
        classify::classify(status, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        let kind = match code {
            "rate_limited" => "rate_limit_error",
            "internal" | "vault_integrity" | "unavailable" | "overloaded" => "server_error",
            code if code.starts_with("upstream_") => "server_error",
            _ => "invalid_request_error",
        };
        serde_json::json!({"error": {
            "message": message, "type": kind, "param": null, "code": code,
        }})
    }

    fn host_region(&self, origin: &str) -> HostRegion {
        let host = origin.strip_prefix("https://").and_then(|rest| rest.split(':').next());
        match host.and_then(|host| host.strip_suffix(".api.openai.com")) {
            None => HostRegion::None,
            Some("eu") => HostRegion::Eu,
            Some("us") => HostRegion::Us,
            Some(_) => HostRegion::Other,
        }
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        reader::reader(route, media == MediaType::Events, false)
    }
}

/// A reader for a host whose usage says what was charged.
pub(crate) fn reader_told_cost(route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
    reader::reader(route, media == MediaType::Events, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regional_host_is_known_by_its_name() {
        for (origin, region) in [
            ("https://api.openai.com:443", HostRegion::None),
            ("https://eu.api.openai.com:443", HostRegion::Eu),
            ("https://us.api.openai.com:443", HostRegion::Us),
            ("https://jp.api.openai.com:443", HostRegion::Other),
            ("https://eu.api.openai.com.example.com:443", HostRegion::None),
            ("https://eu.example.com:443", HostRegion::None),
            ("http://127.0.0.1:8080", HostRegion::None),
        ] {
            assert_eq!(OpenAi.host_region(origin), region, "{origin}");
        }
    }
}
