//! Webhooks over HTTP: managed, tried out, delivered.

use std::sync::Arc;
use std::time::Duration;

use byok_net::{EgressPolicy, Timeouts, Upstream};
use byok_testkit::fake_provider::FakeProvider;
use byok_webhooks::{Courier, Limits, Worker};
use serde_json::{Value, json};

use crate::rig::{ADMIN, BAD_KEY, Rig};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

async fn make(rig: &Rig, body: Value) -> Value {
    rig.as_a("POST", "/webhooks", Some(body)).await.ok()
}

/// A worker on the rig's store and clock.
fn worker(rig: &Rig) -> Worker {
    let egress = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a range")]);
    let upstream = Upstream::new(egress.clone(), Timeouts::default()).expect("a way out");
    let courier = Courier::new(upstream, egress, rig.gateway.clone(), rig.gateway.clone());
    let limits = Limits { poll: Duration::from_millis(20), ..Limits::default() };
    let store = Arc::new(rig.store.clone());
    let runtime = tokio::runtime::Handle::current();
    Worker::start(store, courier, rig.gateway.clone(), limits, &runtime)
}

/// The deliveries of an endpoint once none is to come.
async fn settled(rig: &Rig, id: &str) -> Vec<Value> {
    for _ in 0..500 {
        let path = format!("/webhooks/{id}/deliveries");
        let data = rig.as_a("GET", &path, None).await.ok()["data"].take();
        let data = data.as_array().expect("a list").clone();
        if !data.is_empty() && data.iter().all(|d| d["status"] != "pending") {
            return data;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the deliveries of {id} do not end");
}

#[tokio::test]
async fn an_endpoint_is_made_changed_and_removed_and_its_secret_shown_once() {
    let rig = Rig::start().await;
    let body = json!({
        "url": "https://Example.com/hooks?token=1", "events": ["byok.*", "credits.low"],
        "description": "Pages us",
    });
    let made = make(&rig, body).await;
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    assert!(id.starts_with("wh_") && secret.starts_with("whsec_") && secret.len() == 50);
    assert_eq!(text(&made, "url"), "https://example.com/hooks?token=1");
    assert_eq!(made["events"], json!(["byok.*", "credits.low"]));
    assert_eq!((&made["enabled"], &made["disabledReason"]), (&json!(true), &Value::Null));

    let list = rig.as_a("GET", "/webhooks", None).await;
    assert!(!list.text.contains("whsec_"));
    assert_eq!((list.json()["total"].as_u64(), text(&list.json()["data"][0], "id")), (Some(1), id));

    let path = format!("/webhooks/{id}");
    let change = json!({ "events": ["*"], "enabled": false });
    let changed = rig.as_a("PATCH", &path, Some(change)).await.ok();
    assert_eq!((&changed["enabled"], text(&changed, "disabledReason")), (&json!(false), "request"));
    assert_eq!(text(&changed, "description"), "Pages us");
    let changed = rig.as_a("PATCH", &path, Some(json!({ "enabled": true }))).await.ok();
    assert_eq!((&changed["enabled"], &changed["disabledReason"]), (&json!(true), &Value::Null));

    let rotated = rig.as_a("POST", &format!("{path}/rotate-secret"), None).await.ok();
    assert_ne!(text(&rotated, "secret"), secret);
    assert!(rotated["previousSecretExpiresAt"].is_string());

    assert_eq!(rig.as_a("DELETE", &path, None).await.ok(), json!({ "deleted": true }));
    rig.as_a("PATCH", &path, Some(json!({ "enabled": true }))).await.refused(404, "not_found");
    let mut actions = Vec::new();
    for entry in rig.as_a("GET", "/audit-logs", None).await.ok()["data"].as_array().expect("a list")
    {
        if text(entry, "targetId") == id {
            actions.push(text(entry, "action").to_owned());
        }
    }
    actions.sort_unstable();
    let updated = "webhook.updated".to_owned();
    assert_eq!(
        actions,
        [
            "webhook.created".into(),
            "webhook.deleted".into(),
            updated.clone(),
            updated.clone(),
            updated
        ]
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let rig = Rig::start().await;
    for (body, fields) in [
        (json!({}), vec!["url"]),
        (json!({ "url": 7 }), vec!["url"]),
        (json!({ "url": "https://a.example", "events": "byok.*" }), vec!["events"]),
        (json!({ "url": "https://a.example", "events": [] }), vec!["events"]),
        (
            json!({ "url": "https://a.example", "events": ["byok.*", "x", 7] }),
            vec!["events[1]", "events[2]"],
        ),
        (json!({ "url": "https://a.example", "description": "a\nb" }), vec!["description"]),
        (json!({ "url": "https://a.example", "secret": "x" }), vec!["secret"]),
    ] {
        let refused = rig.as_a("POST", "/webhooks", Some(body)).await;
        assert_eq!(refused.invalid_fields(), fields);
    }
    let id = text(&make(&rig, json!({ "url": "https://a.example" })).await, "id").to_owned();
    let nothing = rig.as_a("PATCH", &format!("/webhooks/{id}"), Some(json!({}))).await;
    assert_eq!(nothing.invalid_fields(), ["url"]);
}

#[tokio::test]
async fn an_address_that_policy_forbids_is_not_saved() {
    let rig = Rig::start().await;
    let id = text(&make(&rig, json!({ "url": "https://a.example" })).await, "id").to_owned();
    for url in [
        "http://8.8.8.8/",
        "https://8.8.8.8:22/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://0xA9FEA9FE/",
        "http://169.254.169.254/latest/meta-data",
        "https://metadata.google.internal/",
        "https://user@a.example/",
        "https://a.example/#x",
        "ftp://a.example/",
        "a.example",
        "",
    ] {
        let refused = rig.as_a("POST", "/webhooks", Some(json!({ "url": url }))).await;
        assert_eq!(refused.refused(422, "egress_blocked")["errors"][0]["field"], "url", "{url}");
        let path = format!("/webhooks/{id}");
        let refused = rig.as_a("PATCH", &path, Some(json!({ "url": url }))).await;
        refused.refused(422, "egress_blocked");
    }
    assert_eq!(rig.as_a("GET", "/webhooks", None).await.ok()["total"], 1);
}

#[tokio::test]
async fn a_project_has_twenty_endpoints_and_then_one_has_to_go() {
    let rig = Rig::start().await;
    for n in 0..20 {
        make(&rig, json!({ "url": format!("http://127.0.0.1:9/{n}") })).await;
    }
    let body = json!({ "url": "http://127.0.0.1:9/20" });
    rig.as_a("POST", "/webhooks", Some(body.clone())).await.refused(409, "conflict");
    rig.send("POST", "/webhooks", Some(&rig.b.secret), Some(body)).await.ok();
}

#[tokio::test]
async fn a_test_is_delivered_at_once_and_its_outcome_told_without_a_word_of_the_answer() {
    let rig = Rig::start().await;
    let receiver = FakeProvider::start().expect("a receiver");
    let good = format!("http://{}/v1/models", receiver.address());
    // The stand-in answers a POST there with an error of its own, whose text must not come back.
    let made = make(&rig, json!({ "url": good, "events": ["credits.*"] })).await;
    let id = text(&made, "id");
    let path = format!("/webhooks/{id}/test");
    let tested = rig.as_a("POST", &path, None).await;
    let told = tested.ok();
    assert_eq!(told["delivered"], false);
    assert!(told["statusCode"].as_u64().is_some_and(|status| status >= 400), "{told}");
    assert_eq!(text(&told, "error"), "the endpoint answered with a status other than 2xx");
    let heard = receiver.requests();
    let request = heard.last().expect("a request");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!((text(&body, "event"), text(&body, "id")), ("webhook.test", text(&told, "eventId")));
    assert_eq!(text(&body, "projectId"), rig.a.id);
    let deliveries = settled(&rig, id).await;
    assert_eq!(text(&deliveries[0], "id"), text(&told, "deliveryId"));
    assert_eq!(deliveries[0]["attempts"].as_array().map(Vec::len), Some(1));

    let closed = make(&rig, json!({ "url": "http://127.0.0.1:9/" })).await;
    let path = format!("/webhooks/{}/test", text(&closed, "id"));
    let told = rig.as_a("POST", &path, None).await.ok();
    assert_eq!(
        (&told["statusCode"], text(&told, "error")),
        (&Value::Null, "the endpoint could not be reached")
    );
}

#[tokio::test]
async fn what_happens_to_keys_is_delivered_and_can_be_sent_again() {
    let rig = Rig::start().await;
    let receiver = Receiver::start();
    let made = make(&rig, json!({ "url": receiver.url(), "events": ["provider_key.*"] })).await;
    let id = text(&made, "id").to_owned();
    let worker = worker(&rig);
    rig.connect("customer_1").await;
    let owner = json!({ "provider": "openai", "refId": "customer_1" });
    rig.as_a("DELETE", "/keys/revoke", Some(owner)).await.ok();
    let deliveries = settled(&rig, &id).await;
    assert!(deliveries.iter().all(|d| d["status"] == "delivered"), "{deliveries:?}");
    let mut events: Vec<_> = deliveries.iter().map(|d| text(d, "event")).collect();
    events.sort_unstable();
    assert_eq!(events, ["provider_key.connected", "provider_key.revoked"]);

    let again = text(&deliveries[0], "id");
    let path = format!("/projects/{}/webhooks/deliveries/{again}/resend", rig.a.id);
    assert_eq!(rig.send("POST", &path, Some(ADMIN), None).await.ok()["status"], "pending");
    settled(&rig, &id).await;
    let path = format!("/webhooks/{id}/deliveries/{again}/resend");
    rig.as_a("POST", &path, None).await.ok();
    settled(&rig, &id).await;
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 4);
    let resent: Vec<_> =
        bodies.iter().filter(|body| body.contains(text(&deliveries[0], "eventId"))).collect();
    assert_eq!(resent.len(), 3, "the same event under the same id: {bodies:?}");
    assert!(resent.iter().all(|body| *body == resent[0]));
    worker.stop().await;
}

#[tokio::test]
async fn neither_database_nor_payload_nor_log_of_attempts_holds_a_secret() {
    let rig = Rig::start().await;
    let receiver = Receiver::start();
    let made = make(&rig, json!({ "url": receiver.url() })).await;
    let (id, secret) = (text(&made, "id"), text(&made, "secret").to_owned());
    let worker = worker(&rig);
    for key in [crate::rig::GOOD_KEY, BAD_KEY] {
        let body = json!({ "provider": "openai", "refId": "c", "providerKey": key });
        rig.as_a("POST", "/keys/connect", Some(body)).await.ok();
    }
    settled(&rig, id).await;
    worker.stop().await;
    let shown = rig.as_a("GET", &format!("/webhooks/{id}/deliveries"), None).await.text
        + &rig.as_a("GET", "/audit-logs", None).await.text
        + &receiver.everything();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(rig.folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            files.extend(std::fs::read(path).expect("readable"));
        }
    }
    let base64 = secret.trim_start_matches("whsec_");
    for canary in [secret.as_str(), base64, crate::rig::GOOD_KEY, BAD_KEY] {
        assert!(!shown.contains(canary), "{canary} was shown");
        let bytes = canary.as_bytes();
        assert!(!files.windows(bytes.len()).any(|w| w == bytes), "{canary} is in a file");
    }
    assert!(files.windows(id.len()).any(|w| w == id.as_bytes()), "the search finds what is there");
}

/// A receiver that takes everything.
struct Receiver {
    address: std::net::SocketAddr,
    heard: Arc<std::sync::Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    fn start() -> Self {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let own = Arc::clone(&heard);
        std::thread::spawn(move || {
            for wire in listener.incoming() {
                let Ok(mut wire) = wire else { return };
                let mut bytes = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(n @ 1..) = wire.read(&mut piece) {
                    bytes.extend_from_slice(&piece[..n]);
                    let text = String::from_utf8_lossy(&bytes);
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let lower = head.to_ascii_lowercase();
                    let length = lower.lines().find_map(|l| l.strip_prefix("content-length: "));
                    if body.len() >= length.and_then(|n| n.parse().ok()).unwrap_or(0) {
                        own.lock().expect("a lock").push((head.to_owned(), body.to_owned()));
                        break;
                    }
                }
                let answer = "HTTP/1.1 204 Fine\r\nconnection: close\r\n\r\n";
                let _ = wire.write_all(answer.as_bytes());
            }
        });
        Self { address, heard }
    }

    fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    fn bodies(&self) -> Vec<String> {
        self.heard.lock().expect("a lock").iter().map(|(_, body)| body.clone()).collect()
    }

    fn everything(&self) -> String {
        format!("{:?}", self.heard.lock().expect("a lock"))
    }
}
