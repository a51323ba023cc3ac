//! Mistral: OpenAI's bodies under its own paths, and usage in every stream without being asked.

mod routes;

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

use crate::compatible::Compatible;
use crate::config_fields;
use crate::media_type::MediaType;
use crate::openai::OpenAi;
use crate::provider::{
    ObjectRef, OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall,
    Verdict,
};

/// Mistral's wire. Facts and sources: <https://docs.mistral.ai/api>.
pub(crate) struct Mistral;

const BASE: &str = "https://api.mistral.ai";

/// Its own API is the compatible one. It refuses fields that it does not know, and tells usage
/// unasked.
static COMPATIBLE: Compatible =
    Compatible { of: &Mistral, prefix: "/v1", bearer: true, takes_usage_option: false };

impl Provider for Mistral {
    fn id(&self) -> &'static str {
        "mistral"
    }

    fn display_name(&self) -> &'static str {
        "Mistral"
    }

    fn mount(&self) -> &'static str {
        "mistral"
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        Some(BASE.into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        Some(&COMPATIBLE)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        let mut errors = config_fields::unknown(config, self.id(), &["baseUrl"]);
        errors.extend(config_fields::base_url_too_long(config, &["/v1"], BASE));
        errors
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        routes::envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        routes::drop_in(method, path)
    }

    fn prepare(&self, route: &Route, body: Bytes, _: bool) -> Result<Payload, PayloadError> {
        let files = if route.makes == Some("batch") { input_files(&body) } else { Vec::new() };
        let mut payload = OpenAi.prepare(route, body, false)?;
        payload.objects.extend(files.into_iter().map(|id| ObjectRef { kind: "file", id }));
        Ok(payload)
    }

    fn authorize(
        &self,
        _: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        request.headers.insert(header::AUTHORIZATION, secret.header_value("Bearer "));
    }

    fn forwards_header(&self, _: &str) -> bool {
        false
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: "/v1/models".into() }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
        OpenAi.judge(status, headers, body)
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        OpenAi.classify(status, headers, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        serde_json::json!({
            "object": "error", "message": message, "type": "invalid_request_error",
            "param": null, "code": code,
        })
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        OpenAi.reader(route, media)
    }
}

/// The uploaded files that a batch is made of; whatever else stands there is the provider's to
/// refuse.
fn input_files(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Fields {
        input_files: Option<Vec<String>>,
    }
    let fields = serde_json::from_slice::<Fields>(body).ok();
    fields.and_then(|fields| fields.input_files).unwrap_or_default()
}

#[cfg(test)]
mod tests;
