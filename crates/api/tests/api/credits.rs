//! Granting and refunding credits, and what is told of them.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::rig::{Reply, Rig};

async fn grant(rig: &Rig, key: Option<&str>, body: &Value) -> Reply {
    let mut request = Request::post("/customers/customer_1/credits")
        .header("authorization", format!("Bearer {}", rig.a.secret))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    rig.raw(request.body(Body::from(body.to_string())).expect("a request")).await
}

#[tokio::test]
async fn a_grant_is_given_once_for_its_key_and_answered_alike() {
    let rig = Rig::start().await;
    let path = "/customers/customer_1/credits";
    let none = json!({ "balance": 0, "held": 0, "available": 0 });
    assert_eq!(rig.as_a("GET", path, None).await.ok(), none);
    let body = json!({ "amount": 5000, "reason": "top-up" });
    let first = grant(&rig, Some("one"), &body).await.ok();
    assert_eq!((&first["balance"], &first["available"]), (&json!(5000), &json!(5000)));
    assert_eq!(first["transaction"]["reason"], "top-up");
    grant(&rig, Some("two"), &json!({ "amount": 1 })).await.ok();
    assert_eq!(grant(&rig, Some("one"), &body).await.ok(), first);
    let other = json!({ "amount": 5001, "reason": "top-up" });
    grant(&rig, Some("one"), &other).await.refused(409, "conflict");
    let has = json!({ "balance": 5001, "held": 0, "available": 5001 });
    assert_eq!(rig.as_a("GET", path, None).await.ok(), has);
    let listed = rig.as_a("GET", &format!("{path}/transactions"), None).await.ok();
    assert_eq!(listed["total"], 2);
    let sum: i64 = listed["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["amount"].as_i64())
        .sum();
    assert_eq!(sum, 5001, "the balance is the sum of its entries");
    let audit = rig.as_a("GET", "/audit-logs?action=credits.granted", None).await.ok();
    assert_eq!(audit["total"], 2);
}

#[tokio::test]
async fn a_grant_needs_a_key_and_an_amount_that_makes_sense() {
    let rig = Rig::start().await;
    let body = json!({ "amount": 5 });
    for key in [None, Some(""), Some("x".repeat(256).as_str())] {
        grant(&rig, key, &body).await.refused(400, "invalid_parameter");
    }
    for (amount, sound) in [
        (json!(0), false),
        (json!(-5), false),
        (json!(1.5), false),
        (json!("5"), false),
        (json!(1_000_000_000_001_u64), false),
        (json!(1_000_000_000_000_u64), true),
        (Value::Null, false),
    ] {
        let reply = grant(&rig, Some("k"), &json!({ "amount": amount })).await;
        if sound {
            reply.ok();
        } else {
            assert_eq!(reply.invalid_fields(), ["amount"], "{amount}");
        }
    }
    let unknown = grant(&rig, Some("k2"), &json!({ "amount": 1, "balance": 9 })).await;
    assert_eq!(unknown.invalid_fields(), ["balance"]);
}
