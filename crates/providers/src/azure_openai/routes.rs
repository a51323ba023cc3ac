//! Azure's paths: OpenAI's, below a deployment or a version.

use std::borrow::Cow;

use byok_domain::ProviderConfig;
use http::Method;

use super::config::API_VERSION;
use crate::openai::OpenAi;
use crate::percent::{self, decoded};
use crate::provider::{PayloadError, Provider, Route};

/// The longest name of a deployment in a payload, in bytes.
const DEPLOYMENT_CAP: usize = 256;

/// The operations of the envelope. Their routes keep OpenAI's short paths until the key is known.
pub(super) fn envelope(operation: &str) -> Option<Route> {
    matches!(operation, "chat/completions" | "responses" | "embeddings")
        .then(|| OpenAi.drop_in(&Method::POST, operation))
}

/// Whether a route is the envelope's: everything that is known of the drop-in ones begins with
/// `/openai/`.
pub(super) fn is_enveloped(route: &Route) -> bool {
    route.known && !route.path.starts_with("/openai/")
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let below = path.strip_prefix("openai/").unwrap_or_default();
    let operation = match below.split_once('/') {
        Some(("v1", rest)) => rest,
        Some(("deployments", rest)) => rest.split_once('/').map_or("", |(_, rest)| rest),
        _ => below,
    };
    let route = OpenAi.drop_in(method, operation);
    Route { path: format!("/{path}").into(), ..route }
}

/// The deployment that a drop-in path names.
pub(super) fn deployment(path: &str) -> Option<String> {
    let (name, _) = path.strip_prefix("/openai/deployments/")?.split_once('/')?;
    Some(decoded(name))
}

/// The path of a call, with the deployment in it where it is the envelope's.
pub(super) fn path<'r>(
    route: &'r Route,
    model: Option<&str>,
    config: &ProviderConfig,
) -> Result<Cow<'r, str>, PayloadError> {
    if !is_enveloped(route) {
        return Ok(Cow::Borrowed(&route.path));
    }
    if route.operation.name == "responses" {
        return Ok(Cow::Borrowed("/openai/v1/responses"));
    }
    let named = model.or_else(|| config.get("deploymentName")).unwrap_or_default();
    let deployment = segment(named)?;
    let version = config.get("apiVersion").unwrap_or(API_VERSION);
    let operation = &route.path;
    Ok(Cow::Owned(format!("/openai/deployments/{deployment}{operation}?api-version={version}")))
}

/// The name of a deployment as one segment of a path.
fn segment(name: &str) -> Result<String, PayloadError> {
    let no_name = matches!(name, "" | "." | "..");
    if no_name || name.len() > DEPLOYMENT_CAP || name.contains(char::is_control) {
        return Err(PayloadError::Invalid(format!(
            "`model` must name a deployment in 1 to {DEPLOYMENT_CAP} bytes without control \
             characters; leave it out to use the key's deploymentName"
        )));
    }
    Ok(percent::segment(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_openais_operations_and_stay_as_they_were_sent() {
        for (method, path, name, object, makes, known) in [
            (
                Method::POST,
                "openai/deployments/d/chat/completions",
                "chat/completions",
                None,
                None,
                true,
            ),
            (Method::POST, "openai/deployments/a%20b/embeddings", "embeddings", None, None, true),
            (
                Method::POST,
                "openai/deployments/d/audio/transcriptions",
                "audio/transcriptions",
                None,
                None,
                true,
            ),
            (
                Method::POST,
                "openai/deployments/d/images/generations",
                "images/generations",
                None,
                None,
                true,
            ),
            (Method::POST, "openai/v1/responses", "responses", None, None, true),
            (Method::POST, "openai/v1/chat/completions", "chat/completions", None, None, true),
            (Method::GET, "openai/models", "models", None, None, true),
            (Method::POST, "openai/responses", "responses", None, None, true),
            (Method::POST, "openai/files", "files", None, Some("file"), true),
            (Method::GET, "openai/v1/files/f1", "files/{id}", Some("f1"), None, true),
            (
                Method::POST,
                "openai/v1/batches/b1/cancel",
                "batches/{id}/cancel",
                Some("b1"),
                None,
                true,
            ),
            (Method::GET, "openai/deployments/d/files/f1", "files/{id}", Some("f1"), None, true),
            (Method::GET, "openai/deployments/d", "other", None, None, false),
            (
                Method::POST,
                "openai/deployments/d/extensions/chat/completions",
                "other",
                None,
                None,
                false,
            ),
            (Method::POST, "chat/completions", "other", None, None, false),
            (Method::POST, "openai", "other", None, None, false),
        ] {
            let route = drop_in(&method, path);
            assert_eq!(route.operation.name, name, "{method} {path}");
            assert_eq!(route.path, format!("/{path}"));
            assert_eq!(route.object.as_ref().map(|o| o.id.as_str()), object, "{path}");
            assert_eq!((route.makes, route.known), (makes, known), "{method} {path}");
            assert!(!is_enveloped(&route), "{path}");
            let sent = super::path(&route, Some("x"), &ProviderConfig::default());
            assert_eq!(sent.expect("a path"), format!("/{path}"));
        }
        assert_eq!(deployment("/openai/deployments/a%20b/embeddings").as_deref(), Some("a b"));
        assert_eq!(deployment("/openai/v1/embeddings"), None);
    }

    #[test]
    fn the_envelopes_deployment_is_the_payloads_or_the_keys() {
        let mut config = ProviderConfig::default();
        config.set("deploymentName", "own");
        let chat = envelope("chat/completions").expect("an operation");
        let sent = |model| path(&chat, model, &config).expect("a path").into_owned();
        let own = "/openai/deployments/own/chat/completions?api-version=2024-10-21";
        assert_eq!(sent(None), own);
        assert_eq!(sent(Some("gpt 4")), own.replace("own", "gpt%204"));
        config.set("apiVersion", "2025-04-01-preview");
        let embeddings = envelope("embeddings").expect("an operation");
        assert_eq!(
            path(&embeddings, None, &config).expect("a path"),
            "/openai/deployments/own/embeddings?api-version=2025-04-01-preview"
        );
        let responses = envelope("responses").expect("an operation");
        assert_eq!(path(&responses, None, &config).expect("a path"), "/openai/v1/responses");
        for name in ["models", "files", "images/generations", "", "../x"] {
            assert!(envelope(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_hostile_deployment_is_one_encoded_segment_or_refused() {
        let config = ProviderConfig::default();
        let chat = envelope("chat/completions").expect("an operation");
        let long = "x".repeat(4096);
        for (name, encoded) in [
            ("../../v1/files", Some("..%2F..%2Fv1%2Ffiles")),
            ("%2e%2e", Some("%252e%252e")),
            ("a#b?c&d", Some("a%23b%3Fc%26d")),
            ("a\\b:c@d", Some("a%5Cb%3Ac%40d")),
            ("é", Some("%C3%A9")),
            ("..", None),
            (".", None),
            ("", None),
            ("a\r\nb", None),
            (long.as_str(), None),
        ] {
            let sent = path(&chat, Some(name), &config).ok().map(Cow::into_owned);
            let expected = encoded.map(|segment| {
                format!("/openai/deployments/{segment}/chat/completions?api-version=2024-10-21")
            });
            assert_eq!(sent, expected, "{name}");
        }
        assert!(path(&chat, None, &config).is_err(), "no name at all");
    }
}
