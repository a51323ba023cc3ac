//! Routing and tiers over HTTP.

use serde_json::{Value, json};

use crate::rig::Rig;

#[tokio::test]
async fn routing_begins_at_its_defaults_and_keeps_what_a_change_does_not_name() {
    let rig = Rig::start().await;
    let path = format!("/projects/{}/routing", rig.a.id);
    let default = json!({
        "byokEnabled": true, "mode": "byok_first",
        "fallbackOn": ["key_rejected", "quota_exhausted", "provider_down"],
        "creditRate": { "creditsPerUsd": 10000, "markup": 1 }, "creditsLow": 1000,
    });
    assert_eq!(rig.as_a("GET", &path, None).await.ok(), default);
    let change = json!({ "mode": "byok_only", "creditRate": { "markup": 1.25 } });
    let changed = rig.as_a("PATCH", "/routing", Some(change)).await.ok();
    assert_eq!(changed["mode"], "byok_only");
    assert_eq!(changed["creditRate"], json!({ "creditsPerUsd": 10000, "markup": 1.25 }));
    let change = json!({ "fallbackOn": [], "byokEnabled": false });
    let changed = rig.as_a("PATCH", &path, Some(change)).await.ok();
    assert_eq!((&changed["mode"], &changed["fallbackOn"]), (&json!("byok_only"), &json!([])));
    assert_eq!(rig.as_a("GET", "/routing", None).await.ok(), changed);
    let project = byok_domain::ProjectId::new(rig.a.id.as_str());
    let seen = rig.gateway.project(&project).await.expect("it reads").expect("it is there");
    assert!(!seen.routing.byok_enabled, "calls see it at once");
    let audit = rig.as_a("GET", "/audit-logs?action=routing.updated", None).await.ok();
    assert_eq!(audit["total"], 2);
}

#[tokio::test]
async fn what_is_no_routing_is_named_field_by_field_and_changes_nothing() {
    let rig = Rig::start().await;
    let before = rig.as_a("GET", "/routing", None).await.ok();
    for (body, fields) in [
        (json!({}), vec!["mode"]),
        (json!({ "mode": "cheapest" }), vec!["mode"]),
        (json!({ "byokEnabled": "yes", "mode": 1 }), vec!["byokEnabled", "mode"]),
        (json!({ "fallbackOn": ["no_key", 7] }), vec!["fallbackOn[0]", "fallbackOn[1]"]),
        (json!({ "fallbackOn": "all" }), vec!["fallbackOn"]),
        (json!({ "creditRate": 5 }), vec!["creditRate"]),
        (
            json!({ "creditRate": { "creditsPerUsd": 0, "markup": -1, "fee": 1 } }),
            vec!["creditRate.creditsPerUsd", "creditRate.markup", "creditRate.fee"],
        ),
        (json!({ "creditRate": { "markup": 1e30 } }), vec!["creditRate.markup"]),
        (json!({ "creditsLow": -1 }), vec!["creditsLow"]),
    ] {
        let refused = rig.as_a("PATCH", "/routing", Some(body.clone())).await;
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    assert_eq!(rig.as_a("GET", "/routing", None).await.ok(), before);
}

fn gold() -> Value {
    json!({
        "name": "gold", "byokAllowed": true, "requestsPerMinute": 7, "tokensPerDay": null,
        "concurrentRequests": 2, "default": true,
    })
}

#[tokio::test]
async fn tiers_are_replaced_as_a_whole_and_an_empty_list_brings_the_built_in_ones_back() {
    let rig = Rig::start().await;
    let built_in = rig.as_a("GET", "/tiers", None).await.ok();
    let names = |tiers: &Value| {
        let names = tiers.as_array().expect("a list").iter().map(|tier| tier["name"].clone());
        Value::from(names.collect::<Vec<_>>())
    };
    assert_eq!(names(&built_in), json!(["free", "premium", "lifetime"]));
    let path = format!("/projects/{}/tiers", rig.a.id);
    assert_eq!(rig.as_a("PUT", &path, Some(json!([gold()]))).await.ok(), json!([gold()]));
    assert_eq!(rig.as_a("GET", "/tiers", None).await.ok(), json!([gold()]));
    rig.as_a("PATCH", "/customers/c", Some(json!({ "tier": "gold" }))).await.ok();
    let stranding = rig.as_a("PUT", "/tiers", Some(json!([]))).await;
    assert_eq!(stranding.invalid_fields(), ["tiers"]);
    rig.as_a("PATCH", "/customers/c", Some(json!({ "tier": null }))).await.ok();
    assert_eq!(rig.as_a("PUT", "/tiers", Some(json!({ "tiers": [] }))).await.ok(), built_in);
}

#[tokio::test]
async fn what_is_no_tier_is_named_by_its_place() {
    let rig = Rig::start().await;
    for (body, fields) in [
        (json!("gold"), vec!["tiers"]),
        (json!({ "gold": [] }), vec!["tiers"]),
        (json!([7]), vec!["tiers[0]"]),
        (json!([{}]), vec!["tiers[0].byokAllowed", "tiers[0].name"]),
        (json!([gold(), gold()]), vec!["tiers[1].name", "tiers"]),
        (
            json!([{ "name": "a", "byokAllowed": true, "requestsPerMinute": -1, "speed": 1 }]),
            vec!["tiers[0].requestsPerMinute", "tiers[0].speed"],
        ),
        (
            json!([{ "name": "a", "byokAllowed": true, "tokensPerDay": 1e18 }]),
            vec!["tiers[0].tokensPerDay"],
        ),
        (
            json!([{ "name": "a", "byokAllowed": true, "concurrentRequests": 0 }]),
            vec!["tiers[0].concurrentRequests"],
        ),
    ] {
        let refused = rig.as_a("PUT", "/tiers", Some(body.clone())).await;
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
}
