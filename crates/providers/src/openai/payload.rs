//! The few fields of a request that are acted on, and the one edit that is made.

use std::sync::Arc;

use byok_domain::Usage;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json_parts;
use crate::named_texts::named_texts;
use crate::provider::{ObjectRef, Payload, PayloadError, Route};

const ASK: &[u8] = br#","stream_options":{"include_usage":true}"#;

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    input_file_id: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow)]
    quality: Option<&'a RawValue>,
    #[serde(borrow)]
    size: Option<&'a RawValue>,
    #[serde(borrow)]
    resolution: Option<&'a RawValue>,
    #[serde(borrow)]
    document_annotation_format: Option<&'a RawValue>,
    #[serde(borrow)]
    bbox_annotation_format: Option<&'a RawValue>,
}

/// A field that is there and not null.
fn set(field: Option<&RawValue>) -> bool {
    field.is_some_and(|raw| raw.get() != "null")
}

/// What the request alone tells of what it will be charged for: characters that are spoken, images
/// where they are charged by the piece, and whether pages are annotated.
fn presumed(operation: &str, fields: &Fields<'_>) -> Option<Usage> {
    let none = Usage::default();
    match operation {
        "audio/speech" => json_parts::text(fields.input)
            .map(|input| Usage { characters: input.chars().count() as u64, ..none }),
        "images/generations" => {
            let count = fields.n.filter(|raw| raw.get() != "null");
            let images_out = count.map_or(Some(1), |raw| serde_json::from_str(raw.get()).ok())?;
            // What another size or quality costs, no list says under the model's own name.
            let special = [fields.quality, fields.size, fields.resolution].into_iter().any(set);
            Some(Usage { images_out, unmeasured: special, ..none })
        }
        "ocr" => {
            let formats = [fields.document_annotation_format, fields.bbox_annotation_format];
            formats.into_iter().any(set).then_some(Usage { annotated: true, ..none })
        }
        _ => None,
    }
}

/// A field that is there, also when it is null.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// What files are named by: as a part of a message, and as what a tool works on.
const FILES: [&str; 2] = ["file_id", "file_ids"];

/// Files that one call may name: each is looked up.
const MOST_FILES: usize = 100;

pub(super) fn prepare(
    route: &Route,
    body: Bytes,
    ask_usage: bool,
) -> Result<Payload, PayloadError> {
    let fields: Fields<'_> = json_parts::object(&body)?;
    let stream = fields.stream.is_some_and(|raw| raw.get() == "true");
    let counts_chunks = matches!(route.operation.name, "chat/completions" | "completions");
    let edit = if stream && ask_usage && counts_chunks {
        ask_for_usage(&body, fields.stream_options)
    } else {
        None
    };
    let presumed = presumed(route.operation.name, &fields);
    let objects = json_parts::text(fields.input_file_id)
        .map(|id| ObjectRef { kind: "file", id: id.into_owned() })
        .into_iter()
        .collect();
    let reads = named_texts(&body, &FILES)?;
    if reads.len() > MOST_FILES {
        let text = format!("the payload names more than {MOST_FILES} files");
        return Err(PayloadError::Invalid(text));
    }
    let reads = reads.into_iter().map(|id| ObjectRef { kind: "file", id }).collect();
    let model = json_parts::text(fields.model).map(Arc::from);
    let hide_usage = edit.is_some();
    Ok(Payload {
        pieces: edit.unwrap_or_else(|| vec![body]),
        model,
        stream,
        hide_usage,
        presumed,
        objects,
        reads,
    })
}

/// The body with `stream_options.include_usage` set, as pieces around the insertion; `None` when
/// the caller asked for usage itself, or wrote options that cannot be read.
fn ask_for_usage(body: &Bytes, options: Option<&RawValue>) -> Option<Vec<Bytes>> {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let Some(options) = options else {
        let close = body.iter().rposition(|b| *b == b'}')?;
        let inserted = Bytes::from_static(ASK);
        return Some(vec![body.slice(..close), inserted, body.slice(close..)]);
    };
    let span = json_parts::span(body, options.get());
    if options.get() == "null" {
        let inserted = Bytes::from_static(br#"{"include_usage":true}"#);
        return Some(vec![body.slice(..span.start), inserted, body.slice(span.end..)]);
    }
    let read: Options = serde_json::from_str(options.get()).ok()?;
    if read.include_usage == Some(true) {
        return None;
    }
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(options.get()).ok()?;
    object.insert("include_usage".to_owned(), true.into());
    let replaced = serde_json::to_vec(&object).ok()?;
    Some(vec![body.slice(..span.start), Bytes::from(replaced), body.slice(span.end..)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use serde_json::{Value, json};

    fn prepared(path: &str, body: &str, ask: bool) -> Payload {
        let route = super::super::routes::drop_in(&Method::POST, path);
        prepare(&route, Bytes::copy_from_slice(body.as_bytes()), ask).expect("a JSON object")
    }

    fn sent(payload: &Payload) -> Vec<u8> {
        payload.pieces.concat()
    }

    #[test]
    fn usage_is_asked_for_only_where_a_stream_would_not_tell_it() {
        for (path, body, asked) in [
            ("chat/completions", r#"{"model":"m","stream":true}"#, true),
            ("chat/completions", r#"{"stream":true,"stream_options":null,"model":"m"} "#, true),
            ("chat/completions", r#"{"stream":true,"stream_options":{"x":1}}"#, true),
            (
                "chat/completions",
                r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
                true,
            ),
            ("completions", r#"{"stream":true,"prompt":"a}b"}"#, true),
            (
                "chat/completions",
                r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
                false,
            ),
            ("chat/completions", r#"{"stream":true,"stream_options":7}"#, false),
            ("chat/completions", r#"{"stream":false}"#, false),
            ("chat/completions", r#"{"model":"m"}"#, false),
            ("responses", r#"{"stream":true}"#, false),
        ] {
            let payload = prepared(path, body, true);
            assert_eq!(payload.hide_usage, asked, "{path} {body}");
            let mut expected: Value = serde_json::from_str(body).expect("JSON");
            if asked {
                if !expected["stream_options"].is_object() {
                    expected["stream_options"] = json!({});
                }
                expected["stream_options"]["include_usage"] = json!(true);
                let value: Value = serde_json::from_slice(&sent(&payload)).expect("still JSON");
                assert_eq!(value, expected, "{path} {body}");
                // A second one of the same name would be read by some and refused by others.
                let named =
                    String::from_utf8_lossy(&sent(&payload)).matches("stream_options").count();
                assert_eq!(named, 1, "{path} {body}");
            } else {
                assert_eq!(sent(&payload), body.as_bytes(), "{path} {body}");
            }
            assert_eq!(sent(&prepared(path, body, false)), body.as_bytes(), "turned off: {body}");
        }
    }

    #[test]
    fn the_pieces_share_the_memory_of_the_body() {
        let route = super::super::routes::drop_in(&Method::POST, "chat/completions");
        let body = Bytes::from(r#"{"model":"m","stream":true}"#.to_owned());
        let payload = prepare(&route, body.clone(), true).expect("object");
        assert_eq!(payload.pieces[0].as_ptr(), body.as_ptr());
    }

    #[test]
    fn reads_model_stream_and_what_speech_will_cost() {
        let payload = prepared("audio/speech", r#"{"model":"tts-1","input":"h\u00e9llo\n"}"#, true);
        assert_eq!(payload.model.as_deref(), Some("tts-1"));
        assert_eq!(payload.presumed.map(|u| u.characters), Some(6));
        let payload = prepared("batches", r#"{"input_file_id":"file-1"}"#, true);
        assert_eq!(payload.objects, [ObjectRef { kind: "file", id: "file-1".into() }]);
        let payload = prepared("chat/completions", r#"{"model":{"a":1},"stream":"true"}"#, true);
        assert_eq!((payload.model, payload.stream), (None, false));
    }

    #[test]
    fn what_the_request_alone_tells_is_presumed() {
        let images =
            |images_out, unmeasured| Some(Usage { images_out, unmeasured, ..Usage::default() });
        for (path, body, expected) in [
            ("images/generations", r#"{"model":"m","prompt":"p"}"#, images(1, false)),
            ("images/generations", r#"{"n":3,"size":null,"quality":null}"#, images(3, false)),
            ("images/generations", r#"{"n":null}"#, images(1, false)),
            ("images/generations", r#"{"n":2,"quality":"low"}"#, images(2, true)),
            ("images/generations", r#"{"size":"1024x1024"}"#, images(1, true)),
            ("images/generations", r#"{"resolution":"2k"}"#, images(1, true)),
            ("images/generations", r#"{"n":-1}"#, None),
            ("images/generations", r#"{"n":1.5}"#, None),
            ("chat/completions", r#"{"n":3,"size":"1024x1024"}"#, None),
            ("audio/speech", r#"{"input":7}"#, None),
        ] {
            assert_eq!(prepared(path, body, true).presumed, expected, "{path} {body}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        let route = super::super::routes::drop_in(&Method::POST, "chat/completions");
        for body in [
            "",
            "{",
            "[]",
            "null",
            "1",
            "\"x\"",
            "{\"a\":1}x",
            r#"{"model":1,"model":2}"#,
            "{\"a\":\"\u{0}\"}",
            "[null,null,null,null,null]",
        ] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            assert!(
                prepare(&route, body.clone(), true).is_err(),
                "{:?}",
                &body[..body.len().min(40)]
            );
        }
    }
}
