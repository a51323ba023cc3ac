//! What Cohere's refusals mean.

use byok_domain::ErrorClass;
use http::StatusCode;

use crate::provider::Verdict;

/// What a refusal says, in lower case.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_slice::<Refusal>(body).map(|r| r.message.to_lowercase()).unwrap_or_default()
}

/// Whether a 429 means the month's allowance or money, and not the pace.
fn is_quota(message: &str) -> bool {
    let monthly = message.contains("month") && !message.contains("/ minute");
    monthly || message.contains("billing") || message.contains("payment")
}

pub(super) fn classify(status: StatusCode, body: &[u8]) -> ErrorClass {
    match status.as_u16() {
        // 498: the token is on a list of those that leaked.
        401 | 498 => ErrorClass::KeyRejected,
        402 => ErrorClass::QuotaExhausted,
        429 if is_quota(&message(body)) => ErrorClass::QuotaExhausted,
        429 => ErrorClass::RateLimited,
        // 499: Cohere gave the request up itself.
        408 | 499 | 500..=599 => ErrorClass::ProviderDown,
        200..=299 => ErrorClass::ProviderDown,
        _ => ErrorClass::RequestRejected,
    }
}

pub(super) fn judge(status: StatusCode, body: &[u8]) -> Verdict {
    match status.as_u16() {
        // A web page says yes to everybody.
        200..=299 if body.trim_ascii_start().first() == Some(&b'{') => Verdict::Valid,
        401 | 498 => Verdict::Invalid,
        402 => Verdict::NoQuota,
        403 => Verdict::NoPermission,
        429 if is_quota(&message(body)) => Verdict::NoQuota,
        // Too many calls: only a known key is counted.
        429 => Verdict::Valid,
        408 | 500..=599 => Verdict::Unreachable,
        other => Verdict::Inconclusive(other),
    }
}

/// The class of an answer that ended for this reason; `None` when it ended well.
pub(super) fn of_finish(reason: &str) -> Option<ErrorClass> {
    match reason {
        "ERROR" | "TIMEOUT" => Some(ErrorClass::ProviderDown),
        // The prompt was too long, or what came out was withheld.
        "ERROR_LIMIT" | "ERROR_TOXIC" => Some(ErrorClass::RequestRejected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTHLY: &str = r#"{"id":"1","message":"You are using a Trial key, which is limited to 1000 API calls / month. You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits."}"#;
    const MINUTELY: &str = r#"{"id":"1","message":"You are using a Trial key, which is limited to 10 API calls / minute. You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits."}"#;

    #[test]
    fn refusals_and_verdicts_are_told_by_status_and_words() {
        use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
        let invalid = r#"{"id":"1","message":"invalid api token"}"#;
        let model = r#"{"id":"1","message":"model 'command-0' not found, make sure the correct model ID was used and that you have access to the model."}"#;
        for (status, body, class, verdict) in [
            (401, invalid, KeyRejected, Verdict::Invalid),
            (498, "{}", KeyRejected, Verdict::Invalid),
            (402, "{}", QuotaExhausted, Verdict::NoQuota),
            (403, "{}", RequestRejected, Verdict::NoPermission),
            (404, model, RequestRejected, Verdict::Inconclusive(404)),
            (422, "{}", RequestRejected, Verdict::Inconclusive(422)),
            (429, MONTHLY, QuotaExhausted, Verdict::NoQuota),
            (429, MINUTELY, RateLimited, Verdict::Valid),
            (429, "<html>", RateLimited, Verdict::Valid),
            (499, "{}", ProviderDown, Verdict::Inconclusive(499)),
            (500, "", ProviderDown, Verdict::Unreachable),
            (504, "", ProviderDown, Verdict::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(classify(status, body.as_bytes()), class, "{status} {body}");
            assert_eq!(judge(status, body.as_bytes()), verdict, "{status} {body}");
        }
        assert_eq!(judge(StatusCode::OK, br#"{"models":[]}"#), Verdict::Valid);
        assert_eq!(judge(StatusCode::OK, b"<!doctype html>"), Verdict::Inconclusive(200));
    }

    #[test]
    fn most_reasons_to_finish_are_no_failures() {
        for (reason, class) in [
            ("COMPLETE", None),
            ("MAX_TOKENS", None),
            ("TOOL_CALL", None),
            ("USER_CANCEL", None),
            ("ERROR", Some(ErrorClass::ProviderDown)),
            ("TIMEOUT", Some(ErrorClass::ProviderDown)),
            ("ERROR_LIMIT", Some(ErrorClass::RequestRejected)),
            ("ERROR_TOXIC", Some(ErrorClass::RequestRejected)),
        ] {
            assert_eq!(of_finish(reason), class, "{reason}");
        }
    }
}
