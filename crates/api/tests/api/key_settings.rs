//! `GET /keys/settings`: the banner over a customer's keys, as things change.

use serde_json::{Value, json};

use crate::rig::{BAD_KEY, GOOD_KEY, Rig};

async fn settings(rig: &Rig) -> Value {
    rig.as_a("GET", "/keys/settings?refId=customer_1", None).await.ok()
}

/// Source and title.
fn told(settings: &Value) -> (&str, &str) {
    (
        settings["keySource"]["source"].as_str().expect("a source"),
        settings["banner"]["title"].as_str().expect("a title"),
    )
}

const BYOK: (&str, &str) = ("byok", "Using Your API Keys (BYOK)");
const INTERNAL: (&str, &str) = ("internal", "Using Internal Credits");
const ACTION: (&str, &str) = ("error", "Action Required");

#[tokio::test]
async fn the_banner_follows_keys_credits_mode_and_plan() {
    let rig = Rig::start().await;
    let set = async |path: &str, method: &str, body: Value| {
        rig.as_a(method, path, Some(body)).await.ok();
    };
    let nothing = settings(&rig).await;
    assert_eq!(told(&nothing), ACTION);
    assert_eq!((&nothing["enabled"], &nothing["hasByokKeys"]), (&json!(true), &json!(false)));

    rig.connect("customer_1").await;
    let connected = settings(&rig).await;
    assert_eq!(told(&connected), BYOK);
    assert_eq!(connected["byokProviders"], json!(["openai"]));
    assert_eq!(told(&connected["providers"]["openai"]), BYOK);

    set("/platform-keys/anthropic", "PUT", json!({ "providerKey": "sk-ant-0123456789abcdef" }))
        .await;
    set("/customers/customer_1/credits", "POST", json!({ "amount": 500 })).await;
    let both = settings(&rig).await;
    assert_eq!(told(&both), BYOK);
    assert_eq!(
        (told(&both["providers"]["openai"]), told(&both["providers"]["anthropic"])),
        (BYOK, INTERNAL)
    );
    assert_eq!(both["hasCredits"], true);
    assert_eq!(both["providers"]["openai"]["hasCredits"], false);

    set("/platform-keys/openai", "PUT", json!({ "providerKey": GOOD_KEY })).await;
    set("/routing", "PATCH", json!({ "mode": "credit_first" })).await;
    let first = settings(&rig).await;
    assert_eq!(told(&first), INTERNAL);
    assert_eq!(
        first["flags"],
        json!({ "byokEnabled": true, "byokUsesInternalCredits": true, "byokOnlyMode": false })
    );

    set("/routing", "PATCH", json!({ "mode": "byok_only" })).await;
    assert_eq!(told(&settings(&rig).await), BYOK);
    set("/customers/customer_1", "PATCH", json!({ "tier": "free" })).await;
    let free = settings(&rig).await;
    assert_eq!((told(&free), &free["enabled"]), (INTERNAL, &json!(false)));
    assert_eq!(free["hasByokKeys"], true, "kept, encrypted and unused");
}

#[tokio::test]
async fn a_rejected_key_leaves_its_customer_to_credits_or_to_act() {
    let rig = Rig::start().await;
    let body = json!({ "provider": "openai", "refId": "customer_1", "providerKey": BAD_KEY });
    rig.as_a("POST", "/keys/connect", Some(body)).await.ok();
    let rejected = settings(&rig).await;
    assert_eq!((told(&rejected), &rejected["hasByokKeys"]), (ACTION, &json!(false)));
    let body = json!({ "providerKey": GOOD_KEY });
    rig.as_a("PUT", "/platform-keys/openai", Some(body)).await.ok();
    rig.as_a("POST", "/customers/customer_1/credits", Some(json!({ "amount": 5 }))).await.ok();
    assert_eq!(told(&settings(&rig).await), INTERNAL);
    rig.as_a("PATCH", "/routing", Some(json!({ "fallbackOn": [] }))).await.ok();
    assert_eq!(told(&settings(&rig).await), ACTION, "nothing to fall back on");
}

#[tokio::test]
async fn a_customer_has_to_be_named() {
    let rig = Rig::start().await;
    rig.as_a("GET", "/keys/settings", None).await.refused(400, "missing_ref_id");
}
