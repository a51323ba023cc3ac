//! The platform's own keys over HTTP.

use byok_domain::{ProjectId, ProviderId};
use byok_gateway::Directory;
use serde_json::json;

use crate::rig::{BAD_KEY, GOOD_KEY, Rig};

#[tokio::test]
async fn a_platform_key_is_checked_sealed_and_never_shown() {
    let rig = Rig::start().await;
    let path = format!("/projects/{}/platform-keys/openai", rig.a.id);
    rig.as_a("GET", &path, None).await.refused(404, "not_found");
    let stored = rig.as_a("PUT", &path, Some(json!({ "providerKey": GOOD_KEY }))).await.ok();
    assert_eq!((&stored["status"], &stored["updated"]), (&json!("valid"), &json!(false)));
    let shown = rig.as_a("GET", "/platform-keys/openai", None).await;
    assert!(!shown.text.contains("canary"), "{}", shown.text);
    assert_eq!(shown.ok()["keyHint"], "…Zz9k");
    let bad = rig.as_a("PUT", &path, Some(json!({ "providerKey": BAD_KEY }))).await.ok();
    assert_eq!((&bad["status"], &bad["updated"]), (&json!("invalid"), &json!(true)));
    assert_eq!(bad["id"], stored["id"]);
    let strict = json!({ "providerKey": BAD_KEY, "requireValid": true });
    let refused = rig.as_a("PUT", &path, Some(strict)).await;
    assert_eq!(refused.invalid_fields(), ["providerKey"]);
    assert_eq!(rig.as_a("DELETE", &path, None).await.ok(), json!({ "deleted": true }));
    rig.as_a("DELETE", &path, None).await.refused(404, "not_found");
    for (action, times) in [("platform_key.updated", 2), ("platform_key.removed", 1)] {
        let path = format!("/audit-logs?action={action}");
        let audit = rig.as_a("GET", &path, None).await;
        assert!(!audit.text.contains("canary"));
        assert_eq!(audit.ok()["total"], times, "{action}");
    }
}

#[tokio::test]
async fn it_opens_as_the_platforms_key_of_its_row_and_as_nothing_else() {
    use byok_vault::{Binding, Purpose};
    let rig = Rig::start().await;
    let body = json!({ "providerKey": GOOD_KEY });
    for _ in 0..2 {
        rig.as_a("PUT", "/platform-keys/openai", Some(body.clone())).await.ok();
    }
    let (project, openai) = (ProjectId::new(rig.a.id.as_str()), ProviderId::new("openai"));
    let key = Directory::platform_key(&rig.store, &project, &openai).await.expect("it reads");
    let key = key.expect("it is there");
    let data_key = rig.gateway.project(&project).await.expect("it reads").expect("it is there");
    let customer = byok_domain::RefId::parse("customer_1").expect("a refId");
    let binding = Binding {
        purpose: Purpose::PlatformKey,
        project: &project,
        connection: &key.id,
        ref_id: None,
        provider: &openai,
        origin: "",
        version: 2,
    };
    assert!(data_key.data_key.open(&binding, &key.sealed).is_ok());
    for other in [
        Binding { version: 1, ..binding },
        Binding { purpose: Purpose::ProviderKey, ..binding },
        Binding { ref_id: Some(&customer), ..binding },
        Binding { origin: "https://elsewhere.example:443", ..binding },
    ] {
        assert!(data_key.data_key.open(&other, &key.sealed).is_err(), "{other:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_platform_key_is_named() {
    let rig = Rig::start().await;
    rig.as_a("PUT", "/platform-keys/nobody", Some(json!({ "providerKey": GOOD_KEY })))
        .await
        .refused(400, "invalid_parameter");
    for (body, fields) in [
        (json!({}), vec!["providerKey"]),
        (json!({ "providerKey": 7 }), vec!["providerKey"]),
        (json!({ "providerKey": GOOD_KEY, "refId": "c" }), vec!["refId"]),
        (
            json!({ "providerKey": GOOD_KEY, "providerConfig": { "region": "x" } }),
            vec!["providerConfig.region"],
        ),
    ] {
        let refused = rig.as_a("PUT", "/platform-keys/openai", Some(body.clone())).await;
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    let body = json!({
        "providerKey": GOOD_KEY, "providerConfig": { "baseUrl": "https://169.254.169.254/v1" },
    });
    rig.as_a("PUT", "/platform-keys/openai", Some(body)).await.refused(422, "egress_blocked");
}
