//! OpenAI's paths and what they mean.

use std::borrow::Cow;

use http::Method;

use crate::percent::decoded;
use crate::provider::{AnswerShape, BodyKind, ObjectRef, Operation, Route};

const fn op(name: &'static str, body: BodyKind, answer: AnswerShape) -> Operation {
    Operation { name, body, answer }
}

use AnswerShape::{Bytes, Json as JsonAnswer};
use BodyKind::{Json, Multipart, Opaque};

/// Operations that POST to a path of their own name.
const POSTS: [Operation; 12] = [
    op("chat/completions", Json, JsonAnswer),
    op("responses", Json, JsonAnswer),
    op("embeddings", Json, JsonAnswer),
    op("completions", Json, JsonAnswer),
    op("moderations", Json, JsonAnswer),
    op("images/generations", Json, JsonAnswer),
    op("images/edits", Multipart, JsonAnswer),
    op("images/variations", Multipart, JsonAnswer),
    op("audio/speech", Json, Bytes),
    op("audio/transcriptions", Multipart, JsonAnswer),
    op("audio/translations", Multipart, JsonAnswer),
    op("batches", Json, JsonAnswer),
];

/// The envelope's operations (a subset: those that make a call).
const ENVELOPE: [&str; 10] = [
    "chat/completions",
    "responses",
    "embeddings",
    "completions",
    "images/generations",
    "images/edits",
    "moderations",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
];

pub(super) fn envelope(operation: &str) -> Option<Route> {
    ENVELOPE.contains(&operation).then(|| drop_in(&Method::POST, operation))
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let posted = (method == Method::POST)
        .then(|| POSTS.iter().position(|operation| operation.name == path))
        .flatten();
    if let Some(index) = posted {
        let operation = POSTS[index];
        return Route {
            operation,
            method: Method::POST,
            path: path_of(operation.name),
            object: None,
            makes: (operation.name == "batches").then_some("batch"),
            known: true,
        };
    }
    let (operation, object, makes) = stored_objects(method, path);
    Route {
        operation: operation.unwrap_or(op("other", Opaque, JsonAnswer)),
        method: method.clone(),
        path: Cow::Owned(format!("/{path}")),
        object,
        makes,
        known: operation.is_some(),
    }
}

/// The paths of known operations need no allocation.
fn path_of(name: &'static str) -> Cow<'static, str> {
    match name {
        "chat/completions" => Cow::Borrowed("/chat/completions"),
        "responses" => Cow::Borrowed("/responses"),
        "embeddings" => Cow::Borrowed("/embeddings"),
        other => Cow::Owned(format!("/{other}")),
    }
}

type Stored = (Option<Operation>, Option<ObjectRef>, Option<&'static str>);

/// Models, files, batches and stored responses.
fn stored_objects(method: &Method, path: &str) -> Stored {
    let segments: Vec<&str> = path.split('/').collect();
    let object = |kind, id: &str| Some(ObjectRef { kind, id: decoded(id) });
    let is = |wanted: Method| *method == wanted;
    match segments.as_slice() {
        ["models"] if is(Method::GET) => (Some(op("models", Opaque, JsonAnswer)), None, None),
        ["models", _] => (Some(op("models/{id}", Opaque, JsonAnswer)), None, None),
        ["files"] if is(Method::POST) => {
            (Some(op("files", Multipart, JsonAnswer)), None, Some("file"))
        }
        ["files"] if is(Method::GET) => (Some(op("files", Opaque, JsonAnswer)), None, None),
        ["files", id] => (Some(op("files/{id}", Opaque, JsonAnswer)), object("file", id), None),
        ["files", id, "content"] => {
            (Some(op("files/{id}/content", Opaque, Bytes)), object("file", id), None)
        }
        ["batches"] if is(Method::GET) => (Some(op("batches", Opaque, JsonAnswer)), None, None),
        ["batches", id] => {
            (Some(op("batches/{id}", Opaque, JsonAnswer)), object("batch", id), None)
        }
        ["batches", id, "cancel"] => {
            (Some(op("batches/{id}/cancel", Opaque, JsonAnswer)), object("batch", id), None)
        }
        ["responses", "input_tokens"] => {
            (Some(op("responses/input_tokens", Opaque, JsonAnswer)), None, None)
        }
        ["responses", "compact"] => (Some(op("responses/compact", Json, JsonAnswer)), None, None),
        ["responses", _] => (Some(op("responses/{id}", Opaque, JsonAnswer)), None, None),
        ["responses", _, "cancel"] => {
            (Some(op("responses/{id}/cancel", Opaque, JsonAnswer)), None, None)
        }
        ["responses", _, "input_items"] => {
            (Some(op("responses/{id}/input_items", Opaque, JsonAnswer)), None, None)
        }
        _ => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_operations_and_the_objects_they_name() {
        for (method, path, name, object, makes, known) in [
            (Method::POST, "chat/completions", "chat/completions", None, None, true),
            (Method::GET, "chat/completions", "other", None, None, false),
            (Method::GET, "models", "models", None, None, true),
            (Method::GET, "models/gpt-4.1", "models/{id}", None, None, true),
            (Method::POST, "files", "files", None, Some("file"), true),
            (Method::GET, "files/file-1", "files/{id}", Some("file-1"), None, true),
            (Method::DELETE, "files/file-1", "files/{id}", Some("file-1"), None, true),
            (Method::GET, "files/file-1/content", "files/{id}/content", Some("file-1"), None, true),
            (Method::GET, "files/a%3Ab%20c", "files/{id}", Some("a:b c"), None, true),
            (Method::GET, "files/100%", "files/{id}", Some("100%"), None, true),
            (Method::POST, "batches", "batches", None, Some("batch"), true),
            (Method::POST, "batches/b1/cancel", "batches/{id}/cancel", Some("b1"), None, true),
            (Method::POST, "responses/r1/cancel", "responses/{id}/cancel", None, None, true),
            (Method::POST, "new/thing", "other", None, None, false),
        ] {
            let route = drop_in(&method, path);
            assert_eq!(route.operation.name, name, "{method} {path}");
            assert_eq!(route.path, format!("/{path}"));
            assert_eq!(route.object.as_ref().map(|o| o.id.as_str()), object);
            assert_eq!((route.makes, route.known), (makes, known), "{method} {path}");
        }
    }

    #[test]
    fn the_envelope_takes_the_operations_of_the_contract_only() {
        for name in [
            "responses",
            "chat/completions",
            "embeddings",
            "images/generations",
            "moderations",
            "audio/speech",
            "audio/transcriptions",
        ] {
            assert!(envelope(name).is_some(), "{name}");
        }
        for name in ["files", "batches", "models", "chat", "", "../x"] {
            assert!(envelope(name).is_none(), "{name}");
        }
    }
}
