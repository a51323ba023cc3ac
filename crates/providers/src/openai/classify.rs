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

/// What refusals say when it is money that is missing: OpenAI's, DeepSeek's, xAI's.
const QUOTA_WORDS: [&str; 5] = [
    "exceeded your current quota",
    "Insufficient Balance",
    "doesn't have any credits",
    "used all available credits",
    "monthly spending limit",
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
            || QUOTA_WORDS.iter().any(|words| self.message.contains(words))
    }

    fn is_bad_key(&self) -> bool {
        self.code == "invalid_api_key" || self.message.starts_with("Incorrect API key")
    }

    fn is_scope(&self) -> bool {
        self.code == "missing_scope" || self.message.contains("insufficient permissions")
    }

    /// The status that an error inside an answer of status 200 would have come with.
    fn told_status(&self) -> u16 {
        let number = self.code.parse().ok().filter(|code| (400..600).contains(code));
        match (self.kind.as_str(), self.code.as_str()) {
            _ if self.is_quota() => 429,
            (_, _) if number.is_some() => number.unwrap_or(500),
            ("authentication_error", _) => 401,
            ("permission_error", _) | (_, "missing_scope") => 403,
            ("rate_limit_error", _) | (_, "rate_limit_exceeded" | "slow_down") => 429,
            ("invalid_request_error", _) => 400,
            (_, "content_filter" | "context_length_exceeded" | "moderation_blocked") => 400,
            (_, code) if code.starts_with("invalid_") || code.contains("image") => 400,
            (_, code) if code.contains("content_policy") => 400,
            _ => 500,
        }
    }
}

pub(super) fn classify(status: StatusCode, body: &[u8]) -> ErrorClass {
    let refusal = refusal(body);
    let status = if status.is_success() { refusal.told_status() } else { status.as_u16() };
    match status {
        _ if refusal.is_bad_key() => ErrorClass::KeyRejected,
        // A real key without this one permission: the request is refused, not the key.
        401 | 403 if refusal.is_scope() => ErrorClass::RequestRejected,
        401 => ErrorClass::KeyRejected,
        402 => ErrorClass::QuotaExhausted,
        403 | 429 if refusal.is_quota() => ErrorClass::QuotaExhausted,
        // Regions, models, content: a 403 of OpenAI never means that the key is unknown.
        403 => ErrorClass::RequestRejected,
        429 => ErrorClass::RateLimited,
        // 498: Groq has no room on the tier that was asked for.
        408 | 498 | 500..=599 => ErrorClass::ProviderDown,
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
        403 | 429 if refusal.is_quota() => Verdict::NoQuota,
        403 => Verdict::NoPermission,
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
            // What errors inside an answer of status 200 name: a status, a code or a type.
            (200, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, QuotaExhausted),
            (200, r#"{"error":{"code":401,"message":"User not found."}}"#, KeyRejected),
            (200, r#"{"error":{"code":403,"message":"Flagged by moderation"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"404","message":"No endpoints found"}}"#, RequestRejected),
            (200, r#"{"error":{"code":429,"message":"slow"}}"#, RateLimited),
            (200, r#"{"error":{"code":3000,"message":"boom"}}"#, ProviderDown),
            (200, r#"{"error":{"type":"rate_limit_error","code":"slow_down"}}"#, RateLimited),
            (200, r#"{"error":{"type":"authentication_error"}}"#, KeyRejected),
            (200, r#"{"error":{"type":"permission_error"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"invalid_prompt","message":"no"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"context_length_exceeded"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"image_too_large"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"image_content_policy_violation"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"content_filter"}}"#, RequestRejected),
            (200, r#"{"error":{"code":"server_error","message":"boom"}}"#, ProviderDown),
            (200, r#"{"error":"boom"}"#, ProviderDown),
            (
                403,
                r#"{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created team doesn't have any credits yet. You can purchase credits on https://console.x.ai."}"#,
                QuotaExhausted,
            ),
            (
                429,
                r#"{"code":"Some resource has been exhausted","error":"Your team has either used all available credits or reached its monthly spending limit."}"#,
                QuotaExhausted,
            ),
            (
                403,
                r#"{"error":{"message":"Input is too long","type":"invalid_request_error"}}"#,
                RequestRejected,
            ),
            (
                400,
                r#"{"error":{"message":"the prompt `Incorrect API key` is odd"}}"#,
                RequestRejected,
            ),
            (
                498,
                r#"{"error":{"message":"Flex tier capacity exceeded","code":"capacity_exceeded"}}"#,
                ProviderDown,
            ),
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
