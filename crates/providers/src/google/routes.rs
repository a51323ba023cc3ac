//! Google's paths and what they mean.

use std::borrow::Cow;

use http::Method;

use super::{COMPATIBLE, COMPATIBLE_PREFIX};
use crate::provider::{AnswerShape, BodyKind, ObjectRef, Operation, Provider, Route};

const fn op(name: &'static str, body: BodyKind, answer: AnswerShape) -> Operation {
    Operation { name, body, answer }
}

use AnswerShape::{Bytes, Json as JsonAnswer};
use BodyKind::{Json, Opaque};

const OTHER: Operation = op("other", Opaque, JsonAnswer);

/// Methods of a model: `models/{model}:{name}`.
const METHODS: [Operation; 9] = [
    op("generateContent", Json, JsonAnswer),
    op("streamGenerateContent", Json, JsonAnswer),
    op("embedContent", Json, JsonAnswer),
    op("batchEmbedContents", Json, JsonAnswer),
    op("countTokens", Json, JsonAnswer),
    op("batchGenerateContent", Json, JsonAnswer),
    op("asyncBatchEmbedContent", Json, JsonAnswer),
    op("predict", Json, JsonAnswer),
    op("predictLongRunning", Json, JsonAnswer),
];

/// The envelope's operations: the first of [`METHODS`].
const ENVELOPE: usize = 5;

/// Where the envelope's model goes into the path. No path of a caller's begins like this.
pub(super) const MODEL: &str = "{model}";

pub(super) fn envelope(operation: &str) -> Option<Route> {
    let operation = *METHODS[..ENVELOPE].iter().find(|method| method.name == operation)?;
    let query = if streams(&operation) { "?alt=sse" } else { "" };
    Some(Route {
        operation,
        method: Method::POST,
        path: Cow::Owned(format!("{MODEL}:{}{query}", operation.name)),
        object: None,
        makes: None,
        known: true,
    })
}

/// Whether an operation answers piece by piece.
pub(super) fn streams(operation: &Operation) -> bool {
    operation.name == "streamGenerateContent"
}

/// Whether a path belongs to the OpenAI-compatible endpoint.
pub(super) fn is_compatible(path: &str) -> bool {
    path.strip_prefix(COMPATIBLE_PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// The model that a path names, as it is written there, without `models/`.
pub(super) fn model(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?.split_once('/')?.1;
    let named =
        rest.strip_prefix("models/").or(rest.starts_with("tunedModels/").then_some(rest))?;
    let (model, _) = named.rsplit_once(':')?;
    (!model.is_empty()).then_some(model)
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let compatible = path.strip_prefix(&COMPATIBLE_PREFIX[1..]);
    if let Some(rest) = compatible.and_then(|rest| rest.strip_prefix('/')) {
        return COMPATIBLE.drop_in(method, rest);
    }
    let Known { operation, object, makes } = known(method, path).unwrap_or_default();
    Route {
        operation: operation.unwrap_or(OTHER),
        method: method.clone(),
        path: Cow::Owned(format!("/{path}")),
        object,
        makes,
        known: operation.is_some(),
    }
}

#[derive(Default)]
struct Known {
    operation: Option<Operation>,
    object: Option<ObjectRef>,
    makes: Option<&'static str>,
}

impl Known {
    fn of(operation: Operation) -> Option<Self> {
        Some(Self { operation: Some(operation), object: None, makes: None })
    }

    fn making(operation: Operation, kind: &'static str) -> Option<Self> {
        Some(Self { operation: Some(operation), object: None, makes: Some(kind) })
    }

    fn touching(operation: Operation, kind: &'static str, id: &str) -> Option<Self> {
        let object = Some(ObjectRef { kind, id: id.to_owned() });
        Some(Self { operation: Some(operation), object, makes: None })
    }
}

fn known(method: &Method, path: &str) -> Option<Known> {
    let segments: Vec<&str> = path.split('/').collect();
    let (upload, segments) = match segments.as_slice() {
        ["upload", rest @ ..] => (true, rest),
        all => (false, all),
    };
    let [version, rest @ ..] = segments else { return None };
    if !matches!(*version, "v1" | "v1beta" | "v1alpha") {
        return None;
    }
    let (get, post) = (method == Method::GET, method == Method::POST);
    if upload {
        // Where an upload goes on, it may do so with either method.
        let files = (post || method == Method::PUT) && rest == ["files"];
        return files.then(|| Known::making(op("files", Opaque, JsonAnswer), "file")).flatten();
    }
    let read = |name| op(name, Opaque, JsonAnswer);
    match rest {
        ["models"] if get => Known::of(read("models")),
        ["tunedModels"] if get => Known::of(read("tunedModels")),
        ["models" | "tunedModels", named] if post => {
            let (_, name) = named.rsplit_once(':')?;
            let operation = *METHODS.iter().find(|method| method.name == name)?;
            if matches!(name, "batchGenerateContent" | "asyncBatchEmbedContent") {
                return Known::making(operation, "batch");
            }
            Known::of(operation)
        }
        ["models", _] if get => Known::of(read("models/{id}")),
        ["tunedModels", _] => Known::of(read("tunedModels/{id}")),
        ["files"] if get => Known::of(read("files")),
        ["files"] if post => Known::making(read("files"), "file"),
        ["files", named] => match named.rsplit_once(':') {
            Some((id, "download")) => {
                Known::touching(op("files/{id}/content", Opaque, Bytes), "file", id)
            }
            _ => Known::touching(read("files/{id}"), "file", named),
        },
        ["cachedContents"] if get => Known::of(read("cachedContents")),
        ["cachedContents"] if post => {
            Known::making(op("cachedContents", Json, JsonAnswer), "cachedContent")
        }
        ["cachedContents", id] => Known::touching(read("cachedContents/{id}"), "cachedContent", id),
        ["batches"] if get => Known::of(read("batches")),
        ["batches", named] => match named.rsplit_once(':') {
            Some((id, "cancel")) => Known::touching(read("batches/{id}/cancel"), "batch", id),
            Some((id, _)) => Known::touching(read("batches/{id}"), "batch", id),
            None => Known::touching(read("batches/{id}"), "batch", named),
        },
        ["interactions"] if post => Known::of(op("interactions", Json, JsonAnswer)),
        ["interactions", _] => Known::of(read("interactions/{id}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_operations_and_the_objects_they_name() {
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        for (method, path, name, object, makes) in [
            (
                &post,
                "v1beta/models/gemini-2.5-flash:generateContent",
                "generateContent",
                None,
                None,
            ),
            (
                &post,
                "v1/models/gemini-2.5-flash:streamGenerateContent",
                "streamGenerateContent",
                None,
                None,
            ),
            (&post, "v1alpha/tunedModels/mine:generateContent", "generateContent", None, None),
            (&post, "v1beta/models/m:embedContent", "embedContent", None, None),
            (&post, "v1beta/models/m:batchEmbedContents", "batchEmbedContents", None, None),
            (&post, "v1beta/models/m:countTokens", "countTokens", None, None),
            (
                &post,
                "v1beta/models/m:batchGenerateContent",
                "batchGenerateContent",
                None,
                Some("batch"),
            ),
            (&get, "v1beta/models", "models", None, None),
            (&get, "v1/models/gemini-2.5-flash", "models/{id}", None, None),
            (&post, "upload/v1beta/files", "files", None, Some("file")),
            (&get, "v1beta/files", "files", None, None),
            (&delete, "v1beta/files/abc", "files/{id}", Some("abc"), None),
            (&get, "v1beta/files/abc:download", "files/{id}/content", Some("abc"), None),
            (&post, "v1beta/cachedContents", "cachedContents", None, Some("cachedContent")),
            (&get, "v1beta/cachedContents/c1", "cachedContents/{id}", Some("c1"), None),
            (&get, "v1beta/batches/b1", "batches/{id}", Some("b1"), None),
            (&post, "v1beta/batches/b1:cancel", "batches/{id}/cancel", Some("b1"), None),
            (&post, "v1beta/interactions", "interactions", None, None),
        ] {
            let route = drop_in(method, path);
            assert_eq!(route.operation.name, name, "{method} {path}");
            assert_eq!(route.path, format!("/{path}"));
            assert_eq!(route.object.as_ref().map(|o| o.id.as_str()), object, "{path}");
            assert_eq!((route.makes, route.known), (makes, true), "{path}");
        }
        for (method, path) in [
            (&get, "v1beta/models/m:generateContent:x/y"),
            (&post, "v1beta/models/m"),
            (&post, "v1beta/models/m:brandNew"),
            (&post, "v2/models/m:generateContent"),
            (&post, "models/m:generateContent"),
            (&get, "upload/v1beta/files"),
            (&post, "v1beta/{model}:generateContent"),
            (&post, "{model}:generateContent"),
        ] {
            let route = drop_in(method, path);
            assert_eq!((route.operation.name, route.known), ("other", false), "{path}");
            assert_eq!(route.path, format!("/{path}"));
        }
    }

    #[test]
    fn the_compatible_endpoint_below_the_mount_is_openais_wire() {
        let route = drop_in(&Method::POST, "v1beta/openai/chat/completions");
        assert_eq!(
            (route.operation.name, &*route.path),
            ("chat/completions", "/v1beta/openai/chat/completions")
        );
        assert!(is_compatible(&route.path));
        for path in ["v1beta/openai", "v1beta/openaix/models", "v1beta/models"] {
            assert!(!is_compatible(&drop_in(&Method::GET, path).path), "{path}");
        }
    }

    #[test]
    fn the_model_is_read_from_the_path() {
        for (path, expected) in [
            ("/v1beta/models/gemini-2.5-flash:generateContent", Some("gemini-2.5-flash")),
            ("/v1/models/a:b:countTokens", Some("a:b")),
            ("/v1beta/tunedModels/mine:generateContent", Some("tunedModels/mine")),
            ("/v1beta/models/:generateContent", None),
            ("/v1beta/models", None),
            ("/v1beta/files/a:download", None),
        ] {
            assert_eq!(model(path), expected, "{path}");
        }
    }

    #[test]
    fn the_envelope_takes_the_operations_of_the_contract_only() {
        for name in [
            "generateContent",
            "streamGenerateContent",
            "embedContent",
            "batchEmbedContents",
            "countTokens",
        ] {
            let route = envelope(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(route.path.ends_with("?alt=sse"), name.starts_with("stream"), "{name}");
        }
        for name in ["batchGenerateContent", "predict", "models", "", "generatecontent"] {
            assert!(envelope(name).is_none(), "{name}");
        }
    }
}
