//! Anthropic's paths and what they mean.

use std::borrow::Cow;

use http::Method;

use crate::percent::decoded;
use crate::provider::AnswerShape::{Bytes, Json as JsonAnswer};
use crate::provider::BodyKind::{Json, Multipart, Opaque};
use crate::provider::{AnswerShape, BodyKind, ObjectRef, Operation, Route};

const fn op(name: &'static str, body: BodyKind, answer: AnswerShape) -> Operation {
    Operation { name, body, answer }
}

const MESSAGES: Operation = op("messages", Json, JsonAnswer);
const COUNT_TOKENS: Operation = op("messages/count_tokens", Json, JsonAnswer);

/// Counting is free: its answer is no usage.
pub(super) fn is_count(operation: &Operation) -> bool {
    operation.name == COUNT_TOKENS.name
}

/// Whether an answer holds batches, which say where their results are.
pub(super) fn tells_results(operation: &Operation) -> bool {
    matches!(
        operation.name,
        "messages/batches" | "messages/batches/{id}" | "messages/batches/{id}/cancel"
    )
}

/// The path below the base URL of the results that a batch says are at `url`.
pub(super) fn results_path(url: &str) -> Option<&str> {
    let path = &url[url.rfind(BATCHES)?..];
    let path = path.split(['?', '#']).next()?;
    let id = path.strip_prefix(BATCHES)?.strip_suffix("/results")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (!id.is_empty() && id.bytes().all(plain)).then_some(path)
}

const BATCHES: &str = "/v1/messages/batches/";

pub(super) fn envelope(operation: &str) -> Option<Route> {
    let (operation, path) = match operation {
        "messages" => (MESSAGES, "/v1/messages"),
        "messages/count_tokens" => (COUNT_TOKENS, "/v1/messages/count_tokens"),
        _ => return None,
    };
    Some(Route {
        operation,
        method: Method::POST,
        path: path.into(),
        object: None,
        makes: None,
        known: true,
    })
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let posted = (method == Method::POST).then(|| path.strip_prefix("v1/")).flatten();
    if let Some(route) = posted.and_then(envelope) {
        return route;
    }
    let (operation, object, makes) = beside_messages(method, path);
    Route {
        operation: operation.unwrap_or(op("other", Opaque, JsonAnswer)),
        method: method.clone(),
        path: Cow::Owned(format!("/{path}")),
        object,
        makes,
        known: operation.is_some(),
    }
}

type Found = (Option<Operation>, Option<ObjectRef>, Option<&'static str>);

/// Models, batches and files.
fn beside_messages(method: &Method, path: &str) -> Found {
    let is = |wanted: Method| *method == wanted;
    let segments: Vec<&str> = path.split('/').collect();
    let found = |name, answer| (Some(op(name, Opaque, answer)), None, None);
    let stored = |name, answer, kind, id| {
        let object = ObjectRef { kind, id: decoded(id) };
        (Some(op(name, Opaque, answer)), Some(object), None)
    };
    match segments.as_slice() {
        ["v1", "models"] if is(Method::GET) => found("models", JsonAnswer),
        ["v1", "models", _] if is(Method::GET) => found("models/{id}", JsonAnswer),
        ["v1", "messages", "batches"] if is(Method::POST) => {
            (Some(op("messages/batches", Json, JsonAnswer)), None, Some("batch"))
        }
        ["v1", "messages", "batches"] if is(Method::GET) => found("messages/batches", JsonAnswer),
        ["v1", "messages", "batches", id] => {
            stored("messages/batches/{id}", JsonAnswer, "batch", id)
        }
        ["v1", "messages", "batches", id, "cancel"] => {
            stored("messages/batches/{id}/cancel", JsonAnswer, "batch", id)
        }
        ["v1", "messages", "batches", id, "results"] => {
            stored("messages/batches/{id}/results", Bytes, "batch", id)
        }
        ["v1", "files"] if is(Method::POST) => {
            (Some(op("files", Multipart, JsonAnswer)), None, Some("file"))
        }
        ["v1", "files"] if is(Method::GET) => found("files", JsonAnswer),
        ["v1", "files", id] => stored("files/{id}", JsonAnswer, "file", id),
        ["v1", "files", id, "content"] => stored("files/{id}/content", Bytes, "file", id),
        _ => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_at_one_path_whatever_host_is_named() {
        let path = Some("/v1/messages/batches/msgbatch_1-a/results");
        for (url, expected) in [
            ("https://api.anthropic.com/v1/messages/batches/msgbatch_1-a/results", path),
            ("https://evil.example/x/v1/messages/batches/msgbatch_1-a/results?beta=true", path),
            ("/v1/messages/batches/msgbatch_1-a/results", path),
            ("https://api.anthropic.com/v1/messages/batches/a/../../keys/results", None),
            ("https://api.anthropic.com/v1/messages/batches/a%2Fb/results", None),
            ("https://api.anthropic.com/v1/messages/batches//results", None),
            ("https://api.anthropic.com/v1/messages/batches/a/resultsx", None),
            ("https://api.anthropic.com/v1/messages/batches/a", None),
            ("https://evil.example/", None),
            ("", None),
        ] {
            assert_eq!(results_path(url), expected, "{url}");
        }
    }

    #[test]
    fn paths_become_operations_and_the_objects_they_name() {
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        for (method, path, name, object, makes, known) in [
            (&post, "v1/messages", "messages", None, None, true),
            (&get, "v1/messages", "other", None, None, false),
            (&post, "v1/messages/count_tokens", "messages/count_tokens", None, None, true),
            (&get, "v1/models", "models", None, None, true),
            (&get, "v1/models/claude-opus-4-7", "models/{id}", None, None, true),
            (&post, "v1/messages/batches", "messages/batches", None, Some("batch"), true),
            (&get, "v1/messages/batches", "messages/batches", None, None, true),
            (&get, "v1/messages/batches/b_1", "messages/batches/{id}", Some("b_1"), None, true),
            (&delete, "v1/messages/batches/b_1", "messages/batches/{id}", Some("b_1"), None, true),
            (
                &post,
                "v1/messages/batches/b_1/cancel",
                "messages/batches/{id}/cancel",
                Some("b_1"),
                None,
                true,
            ),
            (
                &get,
                "v1/messages/batches/b_1/results",
                "messages/batches/{id}/results",
                Some("b_1"),
                None,
                true,
            ),
            (&post, "v1/files", "files", None, Some("file"), true),
            (&get, "v1/files/f%3A1", "files/{id}", Some("f:1"), None, true),
            (&get, "v1/files/f_1/content", "files/{id}/content", Some("f_1"), None, true),
            (&post, "v1/complete", "other", None, None, false),
            (&post, "messages", "other", None, None, false),
            (&post, "v2/messages", "other", None, None, false),
        ] {
            let route = drop_in(method, path);
            assert_eq!(route.operation.name, name, "{method} {path}");
            assert_eq!((&*route.path, &route.method), (&*format!("/{path}"), method));
            assert_eq!(route.object.as_ref().map(|o| &*o.id), object, "{path}");
            assert_eq!((route.makes, route.known), (makes, known), "{method} {path}");
        }
    }

    #[test]
    fn uploads_are_forms_and_results_are_bytes() {
        assert_eq!(drop_in(&Method::POST, "v1/files").operation.body, Multipart);
        assert_eq!(drop_in(&Method::POST, "v1/messages/batches").operation.body, Json);
        assert_eq!(
            drop_in(&Method::GET, "v1/messages/batches/b/results").operation.answer,
            AnswerShape::Bytes
        );
    }

    #[test]
    fn the_envelope_takes_the_operations_of_the_contract_only() {
        for name in ["messages", "messages/count_tokens"] {
            assert_eq!(envelope(name).map(|route| route.path), Some(format!("/v1/{name}").into()));
        }
        for name in ["messages/batches", "files", "models", "v1/messages", "", "../messages"] {
            assert_eq!(envelope(name), None, "{name}");
        }
    }
}
