//! No secret is anywhere it was not put: not in an answer, not in a file.

use std::path::Path;

use byok_testkit::fake_provider::{Answer, echoing_authorization};
use serde_json::json;

use crate::rig::{ADMIN, BAD_KEY, GOOD_KEY, Rig};

/// Of temporary credentials at Bedrock: the half that is no secret, and the other.
const SESSION_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SESSION_TOKEN: &str = "FwoGZXIvYXdzEcanaryBgaDHn6q3Tz8r0XVbN2LkPq==";

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
    found
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn no_file_holds_a_provider_key_or_a_token_in_the_clear() {
    let rig = Rig::start().await;
    rig.connect("customer_1").await;
    let bad = json!({ "provider": "openai", "refId": "customer_2", "providerKey": BAD_KEY });
    rig.as_a("POST", "/keys/connect", Some(bad)).await.ok();
    let owner = json!({ "provider": "openai", "refId": "customer_1" });
    rig.as_a("POST", "/keys/validate", Some(owner)).await.ok();
    rig.as_a("GET", "/usage", None).await.ok();
    let config =
        json!({ "region": "eu-west-1", "accessKeyId": SESSION_ID, "sessionToken": SESSION_TOKEN });
    rig.connect_at("bedrock", "customer_3", config).await;
    let held = files(rig.folder.path());
    assert!(
        held.iter().any(|(_, bytes)| contains(bytes, b"customer_1")),
        "the search finds nothing"
    );
    assert!(held.iter().any(|(_, bytes)| contains(bytes, SESSION_ID.as_bytes())), "it is kept");
    let ours = [ADMIN, &rig.a.secret, &rig.a.publishable, &rig.a.customer];
    let secrets = ours.into_iter().chain([GOOD_KEY, BAD_KEY, SESSION_TOKEN]);
    for secret in secrets {
        for (name, bytes) in &held {
            assert!(!contains(bytes, secret.as_bytes()), "{name}");
            assert!(!contains(bytes, hex(secret).as_bytes()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_key_that_the_provider_echoes_is_not_handed_on() {
    let rig = Rig::start().await;
    rig.provider.behave();
    rig.provider.answer_with("", echoing_authorization);
    let order = json!({ "provider": "openai", "refId": "customer_1", "providerKey": GOOD_KEY });
    let reply = rig.as_a("POST", "/keys/connect", Some(order)).await;
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    let reply = rig.as_a("GET", "/keys", None).await;
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    let config =
        json!({ "region": "eu-west-1", "accessKeyId": SESSION_ID, "sessionToken": SESSION_TOKEN });
    let body = json!({ "message": SESSION_TOKEN });
    rig.provider.answer_next(Answer::json(403, &body));
    let told = rig.connect_at("bedrock", "customer_2", config).await;
    assert!(!told.to_string().contains("canary"), "{told}");
    rig.provider.answer_next(Answer::json(403, &body));
    let path = "/bedrock/model/amazon.nova-lite-v1%3A0/converse";
    let reply = rig.dropped_in(path, "customer_2", &json!({ "messages": [] })).await;
    assert_eq!(reply.status, 403);
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    let reply = rig.as_a("GET", "/keys", None).await;
    assert!(reply.text.contains(SESSION_ID) && !reply.text.contains("canary"), "{}", reply.text);
}

#[tokio::test]
async fn an_error_never_quotes_the_body_it_is_about() {
    let rig = Rig::start().await;
    for body in [
        json!({ "provider": GOOD_KEY, "refId": "c", "providerKey": GOOD_KEY }),
        json!({ "provider": "openai", "refId": "c", "providerKey": format!("{GOOD_KEY} ") }),
        json!({ "provider": "openai", "refId": [GOOD_KEY], "providerKey": "x" }),
        json!({ "provider": "openai", "refId": "c", "providerKey": [GOOD_KEY] }),
        json!({
            "provider": "openai", "refId": "c", "providerKey": "x",
            "providerConfig": { "baseUrl": format!("https://{GOOD_KEY}@example.com") },
        }),
    ] {
        let reply = rig.as_a("POST", "/keys/connect", Some(body)).await;
        assert!(reply.status >= 400 && !reply.text.contains("canary"), "{}", reply.text);
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}
