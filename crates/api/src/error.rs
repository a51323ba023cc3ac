//! Our own refusals: a code, a sentence that says what to do, and their form as HTTP.

mod sources;

use std::borrow::Cow;
use std::error::Error as StdError;

use axum::body::Body;
use axum::response::Response;
pub use byok_domain::FieldError;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use serde::Serialize;
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident $text:literal,)*) => {
        /// Every way in which this system itself refuses a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it stands in the `error` field.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// The body is no JSON.
    InvalidJson = BAD_REQUEST "invalid_json",
    /// No customer was named.
    MissingRefId = BAD_REQUEST "missing_ref_id",
    /// The customer's name is none.
    InvalidRefId = BAD_REQUEST "invalid_ref_id",
    /// A path or query parameter is unknown or malformed.
    InvalidParameter = BAD_REQUEST "invalid_parameter",
    /// No credential, or none that works.
    Unauthenticated = UNAUTHORIZED "unauthenticated",
    /// No credits left to pay with.
    InsufficientCredits = PAYMENT_REQUIRED "insufficient_credits",
    /// Only the customer's own key may pay, and there is none that works.
    ByokRequired = PAYMENT_REQUIRED "byok_required",
    /// The credential works but may not do this.
    Forbidden = FORBIDDEN "forbidden",
    /// The browser page is not on the project's allowlist.
    OriginNotAllowed = FORBIDDEN "origin_not_allowed",
    /// The customer's plan has no keys of its own.
    ByokNotInPlan = FORBIDDEN "byok_not_in_plan",
    /// No such object or route, or none that this credential can see.
    NotFound = NOT_FOUND "not_found",
    /// The customer has connected no key for the provider.
    KeyNotConnected = NOT_FOUND "key_not_connected",
    /// The route exists under another method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed",
    /// The request contradicts what is there.
    Conflict = CONFLICT "conflict",
    /// A working key is there and this credential may not replace it.
    KeyExists = CONFLICT "key_exists",
    /// The address changes, so the key must be sent again.
    KeyRequired = CONFLICT "key_required",
    /// The body is over the limit.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large",
    /// The body's content type or encoding is not taken.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type",
    /// The body is JSON, but its fields are not what the route takes.
    ValidationFailed = UNPROCESSABLE_ENTITY "validation_failed",
    /// The address may not be saved.
    EgressBlockedAtSave = UNPROCESSABLE_ENTITY "egress_blocked",
    /// The model has no price, so that credits cannot pay for it.
    UnpricedModel = UNPROCESSABLE_ENTITY "unpriced_model",
    /// Too many requests.
    RateLimited = TOO_MANY_REQUESTS "rate_limited",
    /// The provider cannot be reached.
    UpstreamUnreachable = BAD_GATEWAY "upstream_unreachable",
    /// The provider answered with a redirect, which is never followed.
    UpstreamRedirect = BAD_GATEWAY "upstream_redirect",
    /// The address may not be connected to.
    EgressBlocked = BAD_GATEWAY "egress_blocked",
    /// Too much is going on.
    Overloaded = SERVICE_UNAVAILABLE "overloaded",
    /// Something this needs is away for now.
    Unavailable = SERVICE_UNAVAILABLE "unavailable",
    /// The provider took too long.
    UpstreamTimeout = GATEWAY_TIMEOUT "upstream_timeout",
    /// A fault of our own.
    Internal = INTERNAL_SERVER_ERROR "internal",
    /// A sealed record does not open: it was altered, or sealed for something else.
    VaultIntegrity = INTERNAL_SERVER_ERROR "vault_integrity",
}

/// A refusal, with what the caller is told and what only the log is told.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    message: Cow<'static, str>,
    errors: Vec<FieldError>,
    data: Option<Box<Value>>,
    retry_after: Option<u32>,
    headers: Vec<(&'static str, String)>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// The body of an error, in the order of the contract.
#[derive(Serialize)]
struct Wire<'a> {
    error: &'static str,
    message: &'a str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

impl ApiError {
    /// A refusal; `message` is one sentence that says what to do.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            errors: Vec::new(),
            data: None,
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// What is wrong with the body, field by field.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let message = match errors.as_slice() {
            [only] => format!("{}: {}", only.field, only.message),
            several => {
                let names: Vec<_> = several.iter().map(|error| error.field.as_str()).collect();
                format!("Correct these fields and send the request again: {}.", names.join(", "))
            }
        };
        Self { errors, ..Self::new(Code::ValidationFailed, message) }
    }

    /// What is wrong with one field of the body.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError::new(field, message)])
    }

    /// A path or query parameter that is unknown or malformed.
    pub fn parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidParameter, message)
    }

    /// No such object, or none that the caller can see: the two are told apart by nothing.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            Code::NotFound,
            format!("There is no such {what} in this project; check the id and the credential."),
        )
    }

    /// A fault of our own; the caller learns the request id, the log learns `cause`.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            Code::Internal,
            "Something went wrong on this side; try again, and report the requestId if it stays.",
        )
        .caused_by(cause)
    }

    /// Adds what programs may want to read.
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// Names a field beside the message.
    pub fn with_field(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Tells when to come back, in seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Lists the methods that the route does take, as in an `Allow` header.
    pub fn allowing(mut self, methods: String) -> Self {
        self.headers.push(("allow", methods));
        self
    }

    /// Adds headers, by their names in small letters.
    pub fn with_headers(
        mut self,
        headers: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Keeps what was behind it, for the log only.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The JSON of the answer.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        let wire = Wire {
            error: self.code.as_str(),
            message: &self.message,
            request_id,
            errors: &self.errors,
            data: self.data.as_deref(),
        };
        serde_json::to_vec(&wire).expect("strings, and a value that is JSON already")
    }

    /// The answer. The headers that all answers share are added where the answer leaves; a fault
    /// that brings its cause is logged here, where it stops being an error.
    pub fn into_response(self, request_id: &str) -> Response {
        if let (true, Some(cause)) = (self.code.status().is_server_error(), &self.cause) {
            let cause = chain(&**cause);
            tracing::error!(request_id, code = self.code.as_str(), cause, "request failed");
        }
        let mut response = Response::new(Body::from(self.to_json(request_id)));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// An error and everything under it, in one line.
fn chain(error: &(dyn StdError + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        let contract: &[(u16, &[&str])] = &[
            (400, &["invalid_json", "missing_ref_id", "invalid_ref_id", "invalid_parameter"]),
            (401, &["unauthenticated"]),
            (402, &["insufficient_credits", "byok_required"]),
            (403, &["forbidden", "origin_not_allowed", "byok_not_in_plan"]),
            (404, &["not_found", "key_not_connected"]),
            (405, &["method_not_allowed"]),
            (409, &["conflict", "key_exists", "key_required"]),
            (413, &["body_too_large"]),
            (415, &["unsupported_media_type"]),
            (422, &["validation_failed", "egress_blocked", "unpriced_model"]),
            (429, &["rate_limited"]),
            (500, &["internal", "vault_integrity"]),
            (502, &["upstream_unreachable", "upstream_redirect", "egress_blocked"]),
            (503, &["overloaded", "unavailable"]),
            (504, &["upstream_timeout"]),
        ];
        let mut listed: Vec<(u16, &str)> = contract
            .iter()
            .flat_map(|(status, codes)| codes.iter().map(|code| (*status, *code)))
            .collect();
        let mut ours: Vec<_> =
            Code::ALL.iter().map(|code| (code.status().as_u16(), code.as_str())).collect();
        listed.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, listed);
    }

    #[test]
    fn the_body_has_the_fields_of_the_contract_and_no_empty_ones() {
        let plain = ApiError::new(Code::Forbidden, "Use a secret key.");
        assert_eq!(
            String::from_utf8(plain.to_json("r-1")).expect("UTF-8"),
            r#"{"error":"forbidden","message":"Use a secret key.","requestId":"r-1"}"#
        );
        let full = ApiError::field("label", "send a text").with_data(serde_json::json!({"a": 1}));
        assert_eq!(
            String::from_utf8(full.to_json("r-2")).expect("UTF-8"),
            r#"{"error":"validation_failed","message":"label: send a text","requestId":"r-2","errors":[{"field":"label","message":"send a text"}],"data":{"a":1}}"#
        );
    }

    #[test]
    fn what_is_behind_a_fault_never_reaches_the_caller() {
        let error = ApiError::internal("SELECT canary FROM secrets");
        assert!(!String::from_utf8_lossy(&error.to_json("r")).contains("canary"));
    }
}
