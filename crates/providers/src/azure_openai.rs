//! Azure OpenAI: OpenAI's bodies at a resource of the customer's own, where a deployment stands in
//! the path.

mod classify;
mod config;
mod routes;

use std::borrow::Cow;
use std::sync::Arc;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::compatible::Compatible;
use crate::json_fields::JsonFields;
use crate::media_type::MediaType;
use crate::openai::OpenAi;
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict,
};

/// Azure OpenAI's wire. Facts and sources:
/// <https://learn.microsoft.com/azure/ai-services/openai/reference>.
pub(crate) struct AzureOpenAi;

const API_KEY: HeaderName = HeaderName::from_static("api-key");

static COMPATIBLE: Compatible =
    Compatible { of: &AzureOpenAi, prefix: "/openai/v1", bearer: false, takes_usage_option: true };

impl Provider for AzureOpenAi {
    fn id(&self) -> &'static str {
        "azure-openai"
    }

    fn display_name(&self) -> &'static str {
        "Azure OpenAI"
    }

    fn mount(&self) -> &'static str {
        "azure-openai"
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        // Each resource has a host of its own.
        None
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        Some(&COMPATIBLE)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        config::check(config)
    }

    fn owns_host(&self, host: &str) -> bool {
        config::is_microsofts(host)
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
        let mut payload = OpenAi.prepare(route, body.clone(), ask_usage)?;
        if payload.model.is_none() {
            if routes::is_enveloped(route) {
                refuse_other_model(&body)?;
            }
            // Azure needs no `model` beside the path, which is where the deployment is named.
            payload.model = routes::deployment(&route.path).map(Arc::from);
        }
        Ok(payload)
    }

    fn path<'r>(
        &self,
        route: &'r Route,
        model: Option<&str>,
        config: &ProviderConfig,
    ) -> Result<Cow<'r, str>, PayloadError> {
        routes::path(route, model, config)
    }

    fn added_member(
        &self,
        route: &Route,
        model: Option<&str>,
        config: &ProviderConfig,
    ) -> Option<String> {
        let wanted = routes::is_enveloped(route) && route.operation.name == "responses";
        let deployment = config.get("deploymentName").filter(|_| wanted && model.is_none())?;
        Some(format!("\"model\":{}", serde_json::Value::from(deployment)))
    }

    fn authorize(
        &self,
        _: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        request.headers.insert(API_KEY, secret.header_value(""));
    }

    fn forwards_header(&self, name: &str) -> bool {
        matches!(
            name,
            "openai-beta"
                | "x-client-request-id"
                | "x-ms-client-request-id"
                | "x-ms-oai-image-generation-deployment"
        )
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        let path = format!("/openai/models?api-version={}", config::API_VERSION);
        ValidationCall { plane: Plane::Runtime, path: path.into() }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
        classify::judge(status, body).unwrap_or_else(|| OpenAi.judge(status, headers, body))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        classify::classify(status, body).unwrap_or_else(|| OpenAi.classify(status, headers, body))
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        OpenAi.own_error(code, message)
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        OpenAi.reader(route, media)
    }
}

/// Refuses a `model` that is there and names no deployment: another cannot be put beside it.
fn refuse_other_model(body: &[u8]) -> Result<(), PayloadError> {
    let mut fields = JsonFields::new(&["model"]);
    fields.push(body);
    if fields.get("model").is_none() {
        return Ok(());
    }
    Err(PayloadError::Invalid(
        "`model` must be a text, the name of a deployment; leave it out to use the key's \
         deploymentName"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests;
