//! Calls through the envelope and the drop-in routes.

use axum::body::Body;
use http::Request;
use http::request::Builder;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{GOOD_KEY, Reply, Rig};

impl Rig {
    /// Connects a key that works at any provider, with project A's secret key.
    pub(crate) async fn connect_at(&self, provider: &str, ref_id: &str, config: Value) -> Value {
        let body = json!({
            "provider": provider, "refId": ref_id, "providerKey": GOOD_KEY,
            "providerConfig": config,
        });
        self.as_a("POST", "/keys/connect", Some(body)).await.ok()
    }

    /// A call through the envelope, with project A's secret key.
    pub(crate) async fn enveloped(&self, path: &str, ref_id: &str, payload: &Value) -> Reply {
        let body = json!({ "refId": ref_id, "providerPayload": payload });
        self.sent(Request::post(format!("/proxy/{path}")), &body).await
    }

    /// A call through the drop-in routes for a customer, with project A's secret key.
    pub(crate) async fn dropped_in(&self, path: &str, ref_id: &str, payload: &Value) -> Reply {
        self.sent(Request::post(path).header("x-byo-ref-id", ref_id), payload).await
    }

    /// As [`dropped_in`](Self::dropped_in), with a payload as it is written.
    pub(crate) async fn dropped_in_raw(&self, path: &str, ref_id: &str, payload: &str) -> Reply {
        let request = Request::post(path).header("content-type", "application/json");
        self.sent_raw(request.header("x-byo-ref-id", ref_id), payload).await
    }

    /// A request through the drop-in routes whose body is a form with the boundary `b`.
    pub(crate) async fn formed(&self, method: &str, path: &str, ref_id: &str, form: &str) -> Reply {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        self.sent_raw(request.header("x-byo-ref-id", ref_id), form).await
    }

    /// As [`dropped_in`](Self::dropped_in), to OpenAI's chat, with a key to tell repeats of it by.
    pub(crate) async fn repeatable(&self, key: &str, ref_id: &str, payload: &Value) -> Reply {
        let request = Request::post("/v1/chat/completions").header("idempotency-key", key);
        self.sent(request.header("x-byo-ref-id", ref_id), payload).await
    }

    /// A call on `/v1` to another provider's OpenAI-compatible endpoint.
    pub(crate) async fn compatible(&self, provider: &str, path: &str, payload: &Value) -> Reply {
        let request = Request::post(format!("/v1/{path}")).header("x-byo-provider", provider);
        self.sent(request.header("x-byo-ref-id", "c1"), payload).await
    }

    /// A call through the drop-in routes whose body has no content type, or another.
    pub(crate) async fn dropped_in_as(&self, kind: &str, path: &str, payload: &Value) -> Reply {
        let request = Request::post(path).header("x-byo-ref-id", "c1");
        let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
        self.sent_as(request, payload).await
    }

    async fn sent(&self, request: Builder, body: &Value) -> Reply {
        self.sent_as(request.header("content-type", "application/json"), body).await
    }

    async fn sent_as(&self, request: Builder, body: &Value) -> Reply {
        self.sent_raw(request, &body.to_string()).await
    }

    async fn sent_raw(&self, request: Builder, body: &str) -> Reply {
        let request = request
            .header("authorization", format!("Bearer {}", self.a.secret))
            .body(Body::from(body.to_owned()))
            .expect("a request");
        Reply::relayed(self.whole.clone().oneshot(request).await.expect("never fails")).await
    }

    /// The row of a call in the log.
    pub(crate) async fn row(&self, reply: &Reply) -> Value {
        let id = reply.header("x-request-id").expect("an id");
        self.as_a("GET", &format!("/logs/{id}"), None).await.ok()
    }
}
