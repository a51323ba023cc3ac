//! Hosts that speak OpenAI's wire at an address of their own. A new one takes a line here and one
//! in the registry; its prices are found under its id.

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use memchr::memmem;

use crate::config_fields::unknown;
use crate::media_type::MediaType;
use crate::openai::OpenAi;
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict, find,
};

/// A host: its id and name, its base URL, and the path that a GET proves a key on.
pub(crate) struct Host(&'static str, &'static str, &'static str, &'static str);

pub(crate) const DEEPSEEK: Host =
    Host("deepseek", "DeepSeek", "https://api.deepseek.com/v1", "/models");
pub(crate) const FIREWORKS: Host =
    Host("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", "/models");
pub(crate) const GROQ: Host = Host("groq", "Groq", "https://api.groq.com/openai/v1", "/models");
/// Its list of models is public: only `/key` tells whether a key is one.
pub(crate) const OPENROUTER: Host =
    Host("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "/key");
pub(crate) const TOGETHER: Host =
    Host("together", "Together", "https://api.together.xyz/v1", "/models");
pub(crate) const XAI: Host = Host("xai", "xAI", "https://api.x.ai/v1", "/models");

impl Provider for Host {
    fn id(&self) -> &'static str {
        self.0
    }

    fn display_name(&self) -> &'static str {
        self.1
    }

    fn mount(&self) -> &'static str {
        self.0
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        Some(self.2.into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        find(self.0)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        unknown(config, self.0, &["baseUrl"])
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        OpenAi.envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        OpenAi.drop_in(method, path)
    }

    fn prepare(&self, route: &Route, body: Bytes, ask: bool) -> Result<Payload, PayloadError> {
        OpenAi.prepare(route, body, ask)
    }

    fn authorize(
        &self,
        config: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        OpenAi.authorize(config, secret, request);
    }

    fn forwards_header(&self, name: &str) -> bool {
        OpenAi.forwards_header(name)
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: self.3.into() }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
        if wrong_key(status, body) {
            return Verdict::Invalid;
        }
        OpenAi.judge(status, headers, body)
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        if wrong_key(status, body) {
            return ErrorClass::KeyRejected;
        }
        OpenAi.classify(status, headers, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        OpenAi.own_error(code, message)
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        OpenAi.reader(route, media)
    }
}

/// xAI answers 400 to a key that it does not know.
fn wrong_key(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::BAD_REQUEST && memmem::find(body, b"Incorrect API key").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_speaks_openais_wire_at_its_own_address_and_prices() {
        let prices = byok_domain::pricing::PriceTable::builtin();
        for (host, model) in
            [(&DEEPSEEK, "deepseek-chat"), (&GROQ, "openai/gpt-oss-120b"), (&XAI, "grok-4.20")]
        {
            let found = find(host.id()).expect("registered");
            assert_eq!(found.display_name(), host.display_name());
            let route = found.drop_in(&Method::POST, "chat/completions");
            assert!(route.known && route.path == "/chat/completions");
            assert!(prices.get(host.id(), model).is_some(), "{model}");
        }
    }

    #[test]
    fn a_key_that_xai_does_not_know_is_invalid_and_a_bad_request_is_not() {
        let none = HeaderMap::new();
        let unknown = br#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***ey."}"#;
        assert_eq!(XAI.judge(StatusCode::BAD_REQUEST, &none, unknown), Verdict::Invalid);
        let class = XAI.classify(StatusCode::BAD_REQUEST, &none, unknown);
        assert_eq!(class, ErrorClass::KeyRejected);
        let other = br#"{"code":"Client specified an invalid argument","error":"max_tokens"}"#;
        let class = XAI.classify(StatusCode::BAD_REQUEST, &none, other);
        assert_eq!(class, ErrorClass::RequestRejected);
    }

    #[test]
    fn only_a_base_url_may_be_set() {
        let mut config = ProviderConfig::default();
        config.set("baseUrl", "https://gateway.example/v1");
        assert!(GROQ.check_config(&config).is_empty());
        config.set("region", "eu");
        assert_eq!(GROQ.check_config(&config)[0].field, "providerConfig.region");
    }
}
