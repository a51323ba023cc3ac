//! Refusals of calls that nobody pays for.

use byok_domain::limits::{Limit, Reached};
use byok_domain::routing::Refusal;
use byok_domain::{ErrorClass, ProviderId};
use byok_gateway::NotPaid;
use byok_metering::Repeat;
use serde_json::json;

use crate::error::{ApiError, Code};

/// Nobody pays; `data` tells a program what there is to pay with, and what to do.
pub(super) fn not_paid(not_paid: &NotPaid) -> ApiError {
    let NotPaid { why, provider, byok_only, has_credits, providers, failed } = not_paid;
    let code = match why {
        Refusal::InsufficientCredits => Code::InsufficientCredits,
        Refusal::ByokRequired => Code::ByokRequired,
        Refusal::ByokNotInPlan => Code::ByokNotInPlan,
        Refusal::KeyNotConnected => Code::KeyNotConnected,
    };
    let has_key = providers.contains(provider);
    let suggestion = suggestion(*why, provider, has_key);
    let message = match failed.and_then(|class| failure(class, provider)) {
        Some(failure) => format!("{failure}; {suggestion}"),
        None => format!("{}; {suggestion}", reason(*why, provider)),
    };
    ApiError::new(code, message).with_data(json!({
        "byokOnlyMode": byok_only,
        "hasCredits": has_credits,
        "hasByok": !providers.is_empty(),
        "byokProviders": providers,
        "suggestion": suggestion,
    }))
}

/// How the customer's own key failed.
fn failure(class: ErrorClass, provider: &ProviderId) -> Option<String> {
    match class {
        ErrorClass::KeyRejected => Some(format!("{provider} does not accept this customer's key")),
        ErrorClass::QuotaExhausted => {
            Some(format!("The {provider} account behind this customer's key has no quota left"))
        }
        _ => None,
    }
}

fn reason(why: Refusal, provider: &ProviderId) -> String {
    match why {
        Refusal::InsufficientCredits => "This customer has no credits to pay with".to_owned(),
        Refusal::ByokRequired | Refusal::KeyNotConnected => {
            format!("This customer has connected no {provider} key")
        }
        Refusal::ByokNotInPlan => "This customer's plan has no keys of its own".to_owned(),
    }
}

fn suggestion(why: Refusal, provider: &ProviderId, has_key: bool) -> String {
    match (why, has_key) {
        (Refusal::ByokNotInPlan, _) => {
            "put the customer on a plan that allows them (PATCH /customers/{refId}).".to_owned()
        }
        (Refusal::ByokRequired | Refusal::KeyNotConnected, false) => {
            format!("connect a key for {provider} with POST /keys/connect.")
        }
        (Refusal::ByokRequired | Refusal::KeyNotConnected, true) => {
            format!("mend the {provider} key, or connect another with POST /keys/connect.")
        }
        (Refusal::InsufficientCredits, false) => {
            format!("add credits, or connect a key for {provider} with POST /keys/connect.")
        }
        (Refusal::InsufficientCredits, true) => {
            format!("add credits, or mend the {provider} key.")
        }
    }
}

/// Nobody can say whether a limit of the customer's plan is reached. Whoever found that out has
/// logged it, once for all calls.
pub(super) fn uncounted() -> ApiError {
    ApiError::new(
        Code::Unavailable,
        "The limits of this customer's plan cannot be checked at the moment; try again shortly, or \
         connect a key of the customer's own, which no limit of the plan binds.",
    )
    .retry_after(1)
}

/// A limit of the customer's plan is reached.
pub(super) fn limited(reached: &Reached) -> ApiError {
    let Reached { limit, retry_after_s, remaining } = reached;
    let what = match limit {
        Limit::RequestsPerMinute => "calls in a minute",
        Limit::TokensPerDay => "tokens in a day",
        Limit::ConcurrentRequests => "calls at the same time",
    };
    let message = format!(
        "This customer's plan allows no more {what} on credits; try again after {retry_after_s} s, \
         or connect a key of the customer's own, which no limit of the plan binds."
    );
    ApiError::new(Code::RateLimited, message)
        .retry_after(*retry_after_s)
        .with_data(json!({ "limit": limit.as_str() }))
        .with_headers(remaining.headers())
}

/// The call repeats another, which credits pay for once.
pub(super) fn repeat(repeat: Repeat) -> ApiError {
    let (first, state, message) = match repeat {
        Repeat::Running(first) => (
            first,
            "running",
            "A call with this Idempotency-Key is under way; wait for its answer, or send a new key \
             to make another."
                .to_owned(),
        ),
        Repeat::Charged(first) => (
            first,
            "charged",
            format!(
                "The call with this Idempotency-Key was answered and charged, as \
                 GET /logs/{first} tells; send a new key to make another."
            ),
        ),
        Repeat::Other(first) => (
            first,
            "other",
            "This Idempotency-Key was sent with another request; send a new one.".to_owned(),
        ),
    };
    ApiError::new(Code::Conflict, message)
        .with_data(json!({ "repeats": first.to_string(), "state": state }))
}

/// What the call costs is not known.
pub(super) fn unpriced(model: Option<&str>) -> ApiError {
    let message = match model {
        Some(model) => format!(
            "The model {model} has no price, so credits cannot pay for it; set one with \
             PATCH /pricing, or connect a key of the customer's own."
        ),
        None => {
            "What this call costs is not known, so credits cannot pay for it; use a key of the \
                 customer's own."
                .to_owned()
        }
    };
    ApiError::new(Code::UnpricedModel, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn told(why: Refusal, providers: &[&'static str], failed: Option<ErrorClass>) -> Value {
        let not_paid = super::not_paid(&NotPaid {
            why,
            provider: ProviderId::new("openai"),
            byok_only: why == Refusal::ByokRequired,
            has_credits: false,
            providers: providers.iter().map(|id| ProviderId::new(*id)).collect(),
            failed,
        });
        serde_json::from_slice(&not_paid.to_json("r")).expect("JSON")
    }

    #[test]
    fn each_refusal_says_what_is_missing_and_what_to_do() {
        let rejected = Some(ErrorClass::KeyRejected);
        for (why, providers, failed, code, message) in [
            (
                Refusal::InsufficientCredits,
                &[][..],
                None,
                "insufficient_credits",
                "This customer has no credits to pay with; add credits, or connect a key for openai with POST /keys/connect.",
            ),
            (
                Refusal::InsufficientCredits,
                &["openai"],
                rejected,
                "insufficient_credits",
                "openai does not accept this customer's key; add credits, or mend the openai key.",
            ),
            (
                Refusal::ByokRequired,
                &["anthropic"],
                None,
                "byok_required",
                "This customer has connected no openai key; connect a key for openai with POST /keys/connect.",
            ),
            (
                Refusal::ByokRequired,
                &["openai"],
                Some(ErrorClass::QuotaExhausted),
                "byok_required",
                "The openai account behind this customer's key has no quota left; mend the openai key, or connect another with POST /keys/connect.",
            ),
            (
                Refusal::ByokNotInPlan,
                &["openai"],
                None,
                "byok_not_in_plan",
                "This customer's plan has no keys of its own; put the customer on a plan that allows them (PATCH /customers/{refId}).",
            ),
        ] {
            let told = told(why, providers, failed);
            assert_eq!((&told["error"], &told["message"]), (&code.into(), &message.into()));
            let data = &told["data"];
            assert_eq!(data["byokOnlyMode"], why == Refusal::ByokRequired);
            assert_eq!(
                (&data["hasCredits"], &data["hasByok"]),
                (&false.into(), &(!providers.is_empty()).into())
            );
            assert_eq!(data["byokProviders"], json!(providers));
            assert!(message.ends_with(data["suggestion"].as_str().expect("a text")));
        }
    }
}
