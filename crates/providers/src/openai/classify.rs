//! What OpenAI's refusals mean.

use byok_domain::ErrorClass;
use http::StatusCode;
use serde_json::Value;

use crate::provider::Verdict;

/// Codes of a 429 that means money, not pace.
const QUOTA_CODES: [&str; 7] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
];

/// The parts of an error body that tell its class, whichever of the family's shapes it has.
struct Refusal {
    kind: String,
    code: String,
    message: String,
}

fn refusal(body: &[u8]) -> Refusal {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = value.get("error").filter(|e| e.is_object()).unwrap_or(&value);
    let text = |name: &str| match error.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let mut message = text("message");
    if message.is_empty() {
        message = value.get("error").and_then(Value::as_str).unwrap_or_default().to_owned();
    }
    Refusal { kind: text("type"), code: text("code"), message }
}

impl Refusal {
    fn is_quota(&self) -> bool {
        self.kind == "insufficient_quota"
            || QUOTA_CODES.contains(&self.code.as_str())
            || self.message.contains("exceeded your current quota")
            || self.message.contains("Insufficient Balance")
    }

    fn is_bad_key(&self) -> bool {
        self.code == "invalid_api_key" || self.message.starts_with("Incorrect API key")
    }

    fn is_scope(&self) -> bool {
        self.code == "missing_scope" || self.message.contains("insufficient permissions")
    }
}

pub(super) fn classify(status: StatusCode, body: &[u8]) -> ErrorClass {
    let refusal = refusal(body);
    match status.as_u16() {
        _ if refusal.is_bad_key() => ErrorClass::KeyRejected,
        // A real key without this one permission: the request is refused, not the key.
        401 | 403 if refusal.is_scope() => ErrorClass::RequestRejected,
        401 => ErrorClass::KeyRejected,
        402 => ErrorClass::QuotaExhausted,
        // Regions, models, content: a 403 of OpenAI never means that the key is unknown.
        403 => ErrorClass::RequestRejected,
        429 if refusal.is_quota() => ErrorClass::QuotaExhausted,
        429 => ErrorClass::RateLimited,
        408 | 500..=599 => ErrorClass::ProviderDown,
        // An error inside an answer of status 200 has only its own words.
        200..=299 if refusal.is_quota() => ErrorClass::QuotaExhausted,
        200..=299 if refusal.code == "rate_limit_exceeded" || refusal.code == "429" => {
            ErrorClass::RateLimited
        }
        200..=299 if refusal.kind == "invalid_request_error" || refusal.code == "400" => {
            ErrorClass::RequestRejected
        }
        200..=299 => ErrorClass::ProviderDown,
        _ => ErrorClass::RequestRejected,
    }
}

pub(super) fn judge(status: StatusCode, body: &[u8]) -> Verdict {
    let refusal = refusal(body);
    match status.as_u16() {
        // A web page says yes to everybody.
        200..=299 if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => Verdict::Valid,
        status @ 200..=299 => Verdict::Inconclusive(status),
        _ if refusal.is_bad_key() => Verdict::Invalid,
        401 | 403 if refusal.is_scope() => Verdict::NoPermission,
        401 => Verdict::Invalid,
        402 => Verdict::NoQuota,
        403 => Verdict::NoPermission,
        429 if refusal.is_quota() => Verdict::NoQuota,
        // Too many calls: only a known key is counted.
        429 => Verdict::Valid,
        408 | 500..=599 => Verdict::Unreachable,
        other => Verdict::Inconclusive(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_classified_by_status_and_words() {
        use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
        let quota = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
        let rate = r#"{"error":{"message":"Rate limit reached for gpt-5.4","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
        let bad_key = r#"{"error":{"message":"Incorrect API key provided: sk-…","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
        let xai = r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: x"}"#;
        let scope = r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: model.request","code":"missing_scope"}}"#;
        let int_code = r#"{"error":{"code":402,"message":"Insufficient Balance"}}"#;
        for (status, body, class) in [
            (401, bad_key, KeyRejected),
            (401, "", KeyRejected),
            (401, scope, RequestRejected),
            (400, xai, KeyRejected),
            (402, int_code, QuotaExhausted),
            (403, "{}", RequestRejected),
            (429, quota, QuotaExhausted),
            (429, rate, RateLimited),
            (429, "<html>", RateLimited),
            (400, "{}", RequestRejected),
            (404, "{}", RequestRejected),
            (422, "{}", RequestRejected),
            (408, "", ProviderDown),
            (500, "", ProviderDown),
            (503, r#"{"error":{"code":"server_is_overloaded"}}"#, ProviderDown),
            (529, "", ProviderDown),
            (200, r#"{"error":{"message":"Provider disconnected","code":502}}"#, ProviderDown),
            (200, quota, QuotaExhausted),
            (200, rate, RateLimited),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(classify(status, body.as_bytes()), class, "{status} {body}");
        }
    }

    #[test]
    fn verdicts_tell_a_bad_key_from_a_poor_or_unreachable_one() {
        for (status, body, verdict) in [
            (200, "{}", Verdict::Valid),
            (200, " [{\"id\":\"m\"}]", Verdict::Valid),
            (200, "<!doctype html>", Verdict::Inconclusive(200)),
            (200, "", Verdict::Inconclusive(200)),
            (401, "{}", Verdict::Invalid),
            (403, r#"{"error":{"code":"missing_scope"}}"#, Verdict::NoPermission),
            (429, r#"{"error":{"type":"insufficient_quota"}}"#, Verdict::NoQuota),
            (429, "{}", Verdict::Valid),
            (503, "", Verdict::Unreachable),
            (404, "", Verdict::Inconclusive(404)),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(judge(status, body.as_bytes()), verdict, "{status} {body}");
        }
    }
}
