//! `GET /audit-logs`.

use serde_json::{Value, json};

use crate::rig::{ADMIN, GOOD_KEY, Rig};

async fn actions(rig: &Rig, query: &str) -> Vec<Value> {
    let path = format!("/projects/{}/audit-logs{query}", rig.a.id);
    let listed = rig.send("GET", &path, Some(ADMIN), None).await.ok();
    let rows = listed["data"].as_array().expect("rows").clone();
    assert_eq!(listed["total"].as_u64(), Some(rows.len() as u64));
    rows
}

#[tokio::test]
async fn every_change_is_written_with_who_made_it_and_from_where() {
    let rig = Rig::start().await;
    rig.connect("customer_1").await;
    rig.connect("customer_1").await;
    let owner = json!({ "provider": "openai", "refId": "customer_1" });
    rig.as_a("DELETE", "/keys/revoke", Some(owner)).await.ok();
    let prices = json!({ "overrides": { "openai": { "m": { "input": 1, "output": 1 } } } });
    rig.as_a("PATCH", "/pricing", Some(prices)).await.ok();
    rig.as_a("DELETE", "/pricing", None).await.ok();
    rig.as_a("PATCH", "/origins", Some(json!({ "allowedOrigins": [] }))).await.ok();
    let path = format!("/projects/{}", rig.a.id);
    rig.send("PATCH", &path, Some(ADMIN), Some(json!({ "name": "N" }))).await.ok();
    let made = rig.as_a("POST", "/api-keys", Some(json!({ "type": "secret", "name": "x" }))).await;
    let id = made.ok()["id"].as_str().expect("an id").to_owned();
    rig.as_a("DELETE", &format!("/api-keys/{id}"), None).await.ok();

    let rows = actions(&rig, "").await;
    let written: Vec<_> =
        rows.iter().rev().map(|row| row["action"].as_str().expect("one")).collect();
    assert_eq!(
        written,
        [
            "project.created",
            "api_key.created",
            "api_key.created",
            "api_key.created",
            "provider_key.connected",
            "provider_key.updated",
            "provider_key.revoked",
            "pricing.updated",
            "pricing.cleared",
            "origins.updated",
            "project.updated",
            "api_key.created",
            "api_key.revoked",
        ]
    );
    let of = |action: &str| rows.iter().find(|row| row["action"] == action).expect("a row").clone();
    let connected = of("provider_key.connected");
    assert_eq!(connected["actorType"], "api_key");
    assert!(connected["actorId"].as_str().expect("an id").starts_with("key_"));
    assert_eq!(connected["ip"], "198.51.100.7");
    assert_eq!(connected["targetType"], "provider_key");
    assert_eq!(connected["metadata"]["refId"], "customer_1");
    assert_eq!(connected["projectId"], rig.a.id);
    let updated = of("project.updated");
    assert_eq!((&updated["actorType"], &updated["actorId"]), (&json!("user"), &json!("admin")));
    for pair in rows.windows(2) {
        assert!(pair[0]["hash"].as_str().is_some_and(|hash| hash.len() == 64));
    }
    let all = Value::Array(rows.clone()).to_string();
    assert!(!all.contains(GOOD_KEY) && !all.contains("byo_sk_"), "{all}");
}

#[tokio::test]
async fn the_log_is_filtered_and_only_the_projects_own() {
    let rig = Rig::start().await;
    rig.clock.advance_millis(60_000);
    rig.connect("customer_1").await;
    for (query, expected) in [
        ("?action=provider_key.connected", 1),
        ("?action=project.created", 1),
        ("?action=api_key.created", 3),
        ("?actorType=api_key", 1),
        ("?actorType=user", 4),
        ("?actorType=system", 0),
        ("?since=2027-01-15T08:00:30Z", 1),
        ("?until=2027-01-15T08:00:30Z", 4),
    ] {
        assert_eq!(actions(&rig, query).await.len(), expected, "{query}");
    }
    let own = rig.send("GET", "/audit-logs", Some(&rig.b.secret), None).await;
    assert!(!own.text.contains(&rig.a.id));
    assert_eq!(own.ok()["total"], 4);
    for query in ["?action=project.exploded", "?actorType=robot", "?limit=0", "?who=me"] {
        let refused = rig.as_a("GET", &format!("/audit-logs{query}"), None).await;
        refused.refused(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn the_operator_who_names_no_project_sees_the_whole_installation() {
    let rig = Rig::start().await;
    let (actor, at) = (byok_domain::audit::Actor::cli(), byok_gateway::Ambient::now(&rig.clock));
    rig.store.record_rotation("kid_1", 3, &byok_store::By::new(actor, at)).await.expect("written");
    let list = async |query: &str| {
        rig.send("GET", &format!("/audit-logs{query}"), Some(ADMIN), None).await.ok()
    };
    let all = list("").await;
    assert_eq!(all["total"], 9);
    let of = |id: &Value| {
        let rows = all["data"].as_array().expect("rows").iter();
        rows.filter(|row| row["projectId"] == *id).count()
    };
    assert_eq!((of(&json!(rig.a.id)), of(&json!(rig.b.id)), of(&Value::Null)), (4, 4, 1));
    let newest = list("?limit=1").await;
    assert_eq!(
        (&newest["data"][0]["action"], &newest["total"]),
        (&json!("keyring.rotated"), &json!(9))
    );
    assert_eq!(list("?action=project.created").await["total"], 2);
    let refused = rig.send("GET", "/audit-logs?who=me", Some(ADMIN), None).await;
    refused.refused(400, "invalid_parameter");
    rig.send("GET", "/audit-logs", Some(&rig.a.customer), None).await.refused(403, "forbidden");
    // A secret key means its own project, and no other.
    assert_eq!(rig.as_a("GET", "/audit-logs", None).await.ok()["total"], 4);
}
