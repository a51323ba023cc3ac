//! What browsers on other origins are told.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::rig::{Reply, Rig};

async fn preflight(rig: &Rig, path: &str, origin: Option<&str>) -> Reply {
    let mut request = Request::builder()
        .method("OPTIONS")
        .uri(path)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    rig.raw(request.body(Body::empty()).expect("a request")).await
}

fn allowed(reply: &Reply) -> Option<&str> {
    assert_eq!((reply.status, reply.header("vary")), (204, Some("origin")));
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    reply.header("access-control-allow-origin")
}

#[tokio::test]
async fn a_preflight_is_granted_to_the_origins_that_some_project_allows() {
    let rig = Rig::start().await;
    for (project, origin) in [(&rig.a, "https://a.example"), (&rig.b, "https://b.example")] {
        let list = json!({ "allowedOrigins": [origin] });
        rig.send("PATCH", "/origins", Some(&project.secret), Some(list)).await.ok();
    }
    for path in ["/keys/connect", "/keys/check"] {
        for origin in ["https://a.example", "https://b.example"] {
            let reply = preflight(&rig, path, Some(origin)).await;
            assert_eq!(allowed(&reply), Some(origin));
            assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
            let headers = reply.header("access-control-allow-headers");
            assert_eq!(headers, Some("authorization, content-type"));
        }
        for origin in [Some("https://c.example"), Some("null"), Some(""), None] {
            assert_eq!(allowed(&preflight(&rig, path, origin).await), None, "{origin:?}");
        }
    }
    let of_a = format!("/projects/{}/keys/connect", rig.a.id);
    let reply = preflight(&rig, &of_a, Some("https://a.example")).await;
    assert_eq!(allowed(&reply), Some("https://a.example"));
    assert_eq!(allowed(&preflight(&rig, &of_a, Some("https://b.example")).await), None);
    let nowhere = "/projects/proj_0/keys/connect";
    assert_eq!(allowed(&preflight(&rig, nowhere, Some("https://a.example")).await), None);
    // A project that restricts nothing lets every page try.
    rig.as_a("PATCH", "/origins", Some(json!({ "allowedOrigins": [] }))).await.ok();
    let reply = preflight(&rig, "/keys/connect", Some("https://c.example")).await;
    assert_eq!(allowed(&reply), Some("https://c.example"));
}

#[tokio::test]
async fn nothing_else_answers_across_origins() {
    let rig = Rig::start().await;
    for route in byok_api::routes() {
        let path = route.path.replace("{projectId}", &rig.a.id).replace("{id}", "x");
        if path.ends_with("/keys/connect") || path.ends_with("/keys/check") {
            continue;
        }
        let reply = preflight(&rig, &path, Some("https://c.example")).await;
        reply.refused(405, "method_not_allowed");
        assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
    // Not even where a publishable key may come: what it is not is no business of a browser.
    for token in [None, Some("garbage"), Some(rig.a.secret.as_str())] {
        let mut request = Request::post("/keys/check")
            .header("origin", "https://c.example")
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = json!({ "provider": "openai", "refId": "c" }).to_string();
        let reply = rig.raw(request.body(Body::from(body)).expect("a request")).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{token:?}");
        assert_eq!(reply.header("vary"), Some("origin"));
    }
}

#[tokio::test]
async fn a_refusal_is_readable_for_a_page_that_is_allowed() {
    let rig = Rig::start().await;
    let request = Request::post("/keys/connect")
        .header("origin", "https://app.example")
        .header("authorization", format!("Bearer {}", rig.a.publishable))
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .expect("a request");
    let reply = rig.raw(request).await;
    reply.refused(400, "missing_ref_id");
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    let exposed = reply.header("access-control-expose-headers");
    assert_eq!(exposed, Some("x-request-id, retry-after"));
}
