//! `POST /keys/connect`.

use byok_domain::audit::Actor;
use byok_domain::{
    KeyStatus, ProjectId, ProviderConfig, ProviderId, ProviderKeyId, RefId, Timestamp,
};
use byok_store::{By, ConnectKey, Replace};
use byok_testkit::fake_provider::Answer;
use byok_vault::{Binding, ProviderSecret, Purpose};
use serde_json::{Value, json};

use crate::rig::{BAD_KEY, GOOD_KEY, Rig};

fn body(ref_id: &str, key: &str) -> Value {
    json!({ "provider": "openai", "refId": ref_id, "providerKey": key })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn a_key_is_checked_with_its_provider_and_stored() {
    let rig = Rig::start().await;
    let made = rig.as_a("POST", "/keys/connect", Some(body("customer_1", GOOD_KEY))).await.ok();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        made,
        json!({
            "id": id, "provider": "openai", "refId": "customer_1", "label": null,
            "status": "valid", "message": "The provider accepts the key.",
            "updated": false, "keyHint": "…Zz9k",
        })
    );
    let seen = rig.provider.take_requests();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].path(), seen[0].bearer()), ("/v1/models", Some(GOOD_KEY)));

    let again = rig.as_a("POST", "/keys/connect", Some(body("customer_1", GOOD_KEY))).await.ok();
    assert_eq!((&again["id"], &again["updated"]), (&json!(id), &json!(true)));
}

#[tokio::test]
async fn a_rejected_key_is_stored_as_invalid_unless_only_a_valid_one_is_wanted() {
    let rig = Rig::start().await;
    let strict = with(body("customer_1", BAD_KEY), "requireValid", json!(true));
    let refused = rig.as_a("POST", "/keys/connect", Some(strict)).await;
    assert_eq!(refused.invalid_fields(), ["providerKey"]);
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["total"], 0);

    let made = rig.as_a("POST", "/keys/connect", Some(body("customer_1", BAD_KEY))).await.ok();
    assert_eq!(made["status"], "invalid");
    let listed = rig.as_a("GET", "/keys", None).await.ok();
    assert_eq!(listed["data"][0]["status"], "invalid");
    assert_eq!(listed["data"][0]["isActive"], false);
    assert_eq!(listed["data"][0]["lastError"], made["message"]);
}

#[tokio::test]
async fn a_provider_that_says_nothing_of_the_key_leaves_it_unverified() {
    let rig = Rig::start().await;
    rig.provider.behave();
    rig.provider.answer_at("/models", Answer::server_error());
    let made = rig.as_a("POST", "/keys/connect", Some(body("customer_1", GOOD_KEY))).await.ok();
    assert_eq!((&made["status"], &made["keyHint"]), (&json!("unverified"), &json!("…Zz9k")));
    let strict = with(body("customer_2", GOOD_KEY), "requireValid", json!(true));
    let refused = rig.as_a("POST", "/keys/connect", Some(strict)).await;
    assert_eq!(refused.invalid_fields(), ["providerKey"]);
    let listed = rig.as_a("GET", "/keys", None).await.ok();
    assert_eq!(
        (&listed["total"], &listed["data"][0]["lastValidatedAt"]),
        (&json!(1), &Value::Null)
    );
}

#[tokio::test]
async fn what_an_address_answers_is_not_handed_on() {
    let rig = Rig::start().await;
    rig.provider.behave();
    let secret_page = json!({ "page": "internal-canary" });
    for status in [200, 301, 401, 403, 404, 429, 500] {
        rig.provider.answer_at("", Answer::json(status, &secret_page));
        let config = json!({ "baseUrl": format!("http://{}/inside", rig.provider.address()) });
        let order = with(body("customer_1", GOOD_KEY), "providerConfig", config);
        let reply = rig.as_a("POST", "/keys/connect", Some(order)).await;
        assert!(!reply.text.contains("canary"), "{}", reply.text);
        let owner = json!({ "provider": "openai", "refId": "customer_1" });
        let reply = rig.as_a("POST", "/keys/validate", Some(owner)).await;
        assert!(!reply.text.contains("canary"), "{}", reply.text);
        assert!(!rig.as_a("GET", "/keys", None).await.text.contains("canary"));
    }
}

#[tokio::test]
async fn labels_tell_several_keys_of_a_customer_apart() {
    let rig = Rig::start().await;
    for (label, priority) in [("main", 0), ("spare", 5)] {
        let order = with(body("customer_1", GOOD_KEY), "label", json!(label));
        let order = with(order, "priority", json!(priority));
        let made = rig.as_a("POST", "/keys/connect", Some(order)).await.ok();
        assert_eq!((&made["label"], &made["updated"]), (&json!(label), &json!(false)));
        rig.clock.advance_millis(1);
    }
    let listed = rig.as_a("GET", "/keys?refId=customer_1", None).await.ok();
    let seen: Vec<_> = listed["data"].as_array().expect("rows").iter().collect();
    assert_eq!(listed["total"], 2);
    assert_eq!((&seen[0]["label"], &seen[0]["priority"]), (&json!("main"), &json!(0)));
    assert_eq!((&seen[1]["label"], &seen[1]["priority"]), (&json!("spare"), &json!(5)));
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let rig = Rig::start().await;
    let cases = [
        (json!({ "refId": "c" }), vec!["providerKey", "provider"]),
        (with(body("c", GOOD_KEY), "provider", json!("nobody")), vec!["provider"]),
        (with(body("c", GOOD_KEY), "provider", json!(null)), vec!["provider"]),
        (body("c", ""), vec!["providerKey"]),
        (body("c", "sk-a\nb"), vec!["providerKey"]),
        (body("c", "sk-a\r\nX-Evil: 1"), vec!["providerKey"]),
        (body("c", "sk-a\u{0}b"), vec!["providerKey"]),
        (body("c", "sk-é"), vec!["providerKey"]),
        (body("c", &"k".repeat(200_000)), vec!["providerKey"]),
        (with(body("c", GOOD_KEY), "providerKey", json!(["x"])), vec!["providerKey"]),
        (with(body("c", GOOD_KEY), "label", json!("a\nb")), vec!["label"]),
        (with(body("c", GOOD_KEY), "label", json!("x".repeat(101))), vec!["label"]),
        (with(body("c", GOOD_KEY), "priority", json!(1.5)), vec!["priority"]),
        (with(body("c", GOOD_KEY), "priority", json!(1u64 << 40)), vec!["priority"]),
        (with(body("c", GOOD_KEY), "requireValid", json!("true")), vec!["requireValid"]),
        (with(body("c", GOOD_KEY), "providerConfig", json!("x")), vec!["providerConfig"]),
        (
            with(body("c", GOOD_KEY), "providerConfig", json!({ "region": "x", "project": 7 })),
            vec!["providerConfig.project", "providerConfig.region"],
        ),
        (with(body("c", GOOD_KEY), "project_id", json!("proj_x")), vec!["project_id"]),
        (with(body("c", GOOD_KEY), "status", json!("valid")), vec!["status"]),
    ];
    for (order, fields) in cases {
        let reply = rig.as_a("POST", "/keys/connect", Some(order.clone())).await;
        assert_eq!(reply.invalid_fields(), fields, "{order:.200}");
    }
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["total"], 0);
    assert!(rig.provider.take_requests().is_empty(), "the provider was asked");
}

#[tokio::test]
async fn a_customer_has_to_be_named_plainly() {
    let rig = Rig::start().await;
    let nobody = json!({ "provider": "openai", "providerKey": GOOD_KEY });
    for (ref_id, code) in [
        (Value::Null, "missing_ref_id"),
        (json!(""), "missing_ref_id"),
        (json!("  "), "missing_ref_id"),
        (json!(7), "invalid_ref_id"),
        (json!(["customer_1"]), "invalid_ref_id"),
        (json!("a\u{7}b"), "invalid_ref_id"),
        (json!("x".repeat(10_240)), "invalid_ref_id"),
    ] {
        let order = with(nobody.clone(), "refId", ref_id);
        for path in ["/keys/connect", "/keys/check", "/keys/validate"] {
            let mut order = order.clone();
            if path != "/keys/connect" {
                order.as_object_mut().expect("an object").remove("providerKey");
            }
            rig.as_a("POST", path, Some(order)).await.refused(400, code);
        }
    }
}

#[tokio::test]
async fn an_address_that_policy_forbids_is_not_saved() {
    let rig = Rig::start().await;
    for url in [
        "http://169.254.169.254/v1",
        "https://169.254.169.254",
        "https://10.1.2.3/v1",
        "https://[::ffff:10.1.2.3]/v1",
        "https://[fd00:ec2::254]/v1",
        "https://0xa9fea9fe/",
        "https://2852039166/",
        "https://metadata.google.internal/v1",
        "http://192.0.2.1/v1",
        "https://93.184.216.34:22/v1",
        "https://user:pass@example.com/v1",
        "https://api.openai.com@10.0.0.1/v1",
        "https://example.com/v1?x=1",
        "https://example.com/v1#x",
        "file:///etc/passwd",
        "gopher://example.com",
        "not a url",
        "",
    ] {
        let order = with(body("c", GOOD_KEY), "providerConfig", json!({ "baseUrl": url }));
        let refused = rig.as_a("POST", "/keys/connect", Some(order)).await;
        let refused = refused.refused(422, "egress_blocked");
        assert_eq!(refused["errors"][0]["field"], "providerConfig.baseUrl", "{url}");
    }
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["total"], 0);
}

#[tokio::test]
async fn a_base_url_is_saved_in_one_spelling_and_needs_the_key_with_it() {
    let rig = Rig::start().await;
    let address = rig.provider.address();
    let config = json!({ "baseUrl": format!("HTTP://{address}/v1/") });
    let order = with(body("customer_1", GOOD_KEY), "providerConfig", config.clone());
    rig.as_a("POST", "/keys/connect", Some(order)).await.ok();
    let listed = rig.as_a("GET", "/keys", None).await.ok();
    let saved = &listed["data"][0]["providerConfig"];
    assert_eq!(*saved, json!({ "baseUrl": format!("http://{address}/v1") }));

    // It opens where it was sealed for.
    rig.provider.take_requests();
    let owner = json!({ "provider": "openai", "refId": "customer_1" });
    assert_eq!(rig.as_a("POST", "/keys/validate", Some(owner)).await.ok()["valid"], true);
    assert_eq!(rig.provider.take_requests()[0].bearer(), Some(GOOD_KEY));

    let keyless = json!({
        "provider": "openai", "refId": "customer_1",
        "providerConfig": { "baseUrl": "https://evil.example/v1" },
    });
    let refused = rig.as_a("POST", "/keys/connect", Some(keyless)).await;
    refused.refused(409, "key_required");
    assert_eq!(rig.as_a("GET", "/keys", None).await.ok()["data"][0]["providerConfig"], *saved);
}

#[tokio::test]
async fn a_key_sealed_for_one_address_does_not_open_for_another() {
    let rig = Rig::start().await;
    let project = ProjectId::new(rig.a.id.as_str());
    let (provider, ref_id) = (ProviderId::new("openai"), RefId::parse("customer_1").expect("one"));
    let secret = ProviderSecret::parse(GOOD_KEY.to_owned()).expect("a key");
    let mut config = ProviderConfig::default();
    config.set("baseUrl", rig.provider.base_url());
    let opened = rig.gateway.project(&project).await.expect("read").expect("there");
    // As a row that was sealed for the provider's own address and then edited in the database.
    let seal = |id: &ProviderKeyId, version: u32| {
        let binding = Binding {
            purpose: Purpose::ProviderKey,
            project: &project,
            connection: id,
            ref_id: Some(&ref_id),
            provider: &provider,
            origin: "",
            version,
        };
        opened.data_key.seal(&binding, &secret)
    };
    let row = ConnectKey {
        id: ProviderKeyId::new("pk_moved"),
        provider: provider.clone(),
        ref_id: ref_id.clone(),
        label: String::new(),
        priority: None,
        hint: secret.hint(),
        config,
        status: KeyStatus::Valid,
        last_error: None,
        validated_at: None,
        replace: Replace::Any,
    };
    let by = By::new(Actor::cli(), Timestamp::from_millis(1));
    rig.store.connect_key(&project, row, seal, &by).await.expect("stored");

    let owner = json!({ "provider": "openai", "refId": "customer_1" });
    let reply = rig.as_a("POST", "/keys/validate", Some(owner)).await;
    reply.refused(500, "vault_integrity");
    assert!(rig.provider.take_requests().is_empty(), "the key went out");
}
