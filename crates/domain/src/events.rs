//! What receivers of webhooks are told: types of events, and the data of each.
//!
//! Data are ids, counts and masked hints: never a key, a prompt, a completion or an address.

use serde::Serialize;

use crate::call::QuotaWarning;
use crate::credits::Credits;
use crate::routing::FallbackReason;
use crate::{KeyHint, KeyStatus, ProviderId, ProviderKeyId, RefId, RequestId, Timestamp};

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A type of event. The texts are those of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType { $($(#[$doc])* $name,)* }

        impl EventType {
            /// Every type there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As written in the API and the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The type that `text` names.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|event| event.as_str() == text)
            }
        }
    };
}

types! {
    /// A key that worked is rejected by its provider.
    KeyInvalid = "byok.key_invalid",
    /// A tenth or less of a key's quota is left.
    QuotaWarning = "byok.quota_warning",
    /// Credits paid, although the customer's own key goes first.
    Fallback = "byok.fallback",
    /// A key that was left alone is used again.
    Recovered = "byok.recovered",
    /// A customer's key was stored or replaced.
    KeyConnected = "provider_key.connected",
    /// A customer's key was removed.
    KeyRevoked = "provider_key.revoked",
    /// A customer's credits fell below what the project calls low.
    CreditsLow = "credits.low",
    /// A customer's credits ran out.
    CreditsExhausted = "credits.exhausted",
    /// Somebody asked for a test.
    Test = "webhook.test",
}

/// Milliseconds in which a customer's falling back for one reason is told once.
const FALLBACK_DEBOUNCE_MS: i64 = 15 * 60_000;
/// Milliseconds in which a key's running low is told once.
const QUOTA_DEBOUNCE_MS: i64 = 60 * 60_000;

/// A key, as far as it may be told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyData {
    /// The customer it belongs to.
    pub ref_id: RefId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// Its id.
    pub key_id: ProviderKeyId,
    /// The part of it that people may see.
    pub key_hint: KeyHint,
    /// What tells it from the customer's other keys there.
    pub label: String,
}

/// What happened, with what is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Event {
    /// See [`EventType::KeyInvalid`].
    KeyInvalid {
        /// The key.
        #[serde(flatten)]
        key: KeyData,
        /// Why, in our words.
        reason: String,
    },
    /// See [`EventType::QuotaWarning`].
    QuotaWarning {
        /// The key.
        #[serde(flatten)]
        key: KeyData,
        /// What is counted: `requests`, `tokens`, ….
        limit: Box<str>,
        /// How many there may be.
        max: u64,
        /// How many of them are left.
        remaining: u64,
        /// When the count begins anew, where the provider says.
        #[serde(serialize_with = "shown")]
        resets_at: Option<Timestamp>,
    },
    /// See [`EventType::Fallback`].
    Fallback {
        /// The customer.
        ref_id: RefId,
        /// The provider.
        provider: ProviderId,
        /// Why.
        reason: FallbackReason,
        /// The call.
        request_id: RequestId,
    },
    /// See [`EventType::Recovered`].
    Recovered {
        /// The key.
        #[serde(flatten)]
        key: KeyData,
    },
    /// See [`EventType::KeyConnected`].
    KeyConnected {
        /// The key.
        #[serde(flatten)]
        key: KeyData,
        /// What the provider said of it.
        status: KeyStatus,
        /// Whether it took another's place.
        updated: bool,
    },
    /// See [`EventType::KeyRevoked`].
    KeyRevoked {
        /// The key.
        #[serde(flatten)]
        key: KeyData,
    },
    /// See [`EventType::CreditsLow`].
    CreditsLow {
        /// The customer.
        ref_id: RefId,
        /// What it has.
        balance: Credits,
        /// What the project calls low.
        threshold: Credits,
    },
    /// See [`EventType::CreditsExhausted`].
    CreditsExhausted {
        /// The customer.
        ref_id: RefId,
        /// What it has.
        balance: Credits,
    },
    /// See [`EventType::Test`].
    Test {
        /// A sentence for people.
        message: String,
    },
}

/// How long an event like one that was told is not told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debounce {
    /// Events of a project with the same key are alike.
    pub key: String,
    /// For so many milliseconds.
    pub for_ms: i64,
}

impl Event {
    /// A warning of a key's quota.
    pub fn quota_warning(key: KeyData, warning: QuotaWarning) -> Self {
        let QuotaWarning { kind, limit: max, remaining, resets_at } = warning;
        Self::QuotaWarning { key, limit: kind, max, remaining, resets_at }
    }

    /// Its type.
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::KeyInvalid { .. } => EventType::KeyInvalid,
            Self::QuotaWarning { .. } => EventType::QuotaWarning,
            Self::Fallback { .. } => EventType::Fallback,
            Self::Recovered { .. } => EventType::Recovered,
            Self::KeyConnected { .. } => EventType::KeyConnected,
            Self::KeyRevoked { .. } => EventType::KeyRevoked,
            Self::CreditsLow { .. } => EventType::CreditsLow,
            Self::CreditsExhausted { .. } => EventType::CreditsExhausted,
            Self::Test { .. } => EventType::Test,
        }
    }

    /// How it is told less often than it happens. What tells of a change (of a key, of a balance)
    /// happens once by itself and has no debounce.
    pub fn debounce(&self) -> Option<Debounce> {
        // A refId may hold any character but a control character.
        match self {
            Self::Fallback { ref_id, provider, reason, .. } => Some(Debounce {
                key: format!("byok.fallback\n{ref_id}\n{provider}\n{}", reason.as_str()),
                for_ms: FALLBACK_DEBOUNCE_MS,
            }),
            Self::QuotaWarning { key, .. } => Some(Debounce {
                key: format!("byok.quota_warning\n{}", key.key_id),
                for_ms: QUOTA_DEBOUNCE_MS,
            }),
            _ => None,
        }
    }
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn shown<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeyData {
        KeyData {
            ref_id: RefId::parse("customer_1").expect("plain"),
            provider: ProviderId::new("openai"),
            key_id: ProviderKeyId::new("pk_1"),
            key_hint: KeyHint::of("sk-0123456789012345678901"),
            label: String::new(),
        }
    }

    #[test]
    fn every_type_reads_back_from_its_text() {
        for event in EventType::ALL {
            assert_eq!(EventType::parse(event.as_str()), Some(*event));
        }
        assert_eq!(EventType::parse("byok.*"), None);
    }

    #[test]
    fn events_are_told_with_ids_and_masked_data() {
        let warning = QuotaWarning::of("tokens", 100, 5, Some(Timestamp::from_millis(0)));
        let warned = Event::quota_warning(key(), warning.expect("little"));
        assert_eq!(
            serde_json::to_value(&warned).expect("plain"),
            serde_json::json!({
                "refId": "customer_1", "provider": "openai", "keyId": "pk_1", "keyHint": "…8901",
                "label": "", "limit": "tokens", "max": 100, "remaining": 5,
                "resetsAt": "1970-01-01T00:00:00.000Z",
            })
        );
        let fallback = Event::Fallback {
            ref_id: key().ref_id,
            provider: key().provider,
            reason: FallbackReason::KeyRejected,
            request_id: RequestId::from_bytes([0; 16]),
        };
        assert_eq!(
            serde_json::to_value(&fallback).expect("plain"),
            serde_json::json!({
                "refId": "customer_1", "provider": "openai", "reason": "key_rejected",
                "requestId": "00000000-0000-0000-0000-000000000000",
            })
        );
    }

    #[test]
    fn a_fallback_is_told_once_a_reason_and_quarter_of_an_hour_and_a_quota_once_an_hour() {
        let fallback = |reason| Event::Fallback {
            ref_id: key().ref_id,
            provider: key().provider,
            reason,
            request_id: RequestId::from_bytes([0; 16]),
        };
        let one = fallback(FallbackReason::NoKey).debounce().expect("often");
        let other = fallback(FallbackReason::CircuitOpen).debounce().expect("often");
        assert_ne!(one.key, other.key);
        assert_eq!(one.for_ms, 900_000);
        let warning = QuotaWarning::of("tokens", 100, 5, None).expect("little");
        let warned = Event::quota_warning(key(), warning).debounce().expect("often");
        assert_eq!(warned.for_ms, 3_600_000);
        assert_eq!(Event::Recovered { key: key() }.debounce(), None);
    }
}
