//! The one field of a request that is acted on, and the one edit that is made.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::routes;
use crate::json_parts;
use crate::provider::{Payload, PayloadError, Route};

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "modelId")]
    model_id: Option<&'a RawValue>,
}

/// Reads the model from the path, or, of an envelope's payload, from the field that belongs into
/// the path, which is then cut out.
pub(super) fn prepare(route: &Route, body: Bytes) -> Result<Payload, PayloadError> {
    let fields: Fields<'_> = json_parts::object(&body)?;
    let mut model = routes::model(&route.path);
    let mut pieces = Vec::new();
    if let Some(raw) = fields.model_id.filter(|_| model.is_none() && route.known) {
        model = serde_json::from_str(raw.get()).ok();
        let cut = json_parts::member(&body, raw.get());
        pieces.extend([body.slice(..cut.start), body.slice(cut.end..)]);
    } else {
        pieces.push(body);
    }
    Ok(Payload {
        pieces,
        model: model.map(Arc::from),
        stream: routes::streams(route),
        hide_usage: false,
        presumed: None,
        objects: Vec::new(),
        reads: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn enveloped(body: &str) -> Result<Payload, PayloadError> {
        let route = routes::envelope("converse").expect("known");
        prepare(&route, Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn the_model_is_cut_out_of_an_envelopes_payload_and_nothing_else_is_touched() {
        for (body, model, sent) in [
            (r#"{"modelId":"m","messages":[]}"#, "m", r#"{"messages":[]}"#),
            (r#"{ "modelId" : "m" , "messages":[] }"#, "m", r#"{  "messages":[] }"#),
            (r#"{"messages":[1.50e3,"é"] ,"modelId":"m"}"#, "m", r#"{"messages":[1.50e3,"é"] }"#),
            (
                r#"{"a":"b,","modelId":"a/b:0","c":{"modelId":"x"}}"#,
                "a/b:0",
                r#"{"a":"b,","c":{"modelId":"x"}}"#,
            ),
            (r#"{"model\u0049d":"\u006d","c":1}"#, "m", r#"{"c":1}"#),
            (r#"{"modelId":"m"}"#, "m", "{}"),
        ] {
            let payload = enveloped(body).expect("an object");
            assert_eq!(payload.model.as_deref(), Some(model), "{body}");
            assert_eq!(String::from_utf8_lossy(&payload.pieces.concat()), sent, "{body}");
        }
    }

    #[test]
    fn a_model_that_is_no_text_is_none_and_a_second_one_is_refused() {
        for body in [r#"{"modelId":7}"#, r#"{"modelId":["m"]}"#, r#"{"modelId":null}"#, "{}"] {
            assert_eq!(enveloped(body).expect("an object").model, None, "{body}");
        }
        for body in [r#"{"modelId":"a","modelId":"b"}"#, "[]", "", "{", "null", r#"{"a":1}x"#] {
            assert!(matches!(enveloped(body), Err(PayloadError::NotAnObject(_))), "{body}");
        }
    }

    #[test]
    fn on_the_drop_in_routes_the_path_names_the_model_and_the_body_stays() {
        let body = r#"{"modelId":"other","stream":true}"#;
        for (path, model, stream) in [
            ("model/a%2Fb%3A0/converse-stream", Some("a/b:0"), true),
            ("model/m/invoke-with-response-stream", Some("m"), true),
            ("model/m/converse", Some("m"), false),
            ("model/a%FFb/converse", Some("a\u{fffd}b"), false),
            ("guardrail/g/version/1/apply", None, false),
        ] {
            let route = routes::drop_in(&Method::POST, path);
            let payload = prepare(&route, Bytes::from_static(body.as_bytes())).expect("an object");
            assert_eq!((payload.model.as_deref(), payload.stream), (model, stream), "{path}");
            assert_eq!(payload.pieces.concat(), body.as_bytes(), "{path}");
            assert_eq!(payload.pieces[0].as_ptr(), body.as_ptr(), "shared, not copied");
        }
    }
}
