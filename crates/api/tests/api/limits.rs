//! Limits per address.

use std::net::SocketAddr;

use axum::body::Body;
use byok_net::PeerAddr;
use http::Request;
use serde_json::json;

use crate::rig::{Reply, Rig};

async fn from(rig: &Rig, peer: &str, token: &str, forwarded: Option<&str>) -> Reply {
    let mut request = Request::post("/keys/check")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let body = json!({ "provider": "openai", "refId": "c" }).to_string();
    let mut request = request.body(Body::from(body)).expect("a request");
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(PeerAddr(peer));
    rig.raw(request).await
}

#[tokio::test]
async fn wrong_tokens_are_limited_by_address_and_right_ones_never() {
    let rig = Rig::with_limits(3, 1_000).await;
    let peer = "203.0.113.5:1";
    for _ in 0..3 {
        from(&rig, peer, "wrong", None).await.refused(401, "unauthenticated");
    }
    for _ in 0..3 {
        let reply = from(&rig, peer, "wrong", None).await;
        reply.refused(429, "rate_limited");
        let wait: u32 = reply.header("retry-after").expect("a wait").parse().expect("seconds");
        assert!((1..=61).contains(&wait), "{wait}");
    }
    from(&rig, peer, &rig.a.secret, None).await.ok();
    from(&rig, "203.0.113.6:1", "wrong", None).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn publishable_keys_are_limited_by_address() {
    let rig = Rig::with_limits(1_000, 3).await;
    let peer = "203.0.113.5:1";
    for _ in 0..3 {
        from(&rig, peer, &rig.a.publishable, None).await.ok();
    }
    from(&rig, peer, &rig.a.publishable, None).await.refused(429, "rate_limited");
    from(&rig, peer, &rig.b.publishable, None).await.refused(429, "rate_limited");
    from(&rig, "203.0.113.6:1", &rig.a.publishable, None).await.ok();
    from(&rig, peer, &rig.a.secret, None).await.ok();
}

#[tokio::test]
async fn nobody_escapes_a_limit_by_a_header_of_their_own() {
    let rig = Rig::with_limits(2, 1_000).await;
    for n in 0..2 {
        let forwarded = format!("192.0.2.{n}");
        from(&rig, "203.0.113.5:1", "wrong", Some(&forwarded))
            .await
            .refused(401, "unauthenticated");
    }
    let reply = from(&rig, "203.0.113.5:1", "wrong", Some("192.0.2.99")).await;
    reply.refused(429, "rate_limited");
    // Behind a trusted proxy the header is what tells clients apart.
    for n in 0..6 {
        let forwarded = format!("6.6.6.6, 192.0.2.{n}");
        from(&rig, "10.0.0.1:1", "wrong", Some(&forwarded)).await.refused(401, "unauthenticated");
    }
}
