//! What Anthropic's refusals mean.

use byok_domain::ErrorClass;
use http::StatusCode;
use serde_json::Value;

use crate::provider::Verdict;

/// `details.error_code` of a refusal that means money, not pace.
const QUOTA_CODES: [&str; 3] =
    ["enforced_spend_limit_reached", "contract_spend_limit_reached", "organization_on_hold"];

/// What refusals of status 400 say when it is money that is missing.
const QUOTA_WORDS: [&str; 2] = ["credit balance is too low", "specified API usage limits"];

/// The parts of an error body that tell its class.
struct Refusal {
    kind: String,
    code: String,
    message: String,
}

fn refusal(body: &[u8]) -> Refusal {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text =
        |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    Refusal {
        kind: text("/error/type"),
        code: text("/error/details/error_code"),
        message: text("/error/message"),
    }
}

impl Refusal {
    fn is_quota(&self) -> bool {
        self.kind == "billing_error"
            || QUOTA_CODES.contains(&self.code.as_str())
            || QUOTA_WORDS.iter().any(|words| self.message.contains(words))
    }

    /// The class by its own words, which is all that an error inside an answer of status 200 has.
    fn by_kind(&self) -> ErrorClass {
        match self.kind.as_str() {
            "authentication_error" => ErrorClass::KeyRejected,
            "rate_limit_error" => ErrorClass::RateLimited,
            "invalid_request_error"
            | "permission_error"
            | "not_found_error"
            | "conflict_error"
            | "request_too_large" => ErrorClass::RequestRejected,
            _ => ErrorClass::ProviderDown,
        }
    }
}

pub(super) fn classify(status: StatusCode, body: &[u8]) -> ErrorClass {
    let refusal = refusal(body);
    match status.as_u16() {
        401 => ErrorClass::KeyRejected,
        402 => ErrorClass::QuotaExhausted,
        408 | 500..=599 => ErrorClass::ProviderDown,
        _ if refusal.is_quota() => ErrorClass::QuotaExhausted,
        429 => ErrorClass::RateLimited,
        200..=299 => refusal.by_kind(),
        // A 403 is about this one request; the key is known.
        _ => ErrorClass::RequestRejected,
    }
}

pub(super) fn judge(status: StatusCode, body: &[u8]) -> Verdict {
    match status.as_u16() {
        // A web page says yes to everybody.
        200..=299 if body.trim_ascii_start().starts_with(b"{") => Verdict::Valid,
        status @ 200..=299 => Verdict::Inconclusive(status),
        401 => Verdict::Invalid,
        402 => Verdict::NoQuota,
        408 | 500..=599 => Verdict::Unreachable,
        _ if refusal(body).is_quota() => Verdict::NoQuota,
        403 => Verdict::NoPermission,
        // Too many calls: only a known key is counted.
        429 => Verdict::Valid,
        other => Verdict::Inconclusive(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: &str, message: &str) -> String {
        serde_json::json!({"type": "error", "error": {"type": kind, "message": message},
            "request_id": "req_1"})
        .to_string()
    }

    fn coded(code: &str) -> String {
        serde_json::json!({"type": "error", "error": {"type": "rate_limit_error",
            "message": "Limit reached.", "details": {"error_code": code}}})
        .to_string()
    }

    const LOW: &str = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";
    const CAP: &str = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.";

    #[test]
    fn refusals_are_classified_by_status_and_words() {
        use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
        let bad_key = r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}"#;
        let long =
            error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum");
        let overloaded = error("overloaded_error", "Overloaded");
        for (status, body, class) in [
            (401, bad_key, KeyRejected),
            (401, "", KeyRejected),
            (400, &long, RequestRejected),
            (400, &error("invalid_request_error", LOW), QuotaExhausted),
            (400, &error("invalid_request_error", CAP), QuotaExhausted),
            (400, &coded("organization_on_hold"), QuotaExhausted),
            (402, &error("billing_error", "Payment required"), QuotaExhausted),
            (402, "<html>", QuotaExhausted),
            (403, &error("permission_error", "no access to this model"), RequestRejected),
            (404, &error("not_found_error", "model: claude-0"), RequestRejected),
            (409, &error("conflict_error", "busy"), RequestRejected),
            (413, &error("request_too_large", "Request exceeds the maximum size"), RequestRejected),
            (429, &error("rate_limit_error", "requests per minute"), RateLimited),
            (429, &coded("ramp_limit_exceeded"), RateLimited),
            (429, &coded("enforced_spend_limit_reached"), QuotaExhausted),
            (429, &coded("contract_spend_limit_reached"), QuotaExhausted),
            (429, "", RateLimited),
            (408, "", ProviderDown),
            (500, &error("api_error", "Internal server error"), ProviderDown),
            (504, &error("timeout_error", "timed out"), ProviderDown),
            (529, &overloaded, ProviderDown),
            // What an error event inside an answer of status 200 says.
            (200, &overloaded, ProviderDown),
            (200, &error("api_error", "boom"), ProviderDown),
            (200, &error("rate_limit_error", "slow down"), RateLimited),
            (200, &error("billing_error", "no money"), QuotaExhausted),
            (200, &error("authentication_error", "revoked"), KeyRejected),
            (200, &error("invalid_request_error", "bad tool"), RequestRejected),
            (200, "", ProviderDown),
            // The compatible endpoint answers in OpenAI's shape.
            (
                400,
                r#"{"error":{"message":"Your credit balance is too low","type":"invalid_request_error","code":null}}"#,
                QuotaExhausted,
            ),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(classify(status, body.as_bytes()), class, "{status} {body}");
        }
    }

    #[test]
    fn verdicts_tell_a_bad_key_from_a_poor_or_unreachable_one() {
        for (status, body, verdict) in [
            (200, r#"{"data":[],"has_more":false}"#, Verdict::Valid),
            (200, "<!doctype html>", Verdict::Inconclusive(200)),
            (200, "", Verdict::Inconclusive(200)),
            (401, &*error("authentication_error", "invalid x-api-key"), Verdict::Invalid),
            (403, &error("permission_error", "not allowed"), Verdict::NoPermission),
            (402, &error("billing_error", "pay"), Verdict::NoQuota),
            (400, &error("invalid_request_error", LOW), Verdict::NoQuota),
            (400, &error("invalid_request_error", CAP), Verdict::NoQuota),
            (429, &coded("enforced_spend_limit_reached"), Verdict::NoQuota),
            (429, &coded("ramp_limit_exceeded"), Verdict::Valid),
            (429, "", Verdict::Valid),
            (529, "", Verdict::Unreachable),
            (400, "{}", Verdict::Inconclusive(400)),
            (404, "", Verdict::Inconclusive(404)),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(judge(status, body.as_bytes()), verdict, "{status} {body}");
        }
    }
}
