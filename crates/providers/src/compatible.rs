//! The OpenAI-compatible endpoint that another provider keeps beside its own API.

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::media_type::MediaType;
use crate::openai::OpenAi;
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict,
};

/// OpenAI's wire at another provider: its keys, its failures and its prices, OpenAI's paths and
/// bodies.
pub(crate) struct Compatible {
    /// Whose endpoint it is.
    pub(crate) of: &'static dyn Provider,
    /// Where it begins below that provider's base URL, with a leading slash (`/v1`).
    pub(crate) prefix: &'static str,
    /// Whether it takes `Authorization: Bearer` whatever the provider's own API takes.
    pub(crate) bearer: bool,
    /// Whether it takes `stream_options.include_usage`.
    pub(crate) takes_usage_option: bool,
}

impl Provider for Compatible {
    fn id(&self) -> &'static str {
        self.of.id()
    }

    fn display_name(&self) -> &'static str {
        self.of.display_name()
    }

    fn mount(&self) -> &'static str {
        OpenAi.mount()
    }

    fn base_url(&self, config: &ProviderConfig, plane: Plane) -> Option<Cow<'static, str>> {
        self.of.base_url(config, plane)
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        self.of.compatible()
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        self.of.check_config(config)
    }

    fn owns_host(&self, host: &str) -> bool {
        self.of.owns_host(host)
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        self.of.envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        let route = OpenAi.drop_in(method, path);
        let path = format!("{}{}", self.prefix, route.path);
        Route { path: path.into(), ..route }
    }

    fn prepare(
        &self,
        route: &Route,
        body: Bytes,
        ask_usage: bool,
    ) -> Result<Payload, PayloadError> {
        OpenAi.prepare(route, body, ask_usage && self.takes_usage_option)
    }

    fn authorize(
        &self,
        config: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        if self.bearer {
            request.headers.insert(header::AUTHORIZATION, secret.header_value("Bearer "));
        } else {
            self.of.authorize(config, secret, request);
        }
    }

    fn forwards_header(&self, name: &str) -> bool {
        OpenAi.forwards_header(name) || self.of.forwards_header(name)
    }

    fn withholds_parameter(&self, name: &str) -> bool {
        self.of.withholds_parameter(name)
    }

    fn validation(&self, config: &ProviderConfig) -> ValidationCall {
        self.of.validation(config)
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
        self.of.judge(status, headers, body)
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        self.of.classify(status, headers, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        OpenAi.own_error(code, message)
    }

    fn own_error_header(&self, code: &str) -> Option<(HeaderName, HeaderValue)> {
        OpenAi.own_error_header(code)
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        OpenAi.reader(route, media)
    }
}
