//! Anthropic: messages, token counts, models, message batches and files.

mod classify;
mod reader;
mod routes;
mod usage;

pub(crate) use usage::Report;

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::compatible::Compatible;
use crate::config_fields;
use crate::media_type::MediaType;
use crate::named_texts::named_texts;
use crate::next_address::NextAddress;
use crate::openai::OpenAi;
use crate::provider::{
    ObjectRef, OutgoingRequest, Payload, PayloadError, Plane, Provider, Route, ValidationCall,
    Verdict,
};

/// Anthropic's wire. Facts and sources: <https://platform.claude.com/docs/en/api>.
pub(crate) struct Anthropic;

const BASE: &str = "https://api.anthropic.com";

/// `chat/completions` and `models` as OpenAI's SDK calls them.
static COMPATIBLE: Compatible =
    Compatible { of: &Anthropic, prefix: "/v1", bearer: true, takes_usage_option: true };

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version for callers that name none: no request is answered without one.
const DEFAULT_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// How tokens of a signed-in person begin, which are taken as bearers only, and with their beta.
const OAUTH_PREFIX: &[u8] = b"sk-ant-oat";
const OAUTH_BETA: &str = "oauth-2025-04-20";

impl Provider for Anthropic {
    fn id(&self) -> &'static str {
        "anthropic"
    }

    fn display_name(&self) -> &'static str {
        "Anthropic"
    }

    fn mount(&self) -> &'static str {
        "anthropic"
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

    fn next_address(&self, route: &Route) -> Option<NextAddress> {
        let path = routes::results_path;
        routes::tells_results(&route.operation)
            .then_some(NextAddress::Member { name: "results_url", path })
    }

    fn prepare(&self, route: &Route, body: Bytes, _: bool) -> Result<Payload, PayloadError> {
        let files = named_texts(&body, &["file_id"])?;
        let objects = files.into_iter().map(|id| ObjectRef { kind: "file", id }).collect();
        // Model and stream are named as in OpenAI's payloads, and nothing has to be asked for.
        let payload = OpenAi.prepare(route, body, false)?;
        Ok(Payload { objects, reads: Vec::new(), ..payload })
    }

    fn authorize(
        &self,
        _: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    ) {
        let key = secret.header_value("");
        if key.as_bytes().starts_with(OAUTH_PREFIX) {
            request.headers.insert(header::AUTHORIZATION, secret.header_value("Bearer "));
            if !names_oauth(request.headers) {
                request.headers.append(BETA, HeaderValue::from_static(OAUTH_BETA));
            }
        } else {
            request.headers.insert(API_KEY, key);
        }
        request.headers.entry(VERSION).or_insert(DEFAULT_VERSION);
    }

    fn forwards_header(&self, name: &str) -> bool {
        matches!(name, "anthropic-version" | "anthropic-beta")
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: "/v1/models?limit=1".into() }
    }

    fn judge(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Verdict {
        classify::judge(status, body)
    }

    fn classify(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> ErrorClass {
        classify::classify(status, body)
    }

    fn own_error(&self, code: &str, message: &str) -> serde_json::Value {
        serde_json::json!({"type": "error", "error": {
            "type": own_kind(code), "message": message, "details": {"error_code": code},
        }})
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        reader::reader(route, media == MediaType::Events)
    }
}

/// Whether the caller asked for the beta itself, in one of perhaps several lists.
fn names_oauth(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(BETA).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|name| name.trim() == OAUTH_BETA)
}

/// What Anthropic would call a refusal of ours.
fn own_kind(code: &str) -> &'static str {
    match code {
        "unauthenticated" => "authentication_error",
        "insufficient_credits" | "byok_required" => "billing_error",
        "forbidden" | "origin_not_allowed" | "byok_not_in_plan" => "permission_error",
        "not_found" | "key_not_connected" => "not_found_error",
        "conflict" => "conflict_error",
        "body_too_large" => "request_too_large",
        "rate_limited" => "rate_limit_error",
        "upstream_timeout" => "timeout_error",
        "overloaded" | "unavailable" => "overloaded_error",
        "internal" | "vault_integrity" | "upstream_unreachable" | "upstream_redirect" => {
            "api_error"
        }
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::Timestamp;

    fn authorized(key: &str, sent: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers: HeaderMap = sent
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let uri = "https://api.anthropic.com/v1/messages".parse().expect("a URI");
        let mut request = OutgoingRequest {
            method: &Method::POST,
            uri: &uri,
            headers: &mut headers,
            body: Some(&[]),
            at: Timestamp::from_millis(0),
        };
        let secret = ProviderSecret::parse(key.to_owned()).expect("a key");
        Anthropic.authorize(&ProviderConfig::default(), &secret, &mut request);
        headers
    }

    #[test]
    fn api_keys_and_tokens_of_people_go_where_each_is_taken() {
        let headers = authorized("sk-ant-api03-0123456789", &[]);
        assert_eq!(headers["x-api-key"], "sk-ant-api03-0123456789");
        assert!(headers["x-api-key"].is_sensitive() && !headers.contains_key("authorization"));
        let headers = authorized("sk-ant-oat01-0123456789", &[]);
        assert_eq!(headers["authorization"], "Bearer sk-ant-oat01-0123456789");
        assert!(!headers.contains_key("x-api-key"));
        assert_eq!(headers["anthropic-beta"], "oauth-2025-04-20");
        for (sent, all) in [
            ("a-1,b-2", &["a-1,b-2", "oauth-2025-04-20"][..]),
            ("a-1, oauth-2025-04-20", &["a-1, oauth-2025-04-20"]),
        ] {
            let headers = authorized("sk-ant-oat01-0123456789", &[("anthropic-beta", sent)]);
            let betas: Vec<_> = headers.get_all("anthropic-beta").iter().collect();
            assert_eq!(betas, all);
        }
        assert_eq!(authorized("any-other-key", &[])["x-api-key"], "any-other-key");
    }

    #[test]
    fn the_callers_version_stays_and_one_is_added_only_where_there_is_none() {
        let version = "anthropic-version";
        assert_eq!(authorized("k", &[])[version], "2023-06-01");
        assert_eq!(authorized("k", &[(version, "2026-10-21")])[version], "2026-10-21");
        for (name, passes) in [
            ("anthropic-version", true),
            ("anthropic-beta", true),
            ("x-api-key", false),
            ("anthropic-workspace-id", false),
        ] {
            assert_eq!(Anthropic.forwards_header(name), passes, "{name}");
        }
    }

    #[test]
    fn only_a_base_url_can_be_configured() {
        let config = |json: &str| serde_json::from_str::<ProviderConfig>(json).expect("a config");
        assert!(Anthropic.check_config(&config("{}")).is_empty());
        assert!(Anthropic.check_config(&config(r#"{"baseUrl":"https://a.example"}"#)).is_empty());
        let errors = Anthropic.check_config(&config(r#"{"region":"us","organization":"o"}"#));
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["providerConfig.organization", "providerConfig.region"]);
    }

    #[test]
    fn our_refusals_read_as_anthropics_do() {
        for (code, kind) in [
            ("unauthenticated", "authentication_error"),
            ("missing_ref_id", "invalid_request_error"),
            ("key_not_connected", "not_found_error"),
            ("rate_limited", "rate_limit_error"),
            ("upstream_unreachable", "api_error"),
        ] {
            let error = Anthropic.own_error(code, "Say why.");
            assert_eq!((&error["type"], &error["error"]["type"]), (&"error".into(), &kind.into()));
            assert_eq!(error["error"]["message"], "Say why.");
            assert_eq!(error["error"]["details"]["error_code"], code);
        }
    }

    #[test]
    fn a_payload_passes_as_it_is_and_names_its_model_stream_and_files() {
        let route = routes::envelope("messages").expect("an operation");
        let text = "{ \"model\":\"claude-opus-4-7\", \"stream\":true,\"messages\":[{\"content\":[\
            {\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}]}] }\n";
        let body = Bytes::from_static(text.as_bytes());
        let payload = Anthropic.prepare(&route, body.clone(), true).expect("an object");
        assert_eq!((payload.pieces.len(), &payload.pieces[0]), (1, &body));
        assert_eq!(payload.pieces[0].as_ptr(), body.as_ptr());
        assert_eq!((payload.model.as_deref(), payload.stream), (Some("claude-opus-4-7"), true));
        assert!(!payload.hide_usage);
        assert_eq!(payload.objects.len(), 1);
        assert_eq!((payload.objects[0].kind, &*payload.objects[0].id), ("file", "file_1"));
        for bad in ["[]", "", "{\"file_id\":", "null"] {
            let refused = Anthropic.prepare(&route, Bytes::from_static(bad.as_bytes()), true);
            assert!(matches!(refused, Err(PayloadError::NotAnObject(_))), "{bad}");
        }
    }

    #[test]
    fn a_base_url_ends_before_the_version() {
        for (url, wrong) in [
            ("https://api.anthropic.com", false),
            ("https://api.anthropic.com/v1", true),
            ("https://api.anthropic.com/v1/", true),
        ] {
            let mut config = ProviderConfig::default();
            config.set("baseUrl", url);
            assert_eq!(!Anthropic.check_config(&config).is_empty(), wrong, "{url}");
        }
    }

    #[test]
    fn the_compatible_endpoint_speaks_openais_wire_under_the_same_base() {
        let endpoint = Anthropic.compatible().expect("there is one");
        assert_eq!((endpoint.id(), endpoint.mount()), ("anthropic", "v1"));
        let route = endpoint.drop_in(&Method::POST, "chat/completions");
        assert_eq!(
            (route.operation.name, &*route.path),
            ("chat/completions", "/v1/chat/completions")
        );
        let ask = Bytes::from_static(br#"{"model":"claude-opus-4-7","stream":true}"#);
        let payload = endpoint.prepare(&route, ask, true).expect("an object");
        assert!(payload.hide_usage, "usage is asked for");
    }
}
