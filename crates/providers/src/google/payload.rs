//! The few fields of a request that are acted on, and the model that goes from it into the path.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::routes;
use crate::json_parts;
use crate::named_texts::named_texts;
use crate::percent;
use crate::provider::{ObjectRef, Payload, PayloadError, Route};

/// The longest model name that is put into a path, in bytes.
const MODEL_CAP: usize = 256;

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
}

pub(super) fn prepare(route: &Route, body: Bytes) -> Result<Payload, PayloadError> {
    let fields: Fields<'_> = json_parts::object(&body)?;
    let written = json_parts::text(fields.model);
    let written = written.as_deref().map(plain);
    let model = routes::model(&route.path).or(written).map(Arc::from);
    let objects = objects(&body)?;
    let streams = routes::streams(&route.operation)
        || route.operation.name == "interactions"
            && fields.stream.is_some_and(|raw| raw.get() == "true");
    let goes_into_path = route.path.starts_with(routes::MODEL);
    let pieces = match fields.model.filter(|_| goes_into_path) {
        Some(value) => {
            let cut = json_parts::member(&body, value.get());
            vec![body.slice(..cut.start), body.slice(cut.end..)]
        }
        None => vec![body],
    };
    let (hide_usage, presumed, reads) = (false, None, Vec::new());
    Ok(Payload { pieces, model, stream: streams, hide_usage, presumed, objects, reads })
}

/// The files and cached contents that a payload names, in either of the spellings that Google
/// takes. Addresses of files that lie elsewhere are none of them.
fn objects(body: &[u8]) -> Result<Vec<ObjectRef>, PayloadError> {
    let texts = named_texts(
        body,
        &["fileUri", "file_uri", "fileName", "file_name", "cachedContent", "cached_content"],
    )?;
    let object = |text: String| {
        let (folder, id) = text.trim_end_matches('/').rsplit_once('/')?;
        let kind = match folder.rsplit('/').next()? {
            "files" => "file",
            "cachedContents" => "cachedContent",
            _ => return None,
        };
        Some(ObjectRef { kind, id: id.to_owned() })
    };
    Ok(texts.into_iter().filter_map(object).collect())
}

/// A model's name without the folder that all have.
fn plain(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// The envelope's path with the model in it, as one encoded segment.
pub(super) fn path<'r>(
    route: &'r Route,
    model: Option<&str>,
) -> Result<Cow<'r, str>, PayloadError> {
    let Some(rest) = route.path.strip_prefix(routes::MODEL) else {
        return Ok(Cow::Borrowed(&route.path));
    };
    let name = model.filter(|model| !model.is_empty()).ok_or_else(|| {
        PayloadError::Invalid(
            "name the model in the payload's `model`, such as gemini-2.5-flash".to_owned(),
        )
    })?;
    let (folder, name) = match name.strip_prefix("tunedModels/") {
        Some(tuned) => ("tunedModels", tuned),
        None => ("models", name),
    };
    if name.is_empty() || name.len() > MODEL_CAP || name.contains(char::is_control) {
        return Err(PayloadError::Invalid(format!(
            "`model` must be 1 to {MODEL_CAP} bytes without control characters, as Google lists it"
        )));
    }
    Ok(Cow::Owned(format!("/v1beta/{folder}/{}{rest}", percent::segment(name))))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn enveloped(body: &str) -> Result<(String, String), PayloadError> {
        let route = routes::envelope("generateContent").expect("an operation");
        let payload = prepare(&route, Bytes::copy_from_slice(body.as_bytes()))?;
        let path = path(&route, payload.model.as_deref())?.into_owned();
        let sent = String::from_utf8(payload.pieces.concat()).expect("text");
        Ok((path, sent))
    }

    #[test]
    fn the_model_goes_from_the_payload_into_the_path_and_nothing_else_changes() {
        for (body, sent) in [
            (r#"{"model":"m","contents":[1]}"#, r#"{"contents":[1]}"#),
            (r#"{ "contents" : [ 1 ] , "model" : "m" }"#, r#"{ "contents" : [ 1 ]  }"#),
            (
                r#"{"a":{"model":"x"},"model":"m","b":"model"}"#,
                r#"{"a":{"model":"x"},"b":"model"}"#,
            ),
            (r#"{"model":"m"}"#, "{}"),
            (r#"{"a":"\"","m\u006fdel" : "models/m"}"#, r#"{"a":"\""}"#),
            ("{\"model\":\"m\"\n,\"a\":1.0}", r#"{"a":1.0}"#),
        ] {
            let told = enveloped(body).expect("fine");
            assert_eq!(
                told,
                ("/v1beta/models/m:generateContent".to_owned(), sent.to_owned()),
                "{body}"
            );
        }
    }

    #[test]
    fn the_streaming_envelope_asks_for_events() {
        let route = routes::envelope("streamGenerateContent").expect("an operation");
        let payload = prepare(&route, Bytes::from_static(br#"{"model":"m"}"#)).expect("fine");
        assert!(payload.stream);
        let path = path(&route, payload.model.as_deref()).expect("a path");
        assert_eq!(path, "/v1beta/models/m:streamGenerateContent?alt=sse");
    }

    #[test]
    fn a_hostile_model_is_one_encoded_segment_or_refused() {
        for (model, segment) in [
            ("gemini-2.5-flash", "models/gemini-2.5-flash"),
            ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
            ("tunedModels/mine-1", "tunedModels/mine-1"),
            ("../files", "models/..%2Ffiles"),
            ("..", "models/.."),
            ("%2e%2e%2f", "models/%252e%252e%252f"),
            ("a#b?key=c&d", "models/a%23b%3Fkey%3Dc%26d"),
            ("m:countTokens", "models/m%3AcountTokens"),
            ("tunedModels/../x", "tunedModels/..%2Fx"),
            ("models/models/m", "models/models%2Fm"),
            ("é x", "models/%C3%A9%20x"),
        ] {
            let body = serde_json::json!({ "model": model }).to_string();
            let (path, _) = enveloped(&body).expect("fine");
            assert_eq!(path, format!("/v1beta/{segment}:generateContent"), "{model}");
        }
        let long = "m".repeat(4096);
        for model in ["", "models/", "tunedModels/", "a\r\nb", "a\nb", "\u{0}", "\u{85}", &long] {
            let body = serde_json::json!({ "model": model }).to_string();
            assert!(matches!(enveloped(&body), Err(PayloadError::Invalid(_))), "{model:?}");
        }
        for body in ["{}", r#"{"model":null}"#, r#"{"model":7}"#, r#"{"model":["m"]}"#] {
            assert!(matches!(enveloped(body), Err(PayloadError::Invalid(_))), "{body}");
        }
        for body in ["", "[]", "{", r#"{"model":"a","model":"b"}"#, r#"{"a":1}x"#] {
            assert!(matches!(enveloped(body), Err(PayloadError::NotAnObject(_))), "{body}");
        }
    }

    #[test]
    fn a_drop_in_payload_stays_as_it_is() {
        let body =
            Bytes::from_static(br#"{"model":"models/x","cachedContent":"cachedContents/c1"}"#);
        let route = routes::drop_in(&Method::POST, "v1beta/models/gemini-2.5-pro:generateContent");
        let payload = prepare(&route, body.clone()).expect("fine");
        assert_eq!(payload.pieces, std::slice::from_ref(&body));
        assert_eq!(payload.pieces[0].as_ptr(), body.as_ptr());
        assert_eq!(payload.model.as_deref(), Some("gemini-2.5-pro"));
        assert_eq!(payload.objects, [ObjectRef { kind: "cachedContent", id: "c1".into() }]);
        assert_eq!(path(&route, payload.model.as_deref()).expect("a path"), route.path);
    }

    #[test]
    fn files_and_caches_are_found_wherever_they_are_named() {
        let route = routes::drop_in(&Method::POST, "v1beta/models/m:batchGenerateContent");
        let body = r#"{"contents":[{"parts":[
            {"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/f1"}},
            {"file_data":{"file_uri":"https://www.youtube.com/watch?v=files"}},
            {"text":"\"fileUri\":\"files/no\""}]}],
            "batch":{"input_config":{"file_name":"files/f2"}},"cached_content":"cachedContents/c1"}"#;
        let payload = prepare(&route, Bytes::from(body)).expect("fine");
        let mut named: Vec<_> =
            payload.objects.iter().map(|object| (object.kind, object.id.as_str())).collect();
        named.sort_unstable();
        assert_eq!(named, [("cachedContent", "c1"), ("file", "f1"), ("file", "f2")]);
    }

    #[test]
    fn an_interaction_names_its_model_and_whether_it_streams() {
        let route = routes::drop_in(&Method::POST, "v1beta/interactions");
        let payload = prepare(&route, Bytes::from_static(br#"{"model":"m","stream":true}"#));
        let payload = payload.expect("fine");
        assert_eq!((payload.model.as_deref(), payload.stream), (Some("m"), true));
    }
}
