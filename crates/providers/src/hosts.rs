//! Hosts that speak OpenAI's wire at an address of their own. A new one takes a line here and one
//! in the registry; its prices are found under its id.

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::config_fields::unknown;
use crate::media_type::MediaType;
use crate::openai::{OpenAi, reader_told_cost};
use crate::provider::{
    OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall, Verdict, find,
};

/// A host and what it differs in from others.
pub(crate) struct Host {
    id: &'static str,
    name: &'static str,
    base_url: &'static str,
    /// The path that a GET proves a key on.
    proof: &'static str,
    /// Whether its usage says what was charged.
    tells_cost: bool,
}

const fn host(id: &'static str, name: &'static str, base_url: &'static str) -> Host {
    Host { id, name, base_url, proof: "/models", tells_cost: false }
}

pub(crate) const DEEPSEEK: Host = host("deepseek", "DeepSeek", "https://api.deepseek.com/v1");
pub(crate) const FIREWORKS: Host =
    host("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1");
pub(crate) const GROQ: Host = host("groq", "Groq", "https://api.groq.com/openai/v1");
/// Its list of models is public: only `/key` tells whether a key is one.
pub(crate) const OPENROUTER: Host = Host {
    proof: "/key",
    tells_cost: true,
    ..host("openrouter", "OpenRouter", "https://openrouter.ai/api/v1")
};
pub(crate) const TOGETHER: Host = host("together", "Together", "https://api.together.xyz/v1");
pub(crate) const XAI: Host = host("xai", "xAI", "https://api.x.ai/v1");

impl Provider for Host {
    fn id(&self) -> &'static str {
        self.id
    }

    fn display_name(&self) -> &'static str {
        self.name
    }

    fn mount(&self) -> &'static str {
        self.id
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        Some(self.base_url.into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        find(self.id)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        unknown(config, self.id, &["baseUrl"])
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
        // A host's own headers carry its name (`x-openrouter-title`).
        let own = name.strip_prefix("x-").and_then(|rest| rest.strip_prefix(self.id));
        OpenAi.forwards_header(name) || own.is_some_and(|rest| rest.starts_with('-'))
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: self.proof.into() }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
        match OpenAi.judge(status, headers, body) {
            Verdict::Valid if has_no_credit(body) => Verdict::NoQuota,
            verdict => verdict,
        }
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
        OpenAi.classify(status, headers, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        OpenAi.own_error(code, message)
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        if self.tells_cost {
            return reader_told_cost(route, media);
        }
        OpenAi.reader(route, media)
    }
}

/// Whether what OpenRouter tells of a key is that its limit is used up.
fn has_no_credit(body: &[u8]) -> bool {
    let told: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    told["data"]["limit_remaining"].as_f64().is_some_and(|left| left <= 0.0)
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
    fn a_key_of_openrouters_without_credit_left_is_a_poor_one() {
        let judged = |host: &Host, body: &str| {
            host.judge(StatusCode::OK, &HeaderMap::new(), body.as_bytes())
        };
        for (left, verdict) in [
            ("null", Verdict::Valid),
            ("0.25", Verdict::Valid),
            ("0", Verdict::NoQuota),
            ("-0.5", Verdict::NoQuota),
            ("\"many\"", Verdict::Valid),
        ] {
            let body = format!(r#"{{"data":{{"label":"k","limit":10,"limit_remaining":{left}}}}}"#);
            assert_eq!(judged(&OPENROUTER, &body), verdict, "{left}");
        }
        assert_eq!(judged(&OPENROUTER, r#"{"data":{}}"#), Verdict::Valid);
        assert_eq!(judged(&OPENROUTER, "<html>"), Verdict::Inconclusive(200));
    }

    #[test]
    fn openrouter_is_told_who_calls() {
        for name in ["http-referer", "x-title", "x-openrouter-title", "x-openrouter-categories"] {
            assert!(OPENROUTER.forwards_header(name), "{name}");
        }
        assert!(!GROQ.forwards_header("x-openrouter-title"));
    }

    #[test]
    fn openrouter_alone_says_what_it_charged() {
        let route = OPENROUTER.drop_in(&Method::POST, "chat/completions");
        let answer =
            br#"{"model":"x/y","usage":{"prompt_tokens":8,"completion_tokens":2,"cost":0.5}}"#;
        for (host, cost) in [(&OPENROUTER, Some("0.5")), (&GROQ, None), (&XAI, None)] {
            let mut reader = host.reader(&route, MediaType::Json);
            reader.read(answer);
            let told = reader.finish().cost.map(|cost| cost.to_string());
            assert_eq!(told.as_deref(), cost, "{}", host.id());
        }
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
