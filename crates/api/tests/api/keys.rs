//! `POST /keys/check`, `POST /keys/validate`, `DELETE /keys/revoke`, `GET /keys`.

use serde_json::{Value, json};

use crate::rig::{BAD_KEY, GOOD_KEY, Rig};

fn owner(ref_id: &str) -> Value {
    json!({ "provider": "openai", "refId": ref_id })
}

#[tokio::test]
async fn a_check_tells_whether_a_key_is_there_and_no_more() {
    let rig = Rig::start().await;
    let check = async |ref_id| rig.as_a("POST", "/keys/check", Some(owner(ref_id))).await.ok();
    assert_eq!(check("customer_1").await, json!({ "connected": false, "status": null }));
    rig.connect("customer_1").await;
    assert_eq!(check("customer_1").await, json!({ "connected": true, "status": "valid" }));
    assert_eq!(check("customer_2").await, json!({ "connected": false, "status": null }));
}

#[tokio::test]
async fn a_key_is_validated_again_and_what_is_found_is_kept() {
    let rig = Rig::start().await;
    let id = rig.connect("customer_1").await["id"].clone();
    let validate =
        async || rig.as_a("POST", "/keys/validate", Some(owner("customer_1"))).await.ok();
    rig.clock.advance_millis(60_000);
    assert_eq!(
        validate().await,
        json!({
            "keyId": id, "valid": true, "status": "valid",
            "message": "The provider accepts the key.",
            "checkedAt": "2027-01-15T08:01:00.000Z",
        })
    );

    rig.provider.accept_only([BAD_KEY]);
    let rejected = validate().await;
    assert_eq!((&rejected["valid"], &rejected["status"]), (&json!(false), &json!("invalid")));
    let row = rig.as_a("GET", "/keys", None).await.ok()["data"][0].clone();
    assert_eq!((&row["status"], &row["isActive"]), (&json!("invalid"), &json!(false)));
    assert_eq!(row["lastError"], rejected["message"]);
    let audit = rig.as_a("GET", "/audit-logs?action=provider_key.invalidated", None).await.ok();
    assert_eq!((&audit["total"], &audit["data"][0]["targetId"]), (&json!(1), &id));

    rig.provider.accept_only([GOOD_KEY]);
    assert_eq!(validate().await["valid"], true);
    let row = rig.as_a("GET", "/keys", None).await.ok()["data"][0].clone();
    assert_eq!((&row["status"], &row["lastError"]), (&json!("valid"), &Value::Null));
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_does_not_change_what_it_said_before() {
    let rig = Rig::start().await;
    rig.connect("customer_1").await;
    rig.provider.behave();
    rig.provider.answer_at("/models", byok_testkit::fake_provider::Answer::overloaded());
    let answer = rig.as_a("POST", "/keys/validate", Some(owner("customer_1"))).await.ok();
    assert_eq!((&answer["valid"], &answer["status"]), (&json!(false), &json!("unverified")));
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["data"][0]["status"], "valid");
}

#[tokio::test]
async fn one_key_of_several_is_validated_by_its_id() {
    let rig = Rig::start().await;
    let mut ids = Vec::new();
    for (label, key) in [("good", GOOD_KEY), ("bad", BAD_KEY)] {
        let mut order = owner("customer_1");
        order["label"] = json!(label);
        order["providerKey"] = json!(key);
        ids.push(rig.as_a("POST", "/keys/connect", Some(order)).await.ok()["id"].clone());
        rig.clock.advance_millis(1);
    }
    for (id, valid) in [(&ids[0], true), (&ids[1], false)] {
        let mut which = owner("customer_1");
        which["keyId"] = id.clone();
        let answer = rig.as_a("POST", "/keys/validate", Some(which)).await.ok();
        assert_eq!((&answer["keyId"], &answer["valid"]), (id, &json!(valid)));
    }
    // Without an id: the one that calls would try first.
    let first = rig.as_a("POST", "/keys/validate", Some(owner("customer_1"))).await.ok();
    assert_eq!(first["keyId"], ids[0]);
    let mut other = owner("customer_2");
    rig.connect("customer_2").await;
    other["keyId"] = ids[0].clone();
    rig.as_a("POST", "/keys/validate", Some(other)).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_key_that_is_not_there_is_said_to_be_not_connected() {
    let rig = Rig::start().await;
    for (method, path) in [("POST", "/keys/validate"), ("DELETE", "/keys/revoke")] {
        let refused = rig.as_a(method, path, Some(owner("customer_1"))).await;
        let message = refused.refused(404, "key_not_connected")["message"].to_string();
        assert!(message.contains("/keys/connect"), "{message}");
    }
}

#[tokio::test]
async fn keys_are_revoked_one_by_one_or_all_at_once() {
    let rig = Rig::start().await;
    let mut ids = Vec::new();
    for label in ["one", "two", "three"] {
        let mut order = owner("customer_1");
        order["label"] = json!(label);
        order["providerKey"] = json!(GOOD_KEY);
        ids.push(rig.as_a("POST", "/keys/connect", Some(order)).await.ok()["id"].clone());
        rig.clock.advance_millis(1);
    }
    rig.connect("customer_2").await;
    let mut one = owner("customer_1");
    one["keyId"] = ids[1].clone();
    let revoked = rig.as_a("DELETE", "/keys/revoke", Some(one.clone())).await.ok();
    assert_eq!(revoked, json!({ "revoked": true }));
    let listed = rig.as_a("GET", "/keys?refId=customer_1", None).await.ok();
    let left: Vec<_> = listed["data"].as_array().expect("rows").iter().map(|r| &r["id"]).collect();
    assert_eq!(left, [&ids[0], &ids[2]]);
    rig.as_a("DELETE", "/keys/revoke", Some(one)).await.refused(404, "key_not_connected");

    rig.as_a("DELETE", "/keys/revoke", Some(owner("customer_1"))).await.ok();
    assert_eq!(rig.as_a("GET", "/keys?refId=customer_1", None).await.ok()["total"], 0);
    assert_eq!(rig.as_a("GET", "/keys?refId=customer_2", None).await.ok()["total"], 1);
}

#[tokio::test]
async fn the_list_has_everything_but_the_key() {
    let rig = Rig::start().await;
    let id = rig.connect("customer_1").await["id"].clone();
    let reply = rig.as_a("GET", "/keys", None).await;
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    assert_eq!(
        reply.ok(),
        json!({
            "data": [{
                "id": id, "provider": "openai", "refId": "customer_1", "label": null,
                "priority": 0, "keyHint": "…Zz9k", "isActive": true, "status": "valid",
                "lastError": null, "lastValidatedAt": "2027-01-15T08:00:00.000Z",
                "lastUsedAt": null, "totalRequests": 0, "totalTokens": 0, "providerConfig": {},
                "rateLimits": null, "rateLimitsAt": null,
                "createdAt": "2027-01-15T08:00:00.000Z", "updatedAt": "2027-01-15T08:00:00.000Z",
            }],
            "total": 1, "limit": 50, "offset": 0,
        })
    );
}

#[tokio::test]
async fn a_list_counts_the_calls_that_were_just_made() {
    let rig = Rig::start().await;
    let id = rig.connect("customer_1").await["id"].clone();
    let mut call = rig.call("customer_1");
    call.key = Some(byok_domain::ProviderKeyId::new(id.as_str().expect("an id")));
    rig.record(&call);
    let row = rig.as_a("GET", "/keys", None).await.ok()["data"][0].clone();
    assert_eq!((&row["totalRequests"], &row["totalTokens"]), (&json!(1), &json!(175)));
    assert_eq!(row["lastUsedAt"], "2027-01-15T08:00:00.000Z");
}

#[tokio::test]
async fn the_list_is_filtered_and_cut_into_pages() {
    let rig = Rig::start().await;
    for ref_id in ["c1", "c2", "c3"] {
        rig.connect(ref_id).await;
    }
    let mut bad = owner("c3");
    bad["label"] = json!("bad");
    bad["providerKey"] = json!(BAD_KEY);
    rig.as_a("POST", "/keys/connect", Some(bad)).await.ok();
    for (query, total, shown) in [
        ("", 4, 4),
        ("?refId=c3", 2, 2),
        ("?refId=c3&status=invalid", 1, 1),
        ("?status=unverified", 0, 0),
        ("?provider=openai&limit=3", 4, 3),
        ("?provider=anthropic", 0, 0),
        ("?limit=3&offset=3", 4, 1),
        ("?refId=c%25", 0, 0),
        ("?refId=c1'%20OR%20'1'='1", 0, 0),
    ] {
        let listed = rig.as_a("GET", &format!("/keys{query}"), None).await.ok();
        let rows = listed["data"].as_array().expect("rows").len();
        assert_eq!((&listed["total"], rows), (&json!(total), shown), "{query}");
    }
    for query in ["?status=broken", "?refId=", "?key=x", "?limit=501", "?refId=a&refId=b"] {
        let refused = rig.as_a("GET", &format!("/keys{query}"), None).await;
        refused.refused(400, "invalid_parameter");
    }
}
