//! Cohere's paths and what they mean.

use http::Method;

use crate::percent::decoded;
use crate::provider::{AnswerShape, BodyKind, ObjectRef, Operation, Route};

const fn op(name: &'static str, body: BodyKind) -> Operation {
    Operation { name, body, answer: AnswerShape::Json }
}

use BodyKind::{Json, Multipart, Opaque};

/// Operations that POST, and their paths. The two versions of one are the same operation.
const POSTS: [(&str, Operation); 16] = [
    ("v2/chat", op("chat", Json)),
    ("v2/embed", op("embed", Json)),
    ("v2/rerank", op("rerank", Json)),
    ("v1/chat", op("chat", Json)),
    ("v1/embed", op("embed", Json)),
    ("v1/rerank", op("rerank", Json)),
    ("v1/classify", op("classify", Json)),
    ("v1/generate", op("generate", Json)),
    ("v1/summarize", op("summarize", Json)),
    ("v1/tokenize", op("tokenize", Json)),
    ("v1/detokenize", op("detokenize", Json)),
    ("v1/check-api-key", op("check-api-key", Opaque)),
    ("v1/embed-jobs", op("embed-jobs", Json)),
    ("v2/batches", op("batches", Json)),
    ("v2/parse", op("parse", Json)),
    ("v2/audio/transcriptions", op("audio/transcriptions", Multipart)),
];

pub(super) fn envelope(operation: &str) -> Option<Route> {
    let path = match operation {
        "chat" => "v2/chat",
        "embed" => "v2/embed",
        "rerank" => "v2/rerank",
        _ => return None,
    };
    Some(drop_in(&Method::POST, path))
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let posted = POSTS.iter().find(|(posted, _)| method == Method::POST && *posted == path);
    let (operation, object, makes) = match posted {
        Some((_, operation)) => {
            let batch = matches!(operation.name, "embed-jobs" | "batches");
            (Some(*operation), None, batch.then_some("batch"))
        }
        None => stored_objects(method, path),
    };
    Route {
        operation: operation.unwrap_or(op("other", Opaque)),
        method: method.clone(),
        path: format!("/{path}").into(),
        object,
        makes,
        known: operation.is_some(),
    }
}

type Stored = (Option<Operation>, Option<ObjectRef>, Option<&'static str>);

/// Models, datasets, embed jobs and batches.
fn stored_objects(method: &Method, path: &str) -> Stored {
    let segments: Vec<&str> = path.split('/').collect();
    let file = |id: &str| Some(ObjectRef { kind: "file", id: decoded(id) });
    let batch = |id: String| Some(ObjectRef { kind: "batch", id });
    let is = |wanted: Method| *method == wanted;
    let read = |name| Some(op(name, Opaque));
    match segments.as_slice() {
        ["v1", "models"] if is(Method::GET) => (read("models"), None, None),
        ["v1", "models", _] if is(Method::GET) => (read("models/{id}"), None, None),
        ["v1", "datasets"] if is(Method::POST) => {
            (Some(op("datasets", Multipart)), None, Some("file"))
        }
        ["v1", "datasets"] if is(Method::GET) => (read("datasets"), None, None),
        ["v1", "datasets", "usage"] if is(Method::GET) => (read("datasets/usage"), None, None),
        ["v1", "datasets", id] => (read("datasets/{id}"), file(id), None),
        ["v1", "embed-jobs"] if is(Method::GET) => (read("embed-jobs"), None, None),
        ["v1", "embed-jobs", id] => (read("embed-jobs/{id}"), batch(decoded(id)), None),
        ["v1", "embed-jobs", id, "cancel"] => {
            (read("embed-jobs/{id}/cancel"), batch(decoded(id)), None)
        }
        ["v2", "batches"] if is(Method::GET) => (read("batches"), None, None),
        ["v2", "batches", id] => {
            let id = decoded(id);
            match id.strip_suffix(":cancel") {
                Some(id) => (read("batches/{id}:cancel"), batch(id.to_owned()), None),
                None => (read("batches/{id}"), batch(id), None),
            }
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
            (Method::POST, "v2/chat", "chat", None, None, true),
            (Method::GET, "v2/chat", "other", None, None, false),
            (Method::POST, "v1/chat", "chat", None, None, true),
            (Method::POST, "v2/embed", "embed", None, None, true),
            (Method::POST, "v2/rerank", "rerank", None, None, true),
            (Method::POST, "v1/rerank", "rerank", None, None, true),
            (Method::POST, "v1/tokenize", "tokenize", None, None, true),
            (Method::POST, "v1/check-api-key", "check-api-key", None, None, true),
            (Method::GET, "v1/models", "models", None, None, true),
            (Method::GET, "v1/models/command-a", "models/{id}", None, None, true),
            (Method::POST, "v1/datasets", "datasets", None, Some("file"), true),
            (Method::DELETE, "v1/datasets/ds-1", "datasets/{id}", Some("ds-1"), None, true),
            (Method::GET, "v1/datasets/usage", "datasets/usage", None, None, true),
            (Method::POST, "v1/embed-jobs", "embed-jobs", None, Some("batch"), true),
            (
                Method::POST,
                "v1/embed-jobs/j1/cancel",
                "embed-jobs/{id}/cancel",
                Some("j1"),
                None,
                true,
            ),
            (Method::POST, "v2/batches", "batches", None, Some("batch"), true),
            (Method::GET, "v2/batches/b1", "batches/{id}", Some("b1"), None, true),
            (Method::POST, "v2/batches/b1:cancel", "batches/{id}:cancel", Some("b1"), None, true),
            (Method::POST, "v2/batches/b1%3Acancel", "batches/{id}:cancel", Some("b1"), None, true),
            (Method::POST, "v1/connectors", "other", None, None, false),
            (Method::POST, "chat", "other", None, None, false),
        ] {
            let route = drop_in(&method, path);
            assert_eq!(route.operation.name, name, "{method} {path}");
            assert_eq!(route.path, format!("/{path}"));
            assert_eq!(route.object.as_ref().map(|o| o.id.as_str()), object, "{path}");
            assert_eq!((route.makes, route.known), (makes, known), "{method} {path}");
        }
    }

    #[test]
    fn the_envelope_takes_the_operations_of_the_contract_only() {
        for (name, path) in [("chat", "/v2/chat"), ("embed", "/v2/embed"), ("rerank", "/v2/rerank")]
        {
            let route = envelope(name).expect("an operation");
            assert_eq!((route.path.as_ref(), route.operation.name), (path, name));
        }
        for name in ["embeddings", "models", "v2/chat", "chat/completions", "", "../x"] {
            assert!(envelope(name).is_none(), "{name}");
        }
    }
}
