//! What a publishable key may do, and what it must not.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::rig::{BAD_KEY, GOOD_KEY, Reply, Rig};

fn order(ref_id: &str, key: &str) -> Value {
    json!({ "provider": "openai", "refId": ref_id, "providerKey": key })
}

async fn public(rig: &Rig, path: &str, body: Value) -> Reply {
    rig.send("POST", path, Some(&rig.a.publishable), Some(body)).await
}

async fn from_origin(rig: &Rig, origins: &[&str], body: &Value) -> Reply {
    let mut request = Request::post("/keys/connect")
        .header("authorization", format!("Bearer {}", rig.a.publishable))
        .header("content-type", "application/json");
    for origin in origins {
        request = request.header("origin", *origin);
    }
    rig.raw(request.body(Body::from(body.to_string())).expect("a request")).await
}

#[tokio::test]
async fn it_creates_a_key_and_replaces_an_invalid_one() {
    let rig = Rig::start().await;
    let made = public(&rig, "/keys/connect", order("customer_1", BAD_KEY)).await.ok();
    assert_eq!((&made["status"], &made["updated"]), (&json!("invalid"), &json!(false)));
    let again = public(&rig, "/keys/connect", order("customer_1", GOOD_KEY)).await.ok();
    assert_eq!((&again["status"], &again["updated"]), (&json!("valid"), &json!(true)));
    assert_eq!(again["id"], made["id"]);
}

#[tokio::test]
async fn it_never_replaces_a_working_key_nor_learns_of_another() {
    let rig = Rig::start().await;
    let made = rig.connect("customer_1").await;
    rig.provider.take_requests();
    for key in [GOOD_KEY, BAD_KEY, "sk-stolen-key-that-nobody-may-test"] {
        public(&rig, "/keys/connect", order("customer_1", key)).await.refused(409, "key_exists");
    }
    assert!(rig.provider.take_requests().is_empty(), "a stolen key was tested");
    let listed = rig.as_a("GET", "/keys", None).await.ok();
    assert_eq!((&listed["total"], &listed["data"][0]["id"]), (&json!(1), &made["id"]));
    assert_eq!(listed["data"][0]["updatedAt"], listed["data"][0]["createdAt"]);
}

#[tokio::test]
async fn it_puts_no_key_beside_a_working_one_that_calls_might_take_first() {
    let rig = Rig::start().await;
    let mut labelled = order("customer_1", GOOD_KEY);
    labelled["label"] = json!("main");
    labelled["priority"] = json!(10);
    rig.as_a("POST", "/keys/connect", Some(labelled)).await.ok();
    let beside = public(&rig, "/keys/connect", order("customer_1", GOOD_KEY)).await;
    beside.refused(409, "key_exists");
    for (name, value) in [("label", json!("mine")), ("priority", json!(-1))] {
        let mut order = order("customer_2", GOOD_KEY);
        order[name] = value;
        public(&rig, "/keys/connect", order).await.refused(403, "forbidden");
    }
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["total"], 1);
}

#[tokio::test]
async fn of_many_that_race_for_a_customer_one_wins_and_stays() {
    let rig = Rig::start().await;
    let racers = (0..30).map(|_| public(&rig, "/keys/connect", order("customer_1", GOOD_KEY)));
    let replies = futures_util::future::join_all(racers).await;
    let won = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(won, 1);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.refused(409, "key_exists");
    }
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["total"], 1);
}

#[tokio::test]
async fn it_sets_no_address() {
    let rig = Rig::start().await;
    for with_key in [true, false] {
        let mut order = order("customer_1", GOOD_KEY);
        order["providerConfig"] = json!({ "baseUrl": rig.provider.base_url() });
        if !with_key {
            order.as_object_mut().expect("an object").remove("providerKey");
        }
        public(&rig, "/keys/connect", order).await.refused(403, "forbidden");
    }
    assert!(rig.provider.take_requests().is_empty());
}

#[tokio::test]
async fn its_origin_has_to_be_on_the_list() {
    let rig = Rig::start().await;
    let list = json!({ "allowedOrigins": ["https://app.example.com", "https://*.example.org"] });
    rig.as_a("PATCH", "/origins", Some(list)).await.ok();
    let body = order("customer_1", BAD_KEY);
    for origin in ["https://app.example.com", "https://a.example.org", "https://b.c.example.org"] {
        let reply = from_origin(&rig, &[origin], &body).await;
        reply.ok();
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert_eq!(reply.header("vary"), Some("origin"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    for origins in [
        vec![],
        vec!["null"],
        vec![""],
        vec!["https://app.example.com.evil"],
        vec!["https://evil-app.example.com"],
        vec!["http://app.example.com"],
        vec!["https://app.example.com:8443"],
        vec!["https://app.example.com/"],
        vec!["https://example.org"],
        vec!["https://evilexample.org"],
        vec!["https://app.example.com", "https://app.example.com"],
        vec!["https://app.example.com, https://evil.example"],
    ] {
        let reply = from_origin(&rig, &origins, &body).await;
        reply.refused(403, "origin_not_allowed");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origins:?}");
    }
    // A secret key comes from a server, which has no origin.
    rig.as_a("POST", "/keys/connect", Some(body)).await.ok();
}

#[tokio::test]
async fn an_empty_list_restricts_nothing() {
    let rig = Rig::start().await;
    let body = order("customer_1", BAD_KEY);
    from_origin(&rig, &[], &body).await.ok();
    let reply = from_origin(&rig, &["https://anything.example"], &body).await;
    reply.ok();
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://anything.example"));
}

#[tokio::test]
async fn a_check_looks_the_same_for_every_customer_without_a_key() {
    let rig = Rig::start().await;
    rig.record(&rig.call("customer_with_calls"));
    let mut answers = Vec::new();
    for ref_id in ["customer_with_calls", "customer_never_seen"] {
        let body = json!({ "provider": "openai", "refId": ref_id });
        answers.push(public(&rig, "/keys/check", body).await.ok());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], json!({ "connected": false, "status": null }));
}
