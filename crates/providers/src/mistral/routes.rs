//! Mistral's paths and what they mean.

use http::Method;

use crate::percent::decoded;
use crate::provider::{AnswerShape, BodyKind, ObjectRef, Operation, Route};

const fn op(name: &'static str, body: BodyKind, answer: AnswerShape) -> Operation {
    Operation { name, body, answer }
}

use AnswerShape::{Bytes, Json as JsonAnswer};
use BodyKind::{Json, Multipart, Opaque};

/// Operations that POST, and their paths.
const POSTS: [(&str, Operation); 13] = [
    ("v1/chat/completions", op("chat", Json, JsonAnswer)),
    ("v1/embeddings", op("embeddings", Json, JsonAnswer)),
    ("v1/fim/completions", op("fim/completions", Json, JsonAnswer)),
    ("v1/agents/completions", op("agents/completions", Json, JsonAnswer)),
    ("v1/moderations", op("moderations", Json, JsonAnswer)),
    ("v1/chat/moderations", op("chat/moderations", Json, JsonAnswer)),
    ("v1/classifications", op("classifications", Json, JsonAnswer)),
    ("v1/chat/classifications", op("chat/classifications", Json, JsonAnswer)),
    ("v1/ocr", op("ocr", Json, JsonAnswer)),
    ("v1/audio/speech", op("audio/speech", Json, JsonAnswer)),
    ("v1/audio/transcriptions", op("audio/transcriptions", Multipart, JsonAnswer)),
    ("v1/conversations", op("conversations", Json, JsonAnswer)),
    ("v1/batch/jobs", op("batch/jobs", Json, JsonAnswer)),
];

/// The envelope's operations (those that make a call), and their paths.
const ENVELOPE: [(&str, &str); 8] = [
    ("chat", "v1/chat/completions"),
    ("embeddings", "v1/embeddings"),
    ("fim/completions", "v1/fim/completions"),
    ("agents/completions", "v1/agents/completions"),
    ("moderations", "v1/moderations"),
    ("ocr", "v1/ocr"),
    ("audio/speech", "v1/audio/speech"),
    ("audio/transcriptions", "v1/audio/transcriptions"),
];

pub(super) fn envelope(operation: &str) -> Option<Route> {
    let (_, path) = ENVELOPE.iter().find(|(name, _)| *name == operation)?;
    Some(drop_in(&Method::POST, path))
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let posted = POSTS.iter().find(|(posted, _)| method == Method::POST && *posted == path);
    let (operation, object, makes) = match posted {
        Some((_, operation)) => {
            (Some(*operation), None, (operation.name == "batch/jobs").then_some("batch"))
        }
        None => stored_objects(method, path),
    };
    Route {
        operation: operation.unwrap_or(op("other", Opaque, JsonAnswer)),
        method: method.clone(),
        path: format!("/{path}").into(),
        object,
        makes,
        known: operation.is_some(),
    }
}

type Stored = (Option<Operation>, Option<ObjectRef>, Option<&'static str>);

/// Models, files, batch jobs and stored conversations.
fn stored_objects(method: &Method, path: &str) -> Stored {
    let segments: Vec<&str> = path.split('/').collect();
    let object = |kind, id: &str| Some(ObjectRef { kind, id: decoded(id) });
    let file = |id: &str| object("file", id);
    let batch = |id: &str| object("batch", id);
    let is = |wanted: Method| *method == wanted;
    let json = |name| Some(op(name, Opaque, JsonAnswer));
    match segments.as_slice() {
        ["v1", "models"] if is(Method::GET) => (json("models"), None, None),
        ["v1", "models", _] => (json("models/{id}"), None, None),
        ["v1", "files"] if is(Method::POST) => {
            (Some(op("files", Multipart, JsonAnswer)), None, Some("file"))
        }
        ["v1", "files"] if is(Method::GET) => (json("files"), None, None),
        ["v1", "files", id] => (json("files/{id}"), file(id), None),
        ["v1", "files", id, "url"] => (json("files/{id}/url"), file(id), None),
        ["v1", "files", id, "content"] => {
            (Some(op("files/{id}/content", Opaque, Bytes)), file(id), None)
        }
        ["v1", "batch", "jobs"] if is(Method::GET) => (json("batch/jobs"), None, None),
        ["v1", "batch", "jobs", id] => (json("batch/jobs/{id}"), batch(id), None),
        ["v1", "batch", "jobs", id, "cancel"] => (json("batch/jobs/{id}/cancel"), batch(id), None),
        ["v1", "conversations"] if is(Method::GET) => (json("conversations"), None, None),
        ["v1", "conversations", _] if is(Method::POST) => {
            // Another turn: it makes what it counts.
            (Some(op("conversations/append", Json, JsonAnswer)), None, None)
        }
        ["v1", "conversations", _, "restart"] if is(Method::POST) => {
            (Some(op("conversations/restart", Json, JsonAnswer)), None, None)
        }
        ["v1", "conversations", _] => (json("conversations/{id}"), None, None),
        ["v1", "conversations", _, "history" | "messages"] if is(Method::GET) => {
            (json("conversations/{id}/history"), None, None)
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
            (Method::POST, "v1/chat/completions", "chat", None, None, true),
            (Method::GET, "v1/chat/completions", "other", None, None, false),
            (Method::POST, "v1/fim/completions", "fim/completions", None, None, true),
            (Method::POST, "v1/agents/completions", "agents/completions", None, None, true),
            (Method::POST, "v1/embeddings", "embeddings", None, None, true),
            (Method::POST, "v1/chat/moderations", "chat/moderations", None, None, true),
            (Method::POST, "v1/ocr", "ocr", None, None, true),
            (Method::POST, "v1/audio/transcriptions", "audio/transcriptions", None, None, true),
            (Method::GET, "v1/models", "models", None, None, true),
            (Method::GET, "v1/models/mistral-small-latest", "models/{id}", None, None, true),
            (Method::POST, "v1/files", "files", None, Some("file"), true),
            (Method::DELETE, "v1/files/f1", "files/{id}", Some("f1"), None, true),
            (Method::GET, "v1/files/f%3A1/url", "files/{id}/url", Some("f:1"), None, true),
            (Method::GET, "v1/files/f1/content", "files/{id}/content", Some("f1"), None, true),
            (Method::POST, "v1/batch/jobs", "batch/jobs", None, Some("batch"), true),
            (Method::GET, "v1/batch/jobs", "batch/jobs", None, None, true),
            (Method::GET, "v1/batch/jobs/b1", "batch/jobs/{id}", Some("b1"), None, true),
            (
                Method::POST,
                "v1/batch/jobs/b1/cancel",
                "batch/jobs/{id}/cancel",
                Some("b1"),
                None,
                true,
            ),
            (Method::POST, "v1/conversations", "conversations", None, None, true),
            (Method::POST, "v1/conversations/c1", "conversations/append", None, None, true),
            (Method::GET, "v1/conversations/c1", "conversations/{id}", None, None, true),
            (Method::POST, "v1/libraries", "other", None, None, false),
            (Method::POST, "chat/completions", "other", None, None, false),
        ] {
            let route = drop_in(&method, path);
            assert_eq!(route.operation.name, name, "{method} {path}");
            assert_eq!(route.path, format!("/{path}"));
            assert_eq!(route.object.as_ref().map(|o| o.id.as_str()), object, "{path}");
            assert_eq!((route.makes, route.known), (makes, known), "{method} {path}");
        }
    }

    #[test]
    fn the_envelope_takes_the_operations_that_make_a_call_only() {
        for (name, path) in ENVELOPE {
            let route = envelope(name).expect("an operation");
            assert_eq!((route.path.as_ref(), route.known), (format!("/{path}").as_str(), true));
            assert_eq!(route.operation.name, name);
        }
        for name in ["files", "batch/jobs", "models", "rerank", "", "../x", "chat/completions"] {
            assert!(envelope(name).is_none(), "{name}");
        }
    }
}
