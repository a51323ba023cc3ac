//! What a delivery tells.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::keys::KeyStatus;
use crate::receipt::Fallback;
use crate::timestamp::Timestamp;

/// Something that happened. It may be told more than once, and events in any order: keep the `id`s
/// that you have handled.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its id, the same each time it is told.
    pub id: String,
    /// Its name, such as `byok.fallback`.
    pub event: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// The project that it happened in.
    pub project_id: String,
    /// What happened.
    pub data: EventData,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventData {
    /// `byok.key_invalid`: a provider no longer accepts a customer's key.
    KeyInvalid {
        /// The key.
        key: Key,
        /// Why, in a sentence.
        reason: String,
    },
    /// `byok.quota_warning`: a key comes close to its provider's limits.
    QuotaWarning {
        /// The key.
        key: Key,
        /// What runs out: `requests`, `tokens`.
        limit: String,
        /// How much of it is allowed.
        allowed: u64,
        /// How much is left.
        remaining: u64,
    },
    /// `byok.fallback`: credits paid for a call in the place of the customer's key.
    Fallback {
        /// The provider that was called.
        provider: String,
        /// The customer.
        ref_id: String,
        /// Why.
        reason: Fallback,
        /// The call.
        request_id: String,
    },
    /// `byok.recovered`: a key that was left alone works again.
    Recovered {
        /// The key.
        key: Key,
    },
    /// `provider_key.connected`: a customer's key was stored or replaced.
    KeyConnected {
        /// The key.
        key: Key,
        /// What its provider said of it.
        status: KeyStatus,
        /// Whether it took another's place.
        updated: bool,
    },
    /// `provider_key.revoked`: a customer's key was removed.
    KeyRevoked {
        /// The key.
        key: Key,
    },
    /// `credits.low`: a customer's credits run out soon.
    CreditsLow {
        /// The customer.
        ref_id: String,
        /// What is left.
        available: u64,
    },
    /// `credits.exhausted`: a customer has no credits left.
    CreditsExhausted {
        /// The customer.
        ref_id: String,
    },
    /// `webhook.test`: somebody tries the endpoint out.
    Test,
    /// Something that is newer than this crate: see [`Event::event`]. Answer it with a success.
    Unknown(Value),
}

/// A customer's key, as far as it is told of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Key {
    /// Its id.
    pub key_id: String,
    /// The provider.
    pub provider: String,
    /// The customer.
    pub ref_id: String,
    /// What tells it from the customer's other keys there; empty when nothing was said.
    pub label: String,
    /// The part of it that people may see.
    pub key_hint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    event: String,
    created_at: Timestamp,
    project_id: String,
    #[serde(default)]
    data: Value,
}

impl Event {
    /// Reads the body of a delivery.
    pub(super) fn read(body: &[u8]) -> serde_json::Result<Self> {
        let Wire { id, event, created_at, project_id, data } = serde_json::from_slice(body)?;
        let data = EventData::read(&event, &data).unwrap_or(EventData::Unknown(data));
        Ok(Self { id, event, created_at, project_id, data })
    }
}

impl EventData {
    /// `None` for an event that is not known, or not in this form.
    fn read(event: &str, data: &Value) -> Option<Self> {
        let key = || Key::deserialize(data).ok();
        Some(match event {
            "byok.key_invalid" => Self::KeyInvalid { key: key()?, reason: field(data, "reason")? },
            "byok.quota_warning" => Self::QuotaWarning {
                key: key()?,
                limit: field(data, "limit")?,
                allowed: field(data, "allowed")?,
                remaining: field(data, "remaining")?,
            },
            "byok.fallback" => Self::Fallback {
                provider: field(data, "provider")?,
                ref_id: field(data, "refId")?,
                reason: field(data, "reason")?,
                request_id: field(data, "requestId")?,
            },
            "byok.recovered" => Self::Recovered { key: key()? },
            "provider_key.connected" => Self::KeyConnected {
                key: key()?,
                status: field(data, "status")?,
                updated: field(data, "updated")?,
            },
            "provider_key.revoked" => Self::KeyRevoked { key: key()? },
            "credits.low" => Self::CreditsLow {
                ref_id: field(data, "refId")?,
                available: field(data, "available")?,
            },
            "credits.exhausted" => Self::CreditsExhausted { ref_id: field(data, "refId")? },
            "webhook.test" => Self::Test,
            _ => return None,
        })
    }
}

fn field<T: DeserializeOwned>(data: &Value, name: &str) -> Option<T> {
    T::deserialize(data.get(name)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: &str, data: &Value) -> EventData {
        let body = json!({
            "id": "evt_1", "event": event, "createdAt": "2026-01-31T12:00:00.000Z",
            "projectId": "proj_1", "data": data,
        });
        let read = Event::read(body.to_string().as_bytes()).expect("an event");
        assert_eq!((read.id.as_str(), read.event.as_str()), ("evt_1", event));
        read.data
    }

    #[test]
    fn every_event_has_its_type() {
        let wire = json!({
            "keyId": "pk_1", "provider": "openai", "refId": "c", "label": "", "keyHint": "…abcd",
            "reason": "key_rejected", "limit": "tokens", "allowed": 9, "remaining": 1,
            "status": "valid", "updated": true, "requestId": "r", "available": 5,
        });
        let key = Key {
            key_id: "pk_1".into(),
            provider: "openai".into(),
            ref_id: "c".into(),
            label: String::new(),
            key_hint: "…abcd".into(),
        };
        for (event, expected) in [
            (
                "byok.key_invalid",
                EventData::KeyInvalid { key: key.clone(), reason: "key_rejected".into() },
            ),
            (
                "byok.quota_warning",
                EventData::QuotaWarning {
                    key: key.clone(),
                    limit: "tokens".into(),
                    allowed: 9,
                    remaining: 1,
                },
            ),
            (
                "byok.fallback",
                EventData::Fallback {
                    provider: "openai".into(),
                    ref_id: "c".into(),
                    reason: Fallback::KeyRejected,
                    request_id: "r".into(),
                },
            ),
            ("byok.recovered", EventData::Recovered { key: key.clone() }),
            (
                "provider_key.connected",
                EventData::KeyConnected {
                    key: key.clone(),
                    status: KeyStatus::Valid,
                    updated: true,
                },
            ),
            ("provider_key.revoked", EventData::KeyRevoked { key }),
            ("credits.low", EventData::CreditsLow { ref_id: "c".into(), available: 5 }),
            ("credits.exhausted", EventData::CreditsExhausted { ref_id: "c".into() }),
            ("webhook.test", EventData::Test),
        ] {
            assert_eq!(read(event, &wire), expected, "{event}");
        }
    }

    #[test]
    fn what_is_newer_than_this_crate_is_told_as_it_came() {
        let data = json!({"a": 1});
        assert_eq!(read("byok.exploded", &data), EventData::Unknown(data.clone()));
        assert_eq!(read("credits.low", &data), EventData::Unknown(data));
        let odd = json!({"provider": "p", "refId": "c", "requestId": "r", "reason": "new"});
        assert!(matches!(
            read("byok.fallback", &odd),
            EventData::Fallback { reason: Fallback::Other, .. }
        ));
    }
}
