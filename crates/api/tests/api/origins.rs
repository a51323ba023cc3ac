//! The origin allowlist.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn the_list_is_replaced_as_a_whole() {
    let rig = Rig::start().await;
    let path = format!("/projects/{}/origins", rig.a.id);
    assert_eq!(rig.as_a("GET", &path, None).await.ok(), json!({ "allowedOrigins": [] }));
    let list = json!({ "allowedOrigins": ["https://app.example.com", "https://*.example.org"] });
    assert_eq!(rig.as_a("PATCH", &path, Some(list.clone())).await.ok(), list);
    assert_eq!(rig.as_a("GET", "/origins", None).await.ok(), list);
    let empty = json!({ "allowedOrigins": [] });
    assert_eq!(rig.as_a("PATCH", &path, Some(empty.clone())).await.ok(), empty);
    let audit = rig.as_a("GET", "/audit-logs?action=origins.updated", None).await.ok();
    assert_eq!(audit["total"], 2);
}

#[tokio::test]
async fn what_is_no_origin_is_named_by_its_place() {
    let rig = Rig::start().await;
    for (list, fields) in [
        (json!("https://a.example"), vec!["allowedOrigins"]),
        (json!(["https://a.example", "b.example"]), vec!["allowedOrigins[1]"]),
        (
            json!(["https://a.example/", 7, null]),
            vec!["allowedOrigins[0]", "allowedOrigins[1]", "allowedOrigins[2]"],
        ),
        (json!(["*"]), vec!["allowedOrigins[0]"]),
        (json!(vec!["https://a.example"; 101]), vec!["allowedOrigins"]),
    ] {
        let body = json!({ "allowedOrigins": list });
        let refused = rig.as_a("PATCH", "/origins", Some(body)).await;
        assert_eq!(refused.invalid_fields(), fields);
    }
    let missing = rig.as_a("PATCH", "/origins", Some(json!({}))).await;
    assert_eq!(missing.invalid_fields(), ["allowedOrigins"]);
    assert_eq!(rig.as_a("GET", "/origins", None).await.ok(), json!({ "allowedOrigins": [] }));
}
