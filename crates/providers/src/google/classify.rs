//! What Google's refusals mean.

use byok_domain::ErrorClass;
use http::StatusCode;
use serde_json::Value;

use crate::provider::Verdict;

/// Reasons of a refusal that no call with this key will escape.
const KEY_REASONS: [&str; 6] = [
    "CONSUMER_INVALID",
    "CONSUMER_SUSPENDED",
    "SERVICE_DISABLED",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED",
    "ACCESS_TOKEN_EXPIRED",
    "CREDENTIALS_MISSING",
];

/// The parts of an error body that tell its class.
struct Refusal {
    /// The HTTP status that the body names, for errors inside an answer of status 200.
    code: Option<u16>,
    message: String,
    reason: String,
    /// Whether a limit that was met is one a day, or nothing at all.
    out_of_quota: bool,
}

/// Reads `{"error": …}`, also as the only element of an array.
fn refusal(body: &[u8]) -> Refusal {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = &value.get(0).unwrap_or(&value)["error"];
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = |name: &'static str| details.iter().filter_map(move |detail| detail[name].as_str());
    let mut violations =
        details.iter().filter_map(|detail| detail["violations"].as_array()).flatten();
    let message = error["message"].as_str().unwrap_or_default();
    let daily = violations.any(|violation| {
        violation["quotaId"].as_str().is_some_and(|id| id.contains("PerDay"))
            || violation["quotaValue"] == "0"
    });
    let number = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    Refusal {
        // Interactions have a name for a code.
        code: number.or_else(|| named(error["status"].as_str().or(error["code"].as_str())?)),
        message: message.to_owned(),
        reason: texts("reason").next().unwrap_or_default().to_owned(),
        out_of_quota: daily || names_no_quota(message),
    }
}

/// The HTTP status of a refusal that is told by name only.
fn named(status: &str) -> Option<u16> {
    match status.to_ascii_lowercase().as_str() {
        "invalid_argument" | "invalid_request" | "failed_precondition" | "out_of_range" => {
            Some(400)
        }
        "unauthenticated" => Some(401),
        "permission_denied" => Some(403),
        "not_found" => Some(404),
        "resource_exhausted" => Some(429),
        _ => None,
    }
}

/// Whether a message speaks of money that is gone or of a limit of nothing. That the quota was
/// exceeded Google says of every limit, also of one a minute.
fn names_no_quota(message: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    message.split("limit: 0").skip(1).any(ends)
        || ["credits are depleted", "spending cap", "spend cap"]
            .iter()
            .any(|words| message.contains(words))
}

impl Refusal {
    fn is_bad_key(&self) -> bool {
        self.reason == "API_KEY_INVALID"
            || ["API key not valid", "API key expired", "API Key not found"]
                .iter()
                .any(|start| self.message.starts_with(start))
            || self.message.contains("API key was reported as leaked")
    }

    /// A real key that this API does not take from here.
    fn is_barred(&self) -> bool {
        self.reason.starts_with("API_KEY_") && self.reason.ends_with("_BLOCKED")
    }

    fn is_of_the_key(&self) -> bool {
        self.is_bad_key()
            || self.is_barred()
            || KEY_REASONS.contains(&self.reason.as_str())
            || self.message.contains("unregistered callers")
    }

    fn class(&self, status: u16) -> ErrorClass {
        match status {
            _ if self.is_of_the_key() => ErrorClass::KeyRejected,
            401 => ErrorClass::KeyRejected,
            402 => ErrorClass::QuotaExhausted,
            403 if self.reason == "BILLING_DISABLED" => ErrorClass::QuotaExhausted,
            429 if self.out_of_quota => ErrorClass::QuotaExhausted,
            429 => ErrorClass::RateLimited,
            408 | 500..=599 => ErrorClass::ProviderDown,
            // An error inside an answer of status 200 that names no status of its own.
            200..=299 => ErrorClass::ProviderDown,
            _ => ErrorClass::RequestRejected,
        }
    }
}

pub(super) fn classify(status: StatusCode, body: &[u8]) -> ErrorClass {
    let refusal = refusal(body);
    let told = refusal.code.filter(|code| status.is_success() && *code >= 400);
    refusal.class(told.unwrap_or(status.as_u16()))
}

pub(super) fn judge(status: StatusCode, body: &[u8]) -> Verdict {
    let refusal = refusal(body);
    match status.as_u16() {
        // A web page says yes to everybody.
        200..=299 if body.trim_ascii_start().first() == Some(&b'{') => Verdict::Valid,
        status @ 200..=299 => Verdict::Inconclusive(status),
        _ if refusal.is_bad_key() => Verdict::Invalid,
        401 | 403 if refusal.is_barred() => Verdict::NoPermission,
        401 => Verdict::Invalid,
        402 => Verdict::NoQuota,
        403 if refusal.reason == "BILLING_DISABLED" => Verdict::NoQuota,
        403 => Verdict::NoPermission,
        // The free tier is not offered where this server stands.
        400 if is_precondition(body) => Verdict::NoPermission,
        429 if refusal.out_of_quota => Verdict::NoQuota,
        // Too many calls: only a known key is counted.
        429 => Verdict::Valid,
        408 | 500..=599 => Verdict::Unreachable,
        other => Verdict::Inconclusive(other),
    }
}

fn is_precondition(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    value["error"]["status"] == "FAILED_PRECONDITION"
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD_KEY: &str = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}}]}}"#;
    const PER_DAY: &str = r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"m","quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"50"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46s"}]}}"#;
    const PER_MINUTE: &str = r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: m, limit: 0.5\n* limit: 05","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"m","quotaId":"GenerateContentInputTokensPerModelPerMinute-FreeTier","quotaValue":"250000"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46s"}]}}"#;
    const BLOCKED: &str = r#"{"error":{"code":401,"message":"Requests to this API are blocked.","status":"UNAUTHENTICATED","details":[{"reason":"API_KEY_SERVICE_BLOCKED"}]}}"#;
    const LEAKED: &str = r#"{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}"#;
    const FILE: &str = r#"{"error":{"code":403,"message":"You do not have permission to access the File abc or it may not exist.","status":"PERMISSION_DENIED"}}"#;
    const REGION: &str = r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#;

    #[test]
    fn refusals_are_classified_by_status_reason_and_limit() {
        use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
        let no_limit = r#"{"error":{"code":429,"message":"Quota exceeded for metric: m, limit: 0, model: gemini-2.5-pro\nPlease retry in 5s."}}"#;
        let zero = r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"PerMinute","quotaValue":"0"}]}]}}"#;
        let depleted =
            r#"{"error":{"code":429,"message":"Your prepayment credits are depleted."}}"#;
        let suspended = r#"{"error":{"code":403,"message":"Consumer has been suspended.","details":[{"reason":"CONSUMER_SUSPENDED"}]}}"#;
        let unregistered = r#"{"error":{"code":403,"message":"Method doesn't allow unregistered callers (callers without established identity)."}}"#;
        let overloaded =
            r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
        let interaction = r#"{"error":{"code":"invalid_request","message":"no"}}"#;
        for (status, body, class) in [
            (400, BAD_KEY, KeyRejected),
            (400, &format!("[{BAD_KEY}]"), KeyRejected),
            (400, REGION, RequestRejected),
            (
                400,
                r#"{"error":{"code":400,"message":"The input token count exceeds the maximum","status":"INVALID_ARGUMENT"}}"#,
                RequestRejected,
            ),
            (401, r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#, KeyRejected),
            (401, BLOCKED, KeyRejected),
            (402, r#"{"error":{"code":402,"status":"RESOURCE_EXHAUSTED"}}"#, QuotaExhausted),
            (403, LEAKED, KeyRejected),
            (403, suspended, KeyRejected),
            (403, unregistered, KeyRejected),
            (403, FILE, RequestRejected),
            (404, r#"{"error":{"code":404,"status":"NOT_FOUND"}}"#, RequestRejected),
            (429, PER_DAY, QuotaExhausted),
            (429, PER_MINUTE, RateLimited),
            (429, &format!("[{PER_MINUTE}\n]"), RateLimited),
            (429, no_limit, QuotaExhausted),
            (429, zero, QuotaExhausted),
            (429, depleted, QuotaExhausted),
            (429, "<html>", RateLimited),
            (500, "", ProviderDown),
            (503, overloaded, ProviderDown),
            (504, "{}", ProviderDown),
            (408, "", ProviderDown),
            (200, overloaded, ProviderDown),
            (200, PER_MINUTE, RateLimited),
            (200, PER_DAY, QuotaExhausted),
            (200, BAD_KEY, KeyRejected),
            (200, FILE, RequestRejected),
            (200, interaction, RequestRejected),
            (200, r#"{"error":{"status":"RESOURCE_EXHAUSTED"}}"#, RateLimited),
            (200, r#"{"error":{"status":"UNAVAILABLE"}}"#, ProviderDown),
            (200, r#"{"error":{"code":"brand_new"}}"#, ProviderDown),
            (400, interaction, RequestRejected),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(classify(status, body.as_bytes()), class, "{status} {body}");
        }
    }

    #[test]
    fn verdicts_tell_a_bad_key_from_a_barred_poor_or_unreachable_one() {
        for (status, body, verdict) in [
            (200, r#"{"models":[]}"#, Verdict::Valid),
            (200, "<!doctype html>", Verdict::Inconclusive(200)),
            (400, BAD_KEY, Verdict::Invalid),
            (400, REGION, Verdict::NoPermission),
            (400, "{}", Verdict::Inconclusive(400)),
            (401, r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#, Verdict::Invalid),
            (401, BLOCKED, Verdict::NoPermission),
            (403, LEAKED, Verdict::Invalid),
            (403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#, Verdict::NoPermission),
            (402, "{}", Verdict::NoQuota),
            (429, PER_DAY, Verdict::NoQuota),
            (429, PER_MINUTE, Verdict::Valid),
            (404, "", Verdict::Inconclusive(404)),
            (503, "", Verdict::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(judge(status, body.as_bytes()), verdict, "{status} {body}");
        }
    }
}
