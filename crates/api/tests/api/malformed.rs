//! Requests that are not what a route takes.

use axum::body::Body;
use http::Request;

use crate::rig::{Reply, Rig};

async fn post(rig: &Rig, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut request =
        Request::post("/keys/check").header("authorization", format!("Bearer {}", rig.a.secret));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    rig.raw(request.body(body.into()).expect("a request")).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_body_has_to_be_one_json_object() {
    let rig = Rig::start().await;
    let deep = "[".repeat(100_000);
    for body in ["", "{", "null", "[]", "\"x\"", "{} {}", "{\"refId\": 1e999}", "{'a': 1}", &deep] {
        post(&rig, &[JSON], body.to_owned()).await.refused(400, "invalid_json");
    }
    post(&rig, &[JSON], vec![0xff, 0xfe, b'{', b'}']).await.refused(400, "invalid_json");
    let lone = "{\"provider\": \"openai\", \"refId\": \"\\ud800\"}";
    post(&rig, &[JSON], lone).await.refused(400, "invalid_json");
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let rig = Rig::start().await;
    let body = "{\"provider\": \"openai\", \"refId\": \"c\"}";
    for headers in [
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "multipart/form-data; boundary=x")],
        vec![JSON, ("content-encoding", "gzip")],
    ] {
        post(&rig, &headers, body).await.refused(415, "unsupported_media_type");
    }
    post(&rig, &[("content-type", "application/json;charset=UTF-8")], body).await.ok();
}

#[tokio::test]
async fn a_body_over_a_megabyte_is_refused_announced_or_not() {
    let rig = Rig::start().await;
    let announced = [JSON, ("content-length", "1048577")];
    post(&rig, &announced, "{").await.refused(413, "body_too_large");
    let big = format!("{{\"refId\": \"{}\"}}", "x".repeat(1 << 20));
    post(&rig, &[JSON], big.clone()).await.refused(413, "body_too_large");
    let chunks = big.into_bytes().chunks(1000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
    let endless = Body::from_stream(futures_util::stream::iter(chunks));
    post(&rig, &[JSON], endless).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let rig = Rig::start().await;
    let pieces = [Ok("{\"provider\": "), Err(std::io::Error::other("gone"))];
    let broken = Body::from_stream(futures_util::stream::iter(pieces));
    post(&rig, &[JSON], broken).await.refused(400, "invalid_json");
}

#[tokio::test]
async fn unknown_paths_and_methods_say_so() {
    let rig = Rig::start().await;
    for path in [
        "/",
        "/nowhere",
        "/keys/",
        "/KEYS",
        "//keys",
        "/mcp/tools",
        "/projects/x/y/z",
        "/keys%2Fconnect",
        "/v1%2f..%2fkeys",
    ] {
        rig.as_a("GET", path, None).await.refused(404, "not_found");
    }
    for (method, path, allow) in [
        ("PUT", "/keys", "GET"),
        ("GET", "/keys/connect", "POST"),
        ("DELETE", "/projects", "GET, POST"),
        ("POST", "/pricing", "GET, PATCH, DELETE"),
    ] {
        let reply = rig.as_a(method, path, None).await;
        reply.refused(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn the_key_is_taken_from_one_bearer_header_only() {
    let rig = Rig::start().await;
    let secret = rig.a.secret.as_str();
    for headers in [
        vec![("authorization", secret.to_owned())],
        vec![("authorization", format!("Basic {secret}"))],
        vec![("authorization", "Bearer ".to_owned())],
        vec![("authorization", format!("Bearer  {secret}"))],
        vec![("authorization", format!("Bearer {secret} "))],
        vec![("authorization", format!("Bearer {}", secret.to_uppercase()))],
        vec![("authorization", format!("Bearer {}", &secret[..secret.len() - 1]))],
        vec![("authorization", format!("Bearer {}", "x".repeat(5000)))],
        vec![
            ("authorization", format!("Bearer {secret}")),
            ("authorization", format!("Bearer {secret}")),
        ],
        vec![("x-api-key", secret.to_owned())],
    ] {
        let mut request = Request::get("/keys");
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let reply = rig.raw(request.body(Body::empty()).expect("a request")).await;
        reply.refused(401, "unauthenticated");
    }
    let request = Request::get("/keys").header("authorization", format!("bearer {secret}"));
    rig.raw(request.body(Body::empty()).expect("a request")).await.ok();
}

#[tokio::test]
async fn query_parameters_that_a_route_does_not_take_are_refused() {
    let rig = Rig::start().await;
    for path in ["/stats?since=2026-01-01", "/pricing?x=1", "/origins?x", "/logs?refID=a"] {
        let refused = rig.as_a("GET", path, None).await;
        let message = refused.refused(400, "invalid_parameter")["message"].to_string();
        assert!(message.contains("takes"), "{message}");
    }
}

#[tokio::test]
async fn a_panic_is_the_end_of_its_own_request_only() {
    let rig = Rig::start().await;
    rig.panics.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = rig.as_a("GET", "/usage", None).await;
    let json = refused.refused(500, "internal");
    assert!(!json["message"].to_string().contains("panic"), "{json}");
    rig.as_a("GET", "/pricing", None).await.ok();
    rig.panics.store(false, std::sync::atomic::Ordering::SeqCst);
    rig.as_a("GET", "/usage", None).await.ok();
}
