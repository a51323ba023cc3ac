//! Customers over HTTP.

use serde_json::json;

use crate::rig::{ADMIN, GOOD_KEY, Rig};

#[tokio::test]
async fn a_customer_is_put_on_a_tier_and_kept_things_with() {
    let rig = Rig::start().await;
    rig.as_a("GET", "/customers/org%2F7", None).await.refused(404, "not_found");
    let body = json!({ "tier": "free", "email": "jane@example.com", "metadata": { "seats": 3 } });
    let made = rig.as_a("PATCH", "/customers/org%2F7", Some(body)).await.ok();
    assert_eq!((&made["refId"], &made["tier"]), (&json!("org/7"), &json!("free")));
    assert_eq!(made["byokAllowed"], false);
    let path = format!("/projects/{}/customers/org%2F7", rig.a.id);
    assert_eq!(rig.send("GET", &path, Some(ADMIN), None).await.ok(), made);
    let body = json!({ "tier": null, "email": null });
    let bare = rig.as_a("PATCH", "/customers/org%2F7", Some(body)).await.ok();
    assert_eq!((&bare["tier"], &bare["email"]), (&json!("premium"), &json!(null)));
    assert_eq!(bare["metadata"], json!({ "seats": 3 }));
    let listed = rig.as_a("GET", "/customers?tier=premium", None).await.ok();
    assert_eq!((&listed["total"], &listed["data"][0]), (&json!(1), &bare));
    assert_eq!(rig.as_a("GET", "/customers?tier=free", None).await.ok()["total"], 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named_field_by_field() {
    let rig = Rig::start().await;
    for (body, fields) in [
        (json!({}), vec!["tier"]),
        (json!({ "tier": "platinum" }), vec!["tier"]),
        (json!({ "tier": 7, "email": "jane", "metadata": [] }), vec!["tier", "email", "metadata"]),
        (json!({ "email": "a b@example.com" }), vec!["email"]),
        (json!({ "metadata": { "long": "x".repeat(17_000) } }), vec!["metadata"]),
        (json!({ "balance": 5 }), vec!["tier", "balance"]),
    ] {
        let reply = rig.as_a("PATCH", "/customers/c", Some(body.clone())).await;
        let named = reply.invalid_fields();
        assert!(fields.iter().all(|field| named.contains(&(*field).into())), "{body}: {named:?}");
    }
    let reply = rig.as_a("PATCH", "/customers/%20c", Some(json!({ "tier": "free" }))).await;
    reply.refused(400, "invalid_ref_id");
    rig.as_a("GET", "/customers/c", None).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_erased_customer_cannot_be_found_by_anything_and_its_token_opens_nothing() {
    let rig = Rig::start().await;
    rig.connect("customer_1").await;
    rig.record(&rig.call("customer_1"));
    rig.as_a("POST", "/customers/customer_1/credits", Some(json!({ "amount": 9 }))).await.ok();
    // Used before, so that it lies in the cache.
    rig.send("GET", "/usage", Some(&rig.a.customer), None).await.refused(403, "forbidden");
    let before = rig.as_a("GET", "/usage?refId=customer_1", None).await.ok();
    assert_eq!(before["totals"]["requests"], 1);
    let gone = rig.as_a("DELETE", "/customers/customer_1", None).await.ok();
    assert_eq!(gone, json!({ "erased": true, "providerKeys": 1, "apiKeys": 1 }));
    rig.as_a("DELETE", "/customers/customer_1", None).await.refused(404, "not_found");
    rig.as_a("GET", "/customers/customer_1", None).await.refused(404, "not_found");
    assert_eq!(rig.as_a("GET", "/keys?refId=customer_1", None).await.ok()["total"], 0);
    assert_eq!(rig.as_a("GET", "/logs?refId=customer_1", None).await.ok()["total"], 0);
    let usage = rig.as_a("GET", "/usage", None).await.ok();
    assert_eq!(usage["totals"]["requests"], 1, "what was used stays");
    assert!(usage["byRefId"][0]["refId"].as_str().is_some_and(|id| id.starts_with("erased_")));
    let reply = rig.send("GET", "/usage", Some(&rig.a.customer), None).await;
    reply.refused(401, "unauthenticated");
    let audit = rig.as_a("GET", "/audit-logs?action=customer.erased", None).await.ok();
    assert_eq!(audit["total"], 1);
    assert!(!audit.to_string().contains(GOOD_KEY));
}
