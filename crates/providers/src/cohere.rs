//! Cohere: version 2 of its API, and the parts of version 1 that are still called.

mod classify;
mod reader;
mod routes;
mod usage;

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

/// Cohere's wire. Facts and sources: <https://docs.cohere.com/reference/about>.
pub(crate) struct Cohere;

const BASE: &str = "https://api.cohere.com";

/// Its compatible endpoint refuses `stream_options`, and tells usage unasked.
static COMPATIBLE: Compatible = Compatible {
    of: &Cohere,
    prefix: "/compatibility/v1",
    bearer: true,
    takes_usage_option: false,
};

impl Provider for Cohere {
    fn id(&self) -> &'static str {
        "cohere"
    }

    fn display_name(&self) -> &'static str {
        "Cohere"
    }

    fn mount(&self) -> &'static str {
        "cohere"
    }

    fn base_url(&self, _: &ProviderConfig, _: Plane) -> Option<Cow<'static, str>> {
        Some(BASE.into())
    }

    fn compatible(&self) -> Option<&'static dyn Provider> {
        Some(&COMPATIBLE)
    }

    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError> {
        let mut errors = config_fields::unknown(config, self.id(), &["baseUrl"]);
        errors.extend(config_fields::base_url_too_long(config, &["/v1", "/v2"], BASE));
        errors
    }

    fn envelope(&self, operation: &str) -> Option<Route> {
        routes::envelope(operation)
    }

    fn drop_in(&self, method: &Method, path: &str) -> Route {
        routes::drop_in(method, path)
    }

    fn prepare(&self, route: &Route, body: Bytes, _: bool) -> Result<Payload, PayloadError> {
        let dataset = if route.makes == Some("batch") { dataset(&body) } else { None };
        let mut payload = OpenAi.prepare(route, body, false)?;
        payload.objects.extend(dataset.map(|id| ObjectRef { kind: "file", id }));
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

    fn forwards_header(&self, name: &str) -> bool {
        // `accepts` is what its SDKs ask for an event stream with.
        matches!(name, "x-client-name" | "accepts") || name.starts_with("x-fern-")
    }

    fn validation(&self, _: &ProviderConfig) -> ValidationCall {
        ValidationCall { plane: Plane::Runtime, path: "/v1/models?page_size=1".into() }
    }

    fn judge(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> Verdict {
        classify::judge(status, body)
    }

    fn classify(&self, status: StatusCode, _: &HeaderMap, body: &[u8]) -> ErrorClass {
        classify::classify(status, body)
    }

    fn own_error(&self, _: &str, message: &str) -> serde_json::Value {
        serde_json::json!({ "message": message })
    }

    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
        reader::reader(route, media)
    }
}

/// The uploaded dataset that a job or batch works on.
fn dataset(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Fields {
        dataset_id: Option<String>,
        input_dataset_id: Option<String>,
    }
    let fields: Fields = serde_json::from_slice(body).ok()?;
    fields.input_dataset_id.or(fields.dataset_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_put_into_a_body_and_datasets_are_named() {
        for (path, body, dataset) in [
            ("v2/chat", r#"{"model":"command-a-03-2025","stream":true}"#, None),
            ("v1/embed-jobs", r#"{"model":"m","dataset_id":"ds-1"}"#, Some("ds-1")),
            ("v2/batches", r#"{"model":"m","input_dataset_id":"ds-2"}"#, Some("ds-2")),
            ("v2/batches", r#"{"input_dataset_id":7}"#, None),
        ] {
            let route = Cohere.drop_in(&Method::POST, path);
            let body = Bytes::from_static(body.as_bytes());
            let payload = Cohere.prepare(&route, body.clone(), true).expect("an object");
            assert_eq!(payload.pieces, [body], "{path}");
            assert!(!payload.hide_usage);
            assert_eq!(payload.objects.first().map(|object| object.id.as_str()), dataset);
        }
    }

    #[test]
    fn a_configuration_has_an_address_without_the_version() {
        for (field, value, wrong) in [
            ("baseUrl", "https://cohere.example", false),
            ("baseUrl", "https://cohere.example/v2", true),
            ("region", "eu", true),
        ] {
            let mut config = ProviderConfig::default();
            config.set(field, value);
            assert_eq!(!Cohere.check_config(&config).is_empty(), wrong, "{field} {value}");
        }
    }

    #[test]
    fn headers_of_its_sdks_pass_and_no_others() {
        for (name, passes) in [
            ("x-client-name", true),
            ("accepts", true),
            ("x-fern-language", true),
            ("authorization", false),
            ("x-byo-ref-id", false),
            ("cookie", false),
        ] {
            assert_eq!(Cohere.forwards_header(name), passes, "{name}");
        }
    }
}
