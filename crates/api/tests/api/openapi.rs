//! The API document against the routes there are.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::Rig;

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().expect("methods").keys();
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

/// Whether a path belongs to the routes of calls, which are not in the table.
fn is_call(path: &str) -> bool {
    byok_api::calls::CallPath::parse(path).is_some()
}

#[tokio::test]
async fn the_document_is_served_to_anyone() {
    let rig = Rig::start().await;
    let served = rig.send("GET", "/openapi.json", None, None).await.ok();
    assert_eq!(served, byok_api::document());
    assert_eq!(served["openapi"], "3.1.0");
}

#[test]
fn every_route_is_documented_and_every_documented_route_is_there() {
    let document = byok_api::document();
    let (calls, management): (BTreeSet<_>, BTreeSet<_>) =
        operations(&document).into_iter().partition(|(_, path)| is_call(path));
    let routes: BTreeSet<_> = byok_api::routes()
        .into_iter()
        .map(|route| (route.method.to_string(), route.path))
        .collect();
    assert_eq!(management, routes);
    for (method, path) in &calls {
        let concrete = path.replace("{projectId}", "proj_1").replace("{id}", "x_1");
        let parsed = byok_api::calls::CallPath::parse(&concrete);
        let parsed = parsed.unwrap_or_else(|| panic!("{path} is no path of a call"));
        let method = method.parse().expect("a method");
        let known = match parsed.kind {
            byok_api::calls::Kind::DropIn => {
                let before = concrete.strip_suffix(parsed.rest()).expect("the end of the path");
                let mount = before.trim_end_matches('/').rsplit('/').next().expect("a segment");
                let provider = byok_providers::mounted(mount).expect("a provider");
                provider.drop_in(&method, parsed.rest()).known
            }
            byok_api::calls::Kind::Envelope => {
                let (provider, operation) = parsed.rest().split_once('/').expect("a provider");
                byok_providers::find(provider).expect("a provider").envelope(operation).is_some()
            }
        };
        assert!(known, "{method} {path} is documented and not known");
    }
    assert!(calls.len() > 60, "{}", calls.len());
}

#[test]
fn a_part_of_the_document_that_nothing_uses_is_not_kept() {
    let written: Value = serde_json::from_str(include_str!("../../openapi/management.json"))
        .expect("a part of the document");
    let served = operations(&byok_api::document());
    for (path, methods) in written.as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            assert!(served.contains(&(method.to_uppercase(), path.clone())), "{method} {path}");
        }
    }
    let document = byok_api::document();
    let text = document.to_string();
    for kind in ["schemas", "parameters"] {
        for name in document["components"][kind].as_object().expect("components").keys() {
            let reference = format!("\"#/components/{kind}/{name}\"");
            assert!(text.contains(&reference), "nothing refers to {kind}/{name}");
        }
    }
}

#[test]
fn references_lead_somewhere_and_ids_are_unique() {
    let document = byok_api::document();
    let mut references = Vec::new();
    collect(&document, "$ref", &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
    let mut ids = Vec::new();
    collect(&document["paths"], "operationId", &mut ids);
    assert_eq!(ids.len(), operations(&document).len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn every_parameter_of_a_path_is_declared() {
    let document = byok_api::document();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let declared = operation["parameters"].to_string();
            for (name, parameter) in [
                ("projectId", "projectId"),
                ("id", "id"),
                ("deliveryId", "deliveryId"),
                ("provider", "providerInPath"),
                ("refId", "refIdInPath"),
            ] {
                let used = path.contains(&format!("{{{name}}}"));
                let declares = declared.contains(&format!("parameters/{parameter}\""));
                assert_eq!(used, declares, "{method} {path} {name}");
            }
        }
    }
}

fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (member, inner) in members {
                match inner {
                    Value::String(text) if member == name => found.push(text.clone()),
                    _ => collect(inner, name, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, name, found)),
        _ => {}
    }
}
