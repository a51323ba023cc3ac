//! Holds answers against the API document: the part of JSON Schema that the document uses, read
//! strictly, so that a member nobody documented is an error too.

use std::sync::LazyLock;

use http::Method;
use serde_json::Value;

use crate::rig::Reply;

static DOCUMENT: LazyLock<Value> = LazyLock::new(byok_api::document);

/// Fails unless the document describes this answer of this route.
pub(crate) fn check(method: &Method, path: &str, reply: &Reply) {
    let error = &DOCUMENT["components"]["schemas"]["Error"];
    let Some(operation) = operation(method, path) else {
        return matches(error, &reply.json(), "the refusal of a path without a route");
    };
    let status = reply.status.to_string();
    let answer = operation["responses"].get(&status).unwrap_or(&operation["responses"]["default"]);
    let content_type = reply.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    let schema = answer["content"]
        .get(essence)
        .unwrap_or_else(|| panic!("{method} {path} answers {status} as {content_type}"));
    if essence == "application/json" {
        matches(&schema["schema"], &reply.json(), &format!("{method} {path} {status}"));
    }
}

/// The operation of the document that a request belongs to; static paths come first.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object()?;
    let mut fitting: Vec<_> = paths.iter().filter(|(pattern, _)| fits(pattern, path)).collect();
    fitting.sort_by_key(|(pattern, _)| pattern.matches('{').count());
    fitting.first()?.1.get(method.as_str().to_ascii_lowercase())
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(wanted, found)| {
            wanted == found || (wanted.starts_with('{') && !found.is_empty())
        })
}

/// Fails unless `value` is what `schema` says.
fn matches(schema: &Value, value: &Value, at: &str) {
    if let Err(why) = holds(schema, value) {
        panic!("{at}: {why}\nin {value}");
    }
    if let Err(why) = known(schema, value) {
        panic!("{at}: {why}\nin {value}");
    }
}

fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(reference) => DOCUMENT
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => schema,
    }
}

fn holds(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        holds(part, value)?;
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[word].as_array() {
            let fitting = parts.iter().filter(|part| holds(part, value).is_ok()).count();
            if fitting == 0 || (word == "oneOf" && fitting > 1) {
                return Err(format!("{fitting} alternatives fit {value}"));
            }
        }
    }
    if let Some(wanted) = schema.get("const") {
        return if wanted == value { Ok(()) } else { Err(format!("{value} is not {wanted}")) };
    }
    if let Some(wanted) = schema["enum"].as_array()
        && !wanted.contains(value)
    {
        return Err(format!("{value} is none of {wanted:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let is = |name: &&str| match *name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document names a type {other}"),
    };
    if !types.iter().any(is) {
        return Err(format!("{value} is none of {types:?}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !object.contains_key(name) {
                return Err(format!("{name} is missing"));
            }
        }
        for (name, member) in object {
            let inner =
                schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            if let Some(inner @ Value::Object(_)) = inner {
                holds(inner, member).map_err(|why| format!("{name}: {why}"))?;
            }
        }
    }
    for element in value.as_array().into_iter().flatten() {
        if let Some(items) = schema.get("items") {
            holds(items, element)?;
        }
    }
    Ok(())
}

/// Fails on a member that the schema, with all its parts, does not name.
fn known(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(schema);
    match value {
        Value::Object(object) => {
            let parts: Vec<&Value> = parts(schema);
            let open = parts.iter().any(|part| part.get("additionalProperties").is_some())
                || parts.iter().all(|part| part.get("properties").is_none());
            for (name, member) in object {
                match parts.iter().find_map(|part| part["properties"].get(name)) {
                    Some(inner) => known(inner, member).map_err(|why| format!("{name}: {why}"))?,
                    None if open => {}
                    None => return Err(format!("{name} is not documented")),
                }
            }
            Ok(())
        }
        Value::Array(elements) => match schema.get("items") {
            Some(items) => elements.iter().try_for_each(|element| known(items, element)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A schema and the parts it is made of.
fn parts(schema: &Value) -> Vec<&Value> {
    let inner =
        schema["allOf"].as_array().into_iter().flatten().flat_map(|part| parts(resolve(part)));
    std::iter::once(schema).chain(inner).collect()
}
