//! What Bedrock's refusals mean.

use byok_domain::ErrorClass;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::provider::Verdict;

/// What AWS calls credentials that it does not accept.
const BAD_KEYS: [&str; 10] = [
    "unrecognizedclientexception",
    "invalidsignatureexception",
    "signaturedoesnotmatch",
    "incompletesignatureexception",
    "expiredtokenexception",
    "expiredtoken",
    "missingauthenticationtokenexception",
    "missingauthenticationtoken",
    "invalidclienttokenid",
    "invalidaccesskeyid",
];

/// What a failure says of itself: its type without namespace and address, in lower case.
struct Refusal {
    kind: String,
    message: String,
    original_status: Option<u64>,
}

fn refusal(kind: Option<&str>, body: &[u8]) -> Refusal {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    // The OpenAI-compatible endpoint keeps them one level down.
    let inner = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| inner.get(name).and_then(Value::as_str));
        found.unwrap_or_default().to_owned()
    };
    let kind = kind.map_or_else(|| text(&["__type", "code", "type"]), str::to_owned);
    let name = kind.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().to_ascii_lowercase();
    let original_status = value.get("originalStatusCode").and_then(Value::as_u64);
    Refusal { kind: name, message: text(&["message", "Message"]), original_status }
}

impl Refusal {
    fn says(&self, words: &str) -> bool {
        self.message.contains(words)
    }

    /// Our clock or theirs: it says nothing of the key.
    fn is_skew(&self) -> bool {
        self.says("Signature expired") || self.says("Signature not yet current")
    }

    fn is_bad_key(&self) -> bool {
        BAD_KEYS.contains(&self.kind.as_str())
            // The layer before the service, which names no type.
            || self.says("Authentication failed")
            || self.says("security token included in the request is")
            || self.says("Bearer Token has expired")
            || self.kind == "invalid_api_key"
    }

    fn is_quota(&self) -> bool {
        let throttled =
            matches!(self.kind.as_str(), "throttlingexception" | "toomanyrequestsexception");
        self.kind == "servicequotaexceededexception"
            || self.kind == "insufficient_quota"
            || throttled && self.says("per day")
            || self.says("INVALID_PAYMENT_INSTRUMENT")
    }

    /// The class that its own words tell, whatever the status.
    fn class(&self) -> Option<ErrorClass> {
        if self.is_skew() {
            return Some(ErrorClass::RequestRejected);
        }
        if self.is_bad_key() {
            return Some(ErrorClass::KeyRejected);
        }
        if self.is_quota() {
            return Some(ErrorClass::QuotaExhausted);
        }
        Some(match self.kind.as_str() {
            "throttlingexception" | "toomanyrequestsexception" => ErrorClass::RateLimited,
            "validationexception"
            | "accessdeniedexception"
            | "resourcenotfoundexception"
            | "conflictexception" => ErrorClass::RequestRejected,
            "modelerrorexception"
                if self.original_status.is_some_and(|s| (400..500).contains(&s)) =>
            {
                ErrorClass::RequestRejected
            }
            "modelerrorexception"
            | "modelstreamerrorexception"
            | "modeltimeoutexception"
            | "modelnotreadyexception"
            | "internalserverexception"
            | "internalfailure"
            | "serviceunavailableexception"
            | "serviceunavailable" => ErrorClass::ProviderDown,
            _ => return None,
        })
    }
}

fn error_type(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok())
}

pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass {
    let refusal = refusal(error_type(headers), body);
    refusal.class().unwrap_or_else(|| match status.as_u16() {
        401 => ErrorClass::KeyRejected,
        402 => ErrorClass::QuotaExhausted,
        429 => ErrorClass::RateLimited,
        408 | 500..=599 => ErrorClass::ProviderDown,
        200..=299 => ErrorClass::ProviderDown,
        _ => ErrorClass::RequestRejected,
    })
}

/// The class of an exception inside a stream.
pub(super) fn of_exception(name: &str, payload: &[u8]) -> ErrorClass {
    refusal(Some(name), payload).class().unwrap_or(ErrorClass::ProviderDown)
}

pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict {
    let status = status.as_u16();
    if (200..300).contains(&status) {
        // A web page says yes to everybody.
        let object = body.trim_ascii_start().first() == Some(&b'{');
        return if object { Verdict::Valid } else { Verdict::Inconclusive(status) };
    }
    let refusal = refusal(error_type(headers), body);
    match (refusal.class(), status) {
        _ if refusal.is_skew() => Verdict::Inconclusive(status),
        (Some(ErrorClass::KeyRejected), _) | (None, 401) => Verdict::Invalid,
        (Some(ErrorClass::QuotaExhausted), _) | (None, 402) => Verdict::NoQuota,
        // Too many calls: only a known key is counted.
        (Some(ErrorClass::RateLimited), _) | (None, 429) => Verdict::Valid,
        (Some(ErrorClass::ProviderDown), _) | (None, 408 | 500..=599) => Verdict::Unreachable,
        (_, 403) => Verdict::NoPermission,
        (_, other) => Verdict::Inconclusive(other),
    }
}

/// The type that AWS's SDKs raise for a refusal of our own.
pub(super) fn own_type(code: &str) -> &'static str {
    match code {
        "unauthenticated" => "UnrecognizedClientException",
        "forbidden" | "origin_not_allowed" | "byok_not_in_plan" | "egress_blocked" => {
            "AccessDeniedException"
        }
        "insufficient_credits" | "byok_required" => "ServiceQuotaExceededException",
        "not_found" | "key_not_connected" => "ResourceNotFoundException",
        "conflict" => "ConflictException",
        "rate_limited" => "ThrottlingException",
        "overloaded" | "unavailable" | "upstream_unreachable" | "upstream_timeout" => {
            "ServiceUnavailableException"
        }
        "internal" | "vault_integrity" | "upstream_redirect" => "InternalServerException",
        _ => "ValidationException",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// Status, `x-amzn-ErrorType` and body of failures as AWS sends them, with class and verdict.
    #[rustfmt::skip]
    fn golden() -> Vec<(u16, &'static str, &'static str, ErrorClass, Verdict)> {
        use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
        use Verdict::{Inconclusive, Invalid, NoPermission, NoQuota, Unreachable, Valid};
        vec![
            (403, "", r#"{"Message":"Authentication failed: Please make sure your API Key is valid."}"#, KeyRejected, Invalid),
            (403, "", r#"{"Message":"Bearer Token has expired"}"#, KeyRejected, Invalid),
            (403, "UnrecognizedClientException", r#"{"message":"The security token included in the request is invalid."}"#, KeyRejected, Invalid),
            (403, "InvalidSignatureException:http://internal.amazon.com/coral/com.amazon.coral.service/", r#"{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."}"#, KeyRejected, Invalid),
            (403, "InvalidSignatureException", r#"{"message":"Signature expired: 20261121T100000Z is now earlier than 20261121T101500Z"}"#, RequestRejected, Inconclusive(403)),
            (403, "ExpiredTokenException", r#"{"message":"The security token included in the request is expired"}"#, KeyRejected, Invalid),
            (403, "MissingAuthenticationTokenException", r#"{"message":"Missing Authentication Token"}"#, KeyRejected, Invalid),
            (403, "AccessDeniedException", r#"{"Message":"User: arn:aws:iam::123456789012:user/u is not authorized to perform: bedrock:ListFoundationModels"}"#, RequestRejected, NoPermission),
            (403, "AccessDeniedException", r#"{"message":"You don't have access to the model with the specified model ID."}"#, RequestRejected, NoPermission),
            (403, "AccessDeniedException", r#"{"message":"Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided."}"#, QuotaExhausted, NoQuota),
            (429, "ThrottlingException", r#"{"message":"Too many tokens per day, please wait before trying again."}"#, QuotaExhausted, NoQuota),
            (429, "ThrottlingException:", r#"{"message":"Too many requests, please wait before trying again."}"#, RateLimited, Valid),
            (429, "ModelNotReadyException", r#"{"message":"Model is not ready for inference."}"#, ProviderDown, Unreachable),
            (429, "", "<html>", RateLimited, Valid),
            (400, "ServiceQuotaExceededException", r#"{"message":"Your request exceeds the service quota for your account."}"#, QuotaExhausted, NoQuota),
            (400, "ValidationException", r#"{"message":"Input is too long for requested model."}"#, RequestRejected, Inconclusive(400)),
            (400, "", r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"malformed"}"#, RequestRejected, Inconclusive(400)),
            (400, "ConflictException", "{}", RequestRejected, Inconclusive(400)),
            (404, "ResourceNotFoundException", r#"{"message":"This model version has reached the end of its life."}"#, RequestRejected, Inconclusive(404)),
            (408, "ModelTimeoutException", r#"{"message":"Model has timed out in processing the request."}"#, ProviderDown, Unreachable),
            (424, "ModelErrorException", r#"{"message":"The system encountered an unexpected error","originalStatusCode":500}"#, ProviderDown, Unreachable),
            (424, "ModelErrorException", r#"{"message":"bad input","originalStatusCode":400}"#, RequestRejected, Inconclusive(424)),
            (500, "InternalServerException", r#"{"message":"The system encountered an unexpected error."}"#, ProviderDown, Unreachable),
            (503, "ServiceUnavailableException", "{}", ProviderDown, Unreachable),
            (503, "", "", ProviderDown, Unreachable),
            (401, "", r#"{"error":{"code":"invalid_api_key","message":"Invalid API Key"}}"#, KeyRejected, Invalid),
            (403, "", "", RequestRejected, NoPermission),
            (413, "", "", RequestRejected, Inconclusive(413)),
        ]
    }

    #[test]
    fn refusals_are_classified_and_judged_by_type_words_and_status() {
        for (status, kind, body, class, verdict) in golden() {
            let mut headers = HeaderMap::new();
            if !kind.is_empty() {
                headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
            }
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(
                classify(status, &headers, body.as_bytes()),
                class,
                "{status} {kind} {body}"
            );
            assert_eq!(judge(status, &headers, body.as_bytes()), verdict, "{status} {kind} {body}");
        }
    }

    #[test]
    fn only_a_document_proves_a_key() {
        let none = HeaderMap::new();
        for (body, verdict) in [
            (r#"{"modelSummaries":[]}"#, Verdict::Valid),
            ("<!doctype html>", Verdict::Inconclusive(200)),
            ("", Verdict::Inconclusive(200)),
        ] {
            assert_eq!(judge(StatusCode::OK, &none, body.as_bytes()), verdict, "{body}");
        }
    }

    #[test]
    fn exceptions_inside_a_stream_have_their_class() {
        for (name, payload, class) in [
            ("throttlingException", r#"{"message":"slow down"}"#, ErrorClass::RateLimited),
            (
                "throttlingException",
                r#"{"message":"Too many tokens per day"}"#,
                ErrorClass::QuotaExhausted,
            ),
            ("validationException", "{}", ErrorClass::RequestRejected),
            ("modelStreamErrorException", "{}", ErrorClass::ProviderDown),
            ("internalServerException", "not JSON", ErrorClass::ProviderDown),
            ("somethingNewException", "{}", ErrorClass::ProviderDown),
        ] {
            assert_eq!(of_exception(name, payload.as_bytes()), class, "{name} {payload}");
        }
    }
}
