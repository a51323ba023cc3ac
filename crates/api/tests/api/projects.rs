//! Projects and their tokens.

use serde_json::{Value, json};

use crate::rig::{ADMIN, Rig};

#[tokio::test]
async fn a_project_comes_with_two_keys_that_are_shown_once() {
    let rig = Rig::start().await;
    for (environment, infix) in [(None, "live"), (Some("live"), "live"), (Some("test"), "test")] {
        let body = json!({ "name": "My product", "environment": environment });
        let made = rig.send("POST", "/projects", Some(ADMIN), Some(body)).await.ok();
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        assert_eq!(made["name"], "My product");
        assert_eq!(made["createdAt"], "2027-01-15T08:00:00.000Z");
        assert!(text("id").starts_with("proj_"));
        assert!(text("secretKey").starts_with(&format!("byo_sk_{infix}_")));
        assert!(text("publishableKey").starts_with(&format!("byo_pk_{infix}_")));

        let path = format!("/projects/{}", text("id"));
        let shown = rig.send("GET", &path, Some(&text("secretKey")), None).await.ok();
        assert_eq!(
            shown,
            json!({
                "id": made["id"], "name": "My product", "environment": infix,
                "includeUsage": true, "clientGone": "cancel",
                "createdAt": made["createdAt"], "updatedAt": made["createdAt"],
            })
        );
        let keys = rig.send("GET", "/api-keys", Some(&text("secretKey")), None).await;
        assert!(!keys.text.contains(&text("secretKey")), "{}", keys.text);
        assert!(!keys.text.contains(&text("publishableKey")), "{}", keys.text);
    }
}

#[tokio::test]
async fn projects_are_listed_in_pages() {
    let rig = Rig::start().await;
    let listed = rig.send("GET", "/projects", Some(ADMIN), None).await.ok();
    let ids: Vec<_> = listed["data"].as_array().expect("rows").iter().map(|p| &p["id"]).collect();
    assert_eq!(listed["total"], 2);
    assert!(ids.contains(&&json!(rig.a.id)) && ids.contains(&&json!(rig.b.id)));
    let second = rig.send("GET", "/projects?limit=1&offset=1", Some(ADMIN), None).await.ok();
    assert_eq!((&second["data"][0]["id"], &second["total"]), (ids[1], &json!(2)));
}

#[tokio::test]
async fn a_project_is_renamed() {
    let rig = Rig::start().await;
    rig.clock.advance_millis(1_000);
    let renamed = rig.as_a("PATCH", &path(&rig, ""), Some(json!({ "name": "New" }))).await.ok();
    assert_eq!(renamed["name"], "New");
    assert_eq!(renamed["updatedAt"], "2027-01-15T08:00:01.000Z");
    assert_eq!(rig.as_a("GET", &path(&rig, ""), None).await.ok(), renamed);
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_every_mistake_in_them_is_named() {
    let rig = Rig::start().await;
    let patch = async |body: Value| rig.as_a("PATCH", &path(&rig, ""), Some(body)).await;
    let shown = async || {
        let project = rig.as_a("GET", &path(&rig, ""), None).await.ok();
        let of = |name: &str| project[name].clone();
        [of("name"), of("includeUsage"), of("clientGone")]
    };
    for (body, expected) in [
        (json!({ "clientGone": "drain" }), json!(["A", true, "drain"])),
        (json!({ "includeUsage": false, "name": null }), json!(["A", false, "drain"])),
        (json!({ "name": "B", "clientGone": "cancel" }), json!(["B", false, "cancel"])),
        (json!({ "includeUsage": true }), json!(["B", true, "cancel"])),
    ] {
        let changed = patch(body.clone()).await.ok();
        assert_eq!(json!(shown().await), expected, "{body}");
        assert_eq!(changed["clientGone"], expected[2], "{body}");
    }
    for (body, fields) in [
        (json!({ "includeUsage": "no", "clientGone": 1 }), vec!["includeUsage", "clientGone"]),
        (json!({ "clientGone": "Drain" }), vec!["clientGone"]),
        (json!({ "name": "", "clientGone": "drain" }), vec!["name"]),
        (json!({ "clientgone": "drain", "includeUsage": true }), vec!["clientgone"]),
        (json!({ "clientGone": null }), vec!["name"]),
    ] {
        assert_eq!(patch(body.clone()).await.invalid_fields(), fields, "{body}");
    }
    assert_eq!(json!(shown().await), json!(["B", true, "cancel"]));
    let query = format!("{}?action=project.updated&limit=1&offset=1", path(&rig, "/audit-logs"));
    let log = rig.as_a("GET", &query, None).await.ok();
    assert_eq!(log["total"], 4);
    assert_eq!(log["data"][0]["metadata"], json!({ "name": "B", "clientGone": "cancel" }));
}

#[tokio::test]
async fn names_are_one_line_and_nothing_else_is_taken() {
    let rig = Rig::start().await;
    for (body, fields) in [
        (json!({}), vec!["name"]),
        (json!({ "name": "" }), vec!["name"]),
        (json!({ "name": " " }), vec!["name"]),
        (json!({ "name": "a\nb" }), vec!["name"]),
        (json!({ "name": "x".repeat(101) }), vec!["name"]),
        (json!({ "name": 1 }), vec!["name"]),
        (json!({ "name": "x", "id": "proj_mine" }), vec!["id"]),
        (json!({ "name": "x", "balance": 5 }), vec!["balance"]),
    ] {
        let created = rig.send("POST", "/projects", Some(ADMIN), Some(body.clone())).await;
        assert_eq!(created.invalid_fields(), fields, "{body}");
        let renamed = rig.as_a("PATCH", &path(&rig, ""), Some(body.clone())).await;
        assert_eq!(renamed.invalid_fields(), fields, "{body}");
    }
    let body = json!({ "name": "x", "environment": "prod" });
    let refused = rig.send("POST", "/projects", Some(ADMIN), Some(body)).await;
    assert_eq!(refused.invalid_fields(), ["environment"]);
}

#[tokio::test]
async fn tokens_of_each_kind_are_made_and_work_as_such() {
    let rig = Rig::start().await;
    for (body, prefix, status) in [
        (json!({ "type": "secret", "name": "Server" }), "byo_sk_live_", 200),
        (json!({ "type": "publishable", "name": "Web" }), "byo_pk_live_", 403),
        (json!({ "type": "customer", "refId": "c9" }), "byo_ck_", 403),
    ] {
        let made = rig.as_a("POST", "/api-keys", Some(body.clone())).await.ok();
        let key = made["key"].as_str().expect("a key");
        assert!(key.starts_with(prefix), "{key}");
        let tail = &key[key.len() - 4..];
        let name = body.get("name").cloned().unwrap_or(json!("Customer key"));
        assert_eq!(
            made,
            json!({
                "id": made["id"], "type": body["type"], "name": name, "key": key,
                "hint": format!("…{tail}"), "refId": body.get("refId"), "expiresAt": null,
                "createdAt": "2027-01-15T08:00:00.000Z", "revokedAt": null,
            })
        );
        assert_eq!(rig.send("GET", "/keys", Some(key), None).await.status, status);
    }
    let listed = rig.as_a("GET", "/api-keys", None).await.ok();
    let kinds: Vec<_> = listed["data"].as_array().expect("rows").iter().collect();
    assert_eq!((listed["total"].as_u64(), kinds.len()), (Some(6), 6));
    assert!(kinds.iter().all(|row| row.get("key").is_none()));
}

#[tokio::test]
async fn a_token_is_revoked_at_once_and_for_good() {
    let rig = Rig::start().await;
    let body = json!({ "type": "secret", "name": "Spare" });
    let made = rig.as_a("POST", "/api-keys", Some(body)).await.ok();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    rig.send("GET", "/keys", Some(key), None).await.ok();
    let revoked = rig.as_a("DELETE", &format!("/api-keys/{id}"), None).await.ok();
    assert_eq!(revoked, json!({ "revoked": true }));
    rig.send("GET", "/keys", Some(key), None).await.refused(401, "unauthenticated");
    rig.as_a("DELETE", &format!("/api-keys/{id}"), None).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_token_stops_working_when_it_expires() {
    let rig = Rig::start().await;
    let body = json!({ "type": "secret", "name": "Day", "expiresAt": "2027-01-15T09:00:00Z" });
    let made = rig.as_a("POST", "/api-keys", Some(body)).await.ok();
    assert_eq!(made["expiresAt"], "2027-01-15T09:00:00.000Z");
    let key = made["key"].as_str().expect("a key");
    rig.clock.advance_millis(3_599_999);
    rig.send("GET", "/keys", Some(key), None).await.ok();
    rig.clock.advance_millis(1);
    rig.send("GET", "/keys", Some(key), None).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn what_a_token_cannot_be_is_named() {
    let rig = Rig::start().await;
    for (body, fields) in [
        (json!({}), vec!["type", "name"]),
        (json!({ "type": "admin", "name": "x" }), vec!["type"]),
        (json!({ "type": "secret" }), vec!["name"]),
        (json!({ "type": "secret", "name": "x", "refId": "c" }), vec!["refId"]),
        (json!({ "type": "secret", "name": "x", "projectId": "p" }), vec!["projectId"]),
        (json!({ "type": "secret", "name": "x", "expiresAt": "soon" }), vec!["expiresAt"]),
        (json!({ "type": "secret", "name": "x", "expiresAt": "2020-01-01" }), vec!["expiresAt"]),
    ] {
        let refused = rig.as_a("POST", "/api-keys", Some(body.clone())).await;
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    let nobody: Value = json!({ "type": "customer" });
    rig.as_a("POST", "/api-keys", Some(nobody)).await.refused(400, "missing_ref_id");
}

fn path(rig: &Rig, rest: &str) -> String {
    format!("/projects/{}{rest}", rig.a.id)
}
