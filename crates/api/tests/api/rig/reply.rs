//! An answer, held against the API document.

use axum::response::Response;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::schema;

/// An answer that the document describes.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The body, which need not be text when it is the provider's.
    pub(crate) bytes: Vec<u8>,
    /// Whether the body ended as a whole one does.
    pub(crate) whole: bool,
}

impl Reply {
    /// The answer to a call, which is the provider's more than ours.
    pub(super) async fn relayed(response: Response) -> Self {
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut whole) = (Vec::new(), true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().expect("data")),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self { status: head.status.as_u16(), headers: head.headers, text, bytes, whole }
    }

    pub(super) async fn read(method: &Method, path: &str, response: Response) -> Self {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let reply = Self {
            status: head.status.as_u16(),
            headers: head.headers,
            text,
            bytes: bytes.to_vec(),
            whole: true,
        };
        reply.has_what_all_answers_have();
        if method != Method::OPTIONS && method != Method::HEAD {
            schema::check(method, path, &reply);
        }
        reply
    }

    fn has_what_all_answers_have(&self) {
        assert_eq!(self.header("x-request-id").map(str::len), Some(36), "{}", self.text);
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("visible ASCII"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The body of an answer that has to be a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The body of a refusal that has to have this status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let json = self.json();
        assert_eq!((self.status, json["error"].as_str()), (status, Some(code)), "{}", self.text);
        let request_id = self.header("x-request-id");
        assert_eq!(json["requestId"].as_str(), request_id, "{}", self.text);
        let message = json["message"].as_str().unwrap_or_default();
        assert!(message.len() > 10, "{}", self.text);
        json
    }

    /// As [`refused`](Self::refused), for a body whose fields are wrong; returns their names.
    pub(crate) fn invalid_fields(&self) -> Vec<String> {
        let json = self.refused(422, "validation_failed");
        let errors = json["errors"].as_array().expect("field errors");
        errors.iter().map(|error| error["field"].as_str().expect("a name").to_owned()).collect()
    }
}
