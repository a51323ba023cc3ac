//! Bedrock's paths and what they mean.

use std::borrow::Cow;

use http::Method;

use crate::percent::decoded;
use crate::provider::{AnswerShape, BodyKind, Operation, PayloadError, Route};

/// The longest model id, inference profile or ARN that Bedrock takes, in characters.
const MODEL_CAP: usize = 2048;

const fn op(name: &'static str, body: BodyKind) -> Operation {
    Operation { name, body, answer: AnswerShape::Json }
}

/// What is done with a model, and the last segment of its path.
const OPERATIONS: [(&str, Operation); 5] = [
    ("/converse", op("converse", BodyKind::Json)),
    ("/converse-stream", op("converseStream", BodyKind::Json)),
    ("/invoke", op("invokeModel", BodyKind::Json)),
    ("/invoke-with-response-stream", op("invokeModelWithResponseStream", BodyKind::Json)),
    ("/count-tokens", op("countTokens", BodyKind::Json)),
];

/// Whether an operation answers with frames of events.
pub(super) fn streams(route: &Route) -> bool {
    matches!(route.operation.name, "converseStream" | "invokeModelWithResponseStream")
}

/// A route of the envelope lacks its model: [`path`] puts it in.
pub(super) fn envelope(operation: &str) -> Option<Route> {
    let found = OPERATIONS.iter().find(|(_, known)| known.name == operation);
    let (path, operation) = found.filter(|(_, known)| known.name != "countTokens")?;
    Some(Route {
        operation: *operation,
        method: Method::POST,
        path: Cow::Borrowed(path),
        object: None,
        makes: None,
        known: true,
    })
}

pub(super) fn drop_in(method: &Method, path: &str) -> Route {
    let path = format!("/{path}");
    let known = (method == Method::POST).then(|| operation(&path)).flatten();
    // A signature covers the body, so that one has to be there whole; all of Bedrock speaks JSON.
    let posted = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    let body = if posted { BodyKind::Json } else { BodyKind::Opaque };
    Route {
        operation: known.unwrap_or(op("other", body)),
        method: method.clone(),
        path: Cow::Owned(path),
        object: None,
        makes: None,
        known: known.is_some(),
    }
}

fn operation(path: &str) -> Option<Operation> {
    let (_, rest) = path.strip_prefix("/model/")?.split_once('/')?;
    OPERATIONS.iter().find(|(last, _)| &last[1..] == rest).map(|(_, operation)| *operation)
}

/// The model that a path names, as Bedrock reads it.
pub(super) fn model(path: &str) -> Option<String> {
    let (model, _) = path.strip_prefix("/model/")?.split_once('/')?;
    Some(decoded(model))
}

/// The path of a route, with the payload's model put in where the route lacks one.
pub(super) fn path<'r>(
    route: &'r Route,
    model: Option<&str>,
) -> Result<Cow<'r, str>, PayloadError> {
    if !route.known || operation(&route.path).is_some() {
        return Ok(Cow::Borrowed(&route.path));
    }
    let model = model.ok_or_else(|| {
        PayloadError::Invalid(
            "`modelId` is missing; send a model id, an inference profile or an ARN".to_owned(),
        )
    })?;
    if !is_model(model) {
        return Err(PayloadError::Invalid(
            "`modelId` is no model id: letters, digits and -._:/ make up a model id, an inference \
             profile or an ARN, 2048 characters at most"
                .to_owned(),
        ));
    }
    // The only two of its characters that are not unreserved.
    let segment = model.replace(':', "%3A").replace('/', "%2F");
    Ok(Cow::Owned(format!("/model/{segment}{}", route.path)))
}

/// Whether it has the form that Bedrock documents. A dot segment of an ARN is refused although it
/// goes out encoded: whoever decodes it on the way must not climb.
fn is_model(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
    (1..=MODEL_CAP).contains(&text.len())
        && text.bytes().all(plain)
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str =
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0";

    #[test]
    fn paths_become_operations_and_stay_as_they_were_sent() {
        for (method, path, name, known, body) in [
            (Method::POST, "model/a.b-v1%3A0/converse", "converse", true, BodyKind::Json),
            (Method::POST, "model/a.b-v1:0/converse", "converse", true, BodyKind::Json),
            (Method::POST, "model/m/converse-stream", "converseStream", true, BodyKind::Json),
            (Method::POST, "model/m/invoke", "invokeModel", true, BodyKind::Json),
            (
                Method::POST,
                "model/m/invoke-with-response-stream",
                "invokeModelWithResponseStream",
                true,
                BodyKind::Json,
            ),
            (Method::POST, "model/a%2Fb/count-tokens", "countTokens", true, BodyKind::Json),
            (Method::GET, "foundation-models", "other", false, BodyKind::Opaque),
            (Method::GET, "model/m/converse", "other", false, BodyKind::Opaque),
            (Method::POST, "model/m/converse/x", "other", false, BodyKind::Json),
            (Method::POST, "model/converse", "other", false, BodyKind::Json),
            (Method::POST, "converse", "other", false, BodyKind::Json),
            (Method::POST, "guardrail/g/version/1/apply", "other", false, BodyKind::Json),
            (Method::GET, "async-invoke", "other", false, BodyKind::Opaque),
        ] {
            let route = drop_in(&method, path);
            let operation = route.operation;
            assert_eq!(
                (operation.name, route.known, operation.body),
                (name, known, body),
                "{path}"
            );
            assert_eq!(super::path(&route, Some("x")).expect("a path"), format!("/{path}"));
        }
    }

    #[test]
    fn the_envelope_takes_the_operations_of_the_contract_only() {
        for name in ["converse", "converseStream", "invokeModel", "invokeModelWithResponseStream"] {
            assert_eq!(envelope(name).expect(name).operation.name, name);
        }
        for name in
            ["countTokens", "converse-stream", "invoke", "", "../converse", "model/m/converse"]
        {
            assert!(envelope(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_model_is_put_into_the_path_as_one_segment_and_read_back() {
        let route = envelope("converse").expect("known");
        for (model, segment) in [
            ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
            (
                ARN,
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0",
            ),
        ] {
            let path = path(&route, Some(model)).expect("a path");
            assert_eq!(path, format!("/model/{segment}/converse"));
            assert_eq!(super::model(&path).as_deref(), Some(model));
        }
        assert_eq!(super::model("/x"), None);
    }

    #[test]
    fn a_hostile_model_is_refused() {
        let route = envelope("invokeModel").expect("known");
        let long = "m".repeat(4096);
        for model in [
            "",
            "..",
            ".",
            "../x",
            "a/../../b",
            "a//b",
            "/a",
            "a/",
            "..%2f",
            "%2e%2e",
            "%252e",
            "a\\b",
            "a;b",
            "a?b",
            "a#b",
            "a@b",
            "a b",
            "a\r\nb",
            "a\0",
            "ü",
            "a+b",
            &long,
        ] {
            let refused = path(&route, Some(model));
            assert!(matches!(refused, Err(PayloadError::Invalid(_))), "{model:?}");
        }
        assert!(
            matches!(path(&route, None), Err(PayloadError::Invalid(text)) if text.contains("modelId"))
        );
    }
}
