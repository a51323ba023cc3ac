//! What Azure's refusals mean, where they differ from OpenAI's.

use byok_domain::ErrorClass;
use http::StatusCode;
use serde::Deserialize;

use crate::provider::Verdict;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Refusal,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: Option<String>,
    message: Option<String>,
}

impl Refusal {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice::<Body>(body).unwrap_or_default().error
    }

    /// Whether an identity is known and may not do this.
    fn is_permission(&self) -> bool {
        self.code.as_deref() == Some("PermissionDenied")
    }

    /// Whether the subscription's allowance is used up; its pace is another thing, although the
    /// message about that one has a link to ask for more quota.
    fn is_quota(&self) -> bool {
        let says = |words| self.message.as_deref().is_some_and(|text| text.contains(words));
        says("Out of call volume quota") || says("exceeded your current quota")
    }
}

/// The class of a refusal that OpenAI does not make.
pub(super) fn classify(status: StatusCode, body: &[u8]) -> Option<ErrorClass> {
    let refusal = Refusal::read(body);
    match status.as_u16() {
        401 if refusal.is_permission() => Some(ErrorClass::RequestRejected),
        403 | 429 if refusal.is_quota() => Some(ErrorClass::QuotaExhausted),
        _ => None,
    }
}

/// The same for the call that proves a key.
pub(super) fn judge(status: StatusCode, body: &[u8]) -> Option<Verdict> {
    let refusal = Refusal::read(body);
    match status.as_u16() {
        401 if refusal.is_permission() => Some(Verdict::NoPermission),
        403 | 429 if refusal.is_quota() => Some(Verdict::NoQuota),
        _ => None,
    }
}
