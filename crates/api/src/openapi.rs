//! `GET /openapi.json`: the document of every route there is, management routes and calls alike.
//!
//! The JSON under `openapi/` is written by hand, each route once and in short: `takes` is the
//! schema of a JSON request, `answers` that of a JSON answer. What follows from the table of routes
//! is added here: the form under `/projects/{projectId}`, what a route asks of its caller, and the
//! answer to whatever goes wrong.

use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::dispatch::Ask;
use crate::table::{Access, PREFIX};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query(&[])?;
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// The OpenAPI 3.1 document.
pub fn document() -> Value {
    let mut document = object(include_str!("../openapi/frame.json"));
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["components"]["schemas"] = object(include_str!("../openapi/schemas.json"));
    let providers: Vec<_> = byok_providers::registry().iter().map(|known| known.id()).collect();
    document["components"]["schemas"]["Provider"]["enum"] = providers.into();

    let management = object(include_str!("../openapi/management.json"));
    let mut paths = Map::new();
    for route in crate::routes::table().infos() {
        let plain = match route.path.strip_prefix(PREFIX) {
            Some(rest) if !rest.is_empty() => rest,
            _ => route.path.as_str(),
        };
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = management[plain][&method].clone();
        let open = route.access == Access::Open;
        add(&mut paths, &route.path, &method, complete(operation, plain, &route.path, open));
    }
    let mut calls = object(include_str!("../openapi/calls.json"));
    add_hosts(&mut calls);
    for (plain, methods) in calls.as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            for path in [plain.clone(), format!("{PREFIX}{plain}")] {
                let mut operation = complete(operation.clone(), plain, &path, false);
                if method == "post" {
                    add_parameter(&mut operation, "callKey");
                }
                add(&mut paths, &path, method, operation);
            }
        }
    }
    document["paths"] = Value::Object(paths);
    document
}

/// What the hosts that speak OpenAI's wire take under their own names, described as it is there.
fn add_hosts(calls: &mut Value) {
    let Some(calls) = calls.as_object_mut() else { return };
    for mount in byok_providers::registry().iter().map(|known| known.mount()) {
        if calls.keys().any(|path| path.starts_with(&format!("/{mount}/"))) {
            continue;
        }
        for name in ["chat/completions", "embeddings", "models"] {
            let mut methods = calls[&format!("/v1/{name}")].clone();
            for operation in methods.as_object_mut().into_iter().flat_map(Map::values_mut) {
                let id = operation["operationId"].as_str().unwrap_or_default();
                operation["operationId"] = format!("{mount}_{id}").into();
            }
            calls.insert(format!("/{mount}/{name}"), methods);
        }
    }
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).expect("a part of the document that a test has read")
}

fn add(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let methods = paths.entry(path).or_insert_with(|| json!({}));
    methods[method] = operation;
}

/// An operation as it is served under `path`, where `plain` is the path it is written under.
fn complete(mut operation: Value, plain: &str, path: &str, open: bool) -> Value {
    if path.contains("{projectId}") {
        add_parameter(&mut operation, "projectId");
    }
    let Some(members) = operation.as_object_mut() else { return operation };
    if path != plain
        && let Some(Value::String(id)) = members.get_mut("operationId")
    {
        id.push_str("InProject");
    }
    if let Some(schema) = members.remove("takes") {
        members.insert("requestBody".into(), json!({ "required": true, "content": of(&schema) }));
    }
    let answers = members.remove("answers");
    let responses = members.entry("responses").or_insert_with(|| json!({}));
    if let Some(schema) = answers {
        responses["200"] = json!({ "description": "Done.", "content": of(&schema) });
    }
    let refused = json!({ "$ref": "#/components/schemas/Error" });
    responses["default"] =
        json!({ "description": "Refused; the code says why.", "content": of(&refused) });
    let security = if open { json!([]) } else { json!([{ "token": [] }]) };
    members.insert("security".into(), security);
    operation
}

fn add_parameter(operation: &mut Value, name: &str) {
    let Some(members) = operation.as_object_mut() else { return };
    let parameters = members.entry("parameters").or_insert_with(|| json!([]));
    if let Some(list) = parameters.as_array_mut() {
        list.insert(0, json!({ "$ref": format!("#/components/parameters/{name}") }));
    }
}

fn of(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}
