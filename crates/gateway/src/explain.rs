//! A provider's refusal, in a sentence for a person.

use byok_domain::{ErrorClass, KeySource};
use http::{HeaderMap, header};

/// What `class` means and what to do about it.
pub(crate) fn refusal(
    provider: &str,
    class: ErrorClass,
    source: KeySource,
    headers: &HeaderMap,
) -> String {
    let whose = match source {
        KeySource::Byok => "this customer's",
        KeySource::Credits => "the platform's",
    };
    match class {
        ErrorClass::KeyRejected if source == KeySource::Credits => {
            format!(
                "{provider} does not accept the platform's key. The platform has to replace it."
            )
        }
        ErrorClass::KeyRejected => format!(
            "{provider} does not accept this customer's key. Ask the customer to connect a new one."
        ),
        ErrorClass::QuotaExhausted => format!(
            "The {provider} account behind {whose} key has no credit or quota left. It has to be topped up at {provider}."
        ),
        ErrorClass::RateLimited => {
            let wait = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            let wait = wait.map_or_else(
                || "Wait a little and try again".to_owned(),
                |seconds| format!("Try again after {seconds} s"),
            );
            format!("{provider} limits how often {whose} key may call. {wait}.")
        }
        ErrorClass::ProviderDown => {
            format!("{provider} is failing at the moment. Try again later.")
        }
        ErrorClass::RequestRejected | ErrorClass::Truncated | ErrorClass::ClientClosed => {
            format!("{provider} does not accept this request. Its own message says why.")
        }
    }
}
