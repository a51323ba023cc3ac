//! What a project's webhooks are told: the types of event, their data, and which of them an
//! endpoint wants.

use serde::Serialize;
use serde_json::Value;

use crate::routing::FallbackReason;
use crate::time::HOUR_MS;
use crate::{KeyHint, KeyStatus, ProjectId, ProviderId, ProviderKeyId, RefId, Timestamp};

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A type of event. The texts are those of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
                Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
            }
        }
    };
}

event_types! {
    /// The provider no longer accepts a customer's key.
    KeyInvalid = "byok.key_invalid",
    /// A key comes close to what its provider allows it.
    QuotaWarning = "byok.quota_warning",
    /// A customer's call was paid with credits, its own key failing.
    Fallback = "byok.fallback",
    /// A key that was left alone for its failures works again.
    Recovered = "byok.recovered",
    /// A customer's key was stored or replaced.
    ProviderKeyConnected = "provider_key.connected",
    /// A customer's key was removed.
    ProviderKeyRevoked = "provider_key.revoked",
    /// A customer's credits run out soon.
    CreditsLow = "credits.low",
    /// A customer has no credits left.
    CreditsExhausted = "credits.exhausted",
    /// Somebody tries an endpoint out.
    WebhookTest = "webhook.test",
}

/// A customer's key, as far as it may be told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventKey {
    /// The key's id.
    pub key_id: ProviderKeyId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// The customer it belongs to.
    pub ref_id: RefId,
    /// What tells it from the customer's other keys there; empty when nothing was said.
    pub label: String,
    /// The part of it that people may see.
    pub key_hint: KeyHint,
}

/// What happened, with what a receiver is told of it: ids and masked data, never a key or a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// See [`EventType::KeyInvalid`].
    KeyInvalid {
        /// The key.
        key: EventKey,
        /// Why, in a sentence of ours.
        reason: String,
    },
    /// See [`EventType::QuotaWarning`].
    QuotaWarning {
        /// The key.
        key: EventKey,
        /// What runs out, by the provider's name for it (`requests`, `tokens`).
        limit: String,
        /// How much of it the key is allowed.
        allowed: u64,
        /// How much is left.
        remaining: u64,
    },
    /// See [`EventType::Fallback`].
    Fallback {
        /// The provider that was called.
        provider: ProviderId,
        /// The customer whose call it was.
        ref_id: RefId,
        /// Why, as in `x-byo-fallback`.
        reason: &'static str,
        /// The call, by its request id.
        request_id: String,
    },
    /// See [`EventType::Recovered`].
    Recovered {
        /// The key.
        key: EventKey,
    },
    /// See [`EventType::ProviderKeyConnected`].
    ProviderKeyConnected {
        /// The key.
        key: EventKey,
        /// What its provider said of it.
        status: KeyStatus,
        /// Whether it took another's place.
        updated: bool,
    },
    /// See [`EventType::ProviderKeyRevoked`].
    ProviderKeyRevoked {
        /// The key.
        key: EventKey,
    },
    /// See [`EventType::CreditsLow`].
    CreditsLow {
        /// The customer.
        ref_id: RefId,
        /// What it has left, in credits.
        available: u64,
    },
    /// See [`EventType::CreditsExhausted`].
    CreditsExhausted {
        /// The customer.
        ref_id: RefId,
    },
    /// See [`EventType::WebhookTest`].
    WebhookTest,
}

/// For how long an event like one that was told is not told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debounce {
    /// What makes two events alike.
    pub key: String,
    /// Until when it holds.
    pub until: Timestamp,
}

const QUARTER_MS: i64 = HOUR_MS / 4;

impl Event {
    /// Its type.
    pub fn kind(&self) -> EventType {
        match self {
            Self::KeyInvalid { .. } => EventType::KeyInvalid,
            Self::QuotaWarning { .. } => EventType::QuotaWarning,
            Self::Fallback { .. } => EventType::Fallback,
            Self::Recovered { .. } => EventType::Recovered,
            Self::ProviderKeyConnected { .. } => EventType::ProviderKeyConnected,
            Self::ProviderKeyRevoked { .. } => EventType::ProviderKeyRevoked,
            Self::CreditsLow { .. } => EventType::CreditsLow,
            Self::CreditsExhausted { .. } => EventType::CreditsExhausted,
            Self::WebhookTest => EventType::WebhookTest,
        }
    }

    /// The customer it concerns.
    pub fn ref_id(&self) -> Option<&RefId> {
        match self {
            Self::KeyInvalid { key, .. }
            | Self::QuotaWarning { key, .. }
            | Self::Recovered { key }
            | Self::ProviderKeyConnected { key, .. }
            | Self::ProviderKeyRevoked { key } => Some(&key.ref_id),
            Self::Fallback { ref_id, .. }
            | Self::CreditsLow { ref_id, .. }
            | Self::CreditsExhausted { ref_id } => Some(ref_id),
            Self::WebhookTest => None,
        }
    }

    /// Whether the customer is told by e-mail too, where e-mail is set up. One who has no key is
    /// not told that it does not work.
    pub fn is_noticed(&self) -> bool {
        match self {
            Self::KeyInvalid { .. } => true,
            Self::Fallback { reason, .. } => *reason != FallbackReason::NoKey.as_str(),
            _ => false,
        }
    }

    /// How often the customer is written to about an event of this kind at most, whatever the reason
    /// and with which of its keys at the provider; `None` for those that it is not told by e-mail.
    pub fn notice_debounce(&self, at: Timestamp) -> Option<Debounce> {
        let (provider, ref_id) = match self {
            Self::KeyInvalid { key, .. } => (&key.provider, &key.ref_id),
            Self::Fallback { provider, ref_id, .. } => (provider, ref_id),
            _ => return None,
        };
        let key = format!("notice:{}:{provider}:{ref_id}", self.kind().as_str());
        self.is_noticed().then(|| Debounce { key, until: at.plus_millis(HOUR_MS) })
    }

    /// How often an event of this kind is told at most, at `at`; `None` for those that are told
    /// each time, since what they tell of is a transition.
    pub fn debounce(&self, at: Timestamp) -> Option<Debounce> {
        let (subject, until) = match self {
            Self::Fallback { provider, ref_id, reason, .. } => {
                (format!("{provider}:{reason}:{ref_id}"), at.plus_millis(QUARTER_MS))
            }
            Self::QuotaWarning { key, .. } => (key.key_id.to_string(), at.plus_millis(HOUR_MS)),
            Self::CreditsLow { ref_id, .. } | Self::CreditsExhausted { ref_id } => {
                (ref_id.to_string(), at.plus_millis(QUARTER_MS))
            }
            Self::KeyInvalid { .. }
            | Self::Recovered { .. }
            | Self::ProviderKeyConnected { .. }
            | Self::ProviderKeyRevoked { .. }
            | Self::WebhookTest => return None,
        };
        Some(Debounce { key: format!("{}:{subject}", self.kind().as_str()), until })
    }

    /// The `data` of a delivery.
    pub fn data(&self) -> Value {
        let of = |key: &EventKey, more: Value| {
            let mut data = serde_json::to_value(key).expect("texts under names of our own");
            if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
                data.extend(more);
            }
            data
        };
        match self {
            Self::KeyInvalid { key, reason } => of(key, serde_json::json!({ "reason": reason })),
            Self::QuotaWarning { key, limit, allowed, remaining } => of(
                key,
                serde_json::json!({ "limit": limit, "allowed": allowed, "remaining": remaining }),
            ),
            Self::Fallback { provider, ref_id, reason, request_id } => serde_json::json!({
                "provider": provider, "refId": ref_id, "reason": reason, "requestId": request_id,
            }),
            Self::Recovered { key } | Self::ProviderKeyRevoked { key } => of(key, Value::Null),
            Self::ProviderKeyConnected { key, status, updated } => {
                of(key, serde_json::json!({ "status": status, "updated": updated }))
            }
            Self::CreditsLow { ref_id, available } => {
                serde_json::json!({ "refId": ref_id, "available": available })
            }
            Self::CreditsExhausted { ref_id } => serde_json::json!({ "refId": ref_id }),
            Self::WebhookTest => serde_json::json!({}),
        }
    }

    /// The body of a delivery: the bytes that are kept, signed and sent.
    pub fn body(&self, id: &str, project: &ProjectId, at: Timestamp) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            id: &'a str,
            event: &'static str,
            created_at: String,
            project_id: &'a ProjectId,
            data: Value,
        }
        let body = Body {
            id,
            event: self.kind().as_str(),
            created_at: at.to_string(),
            project_id: project,
            data: self.data(),
        };
        serde_json::to_string(&body).expect("texts and JSON under names of our own")
    }
}

/// Which events an endpoint wants: all (`*`), those of a family (`byok.*`), or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventFilter {
    /// Every event.
    All,
    /// Those whose type begins so, up to and with the dot.
    Family(String),
    /// This one.
    One(EventType),
}

impl EventFilter {
    /// Reads a filter; `None` for one that no event would ever pass.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if let Some(family) = text.strip_suffix('*') {
            let known = EventType::ALL.iter().any(|kind| kind.as_str().starts_with(family));
            return (family.ends_with('.') && known).then(|| Self::Family(family.to_owned()));
        }
        EventType::parse(text).map(Self::One)
    }

    /// Whether events of this type pass.
    pub fn passes(&self, kind: EventType) -> bool {
        match self {
            Self::All => true,
            Self::Family(family) => kind.as_str().starts_with(family.as_str()),
            Self::One(one) => *one == kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> EventKey {
        EventKey {
            key_id: ProviderKeyId::new("pk_1"),
            provider: ProviderId::new("openai"),
            ref_id: RefId::parse("customer_1").expect("a refId"),
            label: String::new(),
            key_hint: KeyHint::stored("…abcd".into()),
        }
    }

    fn fallback(reason: &'static str) -> Event {
        Event::Fallback {
            provider: ProviderId::new("openai"),
            ref_id: RefId::parse("customer_1").expect("a refId"),
            reason,
            request_id: "r-1".into(),
        }
    }

    #[test]
    fn filters_pass_all_a_family_or_one() {
        let passed = |text: &str| {
            let filter = EventFilter::parse(text)?;
            Some(EventType::ALL.iter().filter(|kind| filter.passes(**kind)).count())
        };
        for (text, count) in [
            ("*", Some(EventType::ALL.len())),
            ("byok.*", Some(4)),
            ("provider_key.*", Some(2)),
            ("credits.*", Some(2)),
            ("webhook.*", Some(1)),
            ("byok.fallback", Some(1)),
            ("byok", None),
            ("byok*", None),
            ("by*", None),
            ("b.*", None),
            (".*", None),
            ("**", None),
            ("", None),
            ("BYOK.*", None),
            ("byok.exploded", None),
        ] {
            assert_eq!(passed(text), count, "{text:?}");
        }
    }

    #[test]
    fn what_repeats_is_told_once_a_while_and_what_changes_each_time() {
        let at = Timestamp::from_millis(10 * HOUR_MS + 7);
        let quota =
            Event::QuotaWarning { key: key(), limit: "tokens".into(), allowed: 100, remaining: 9 };
        let until = |event: &Event| event.debounce(at).map(|d| d.until.as_millis());
        assert_eq!(until(&fallback("no_key")), Some(at.as_millis() + 15 * 60_000));
        assert_eq!(until(&quota), Some(at.as_millis() + HOUR_MS));
        assert_eq!(until(&Event::KeyInvalid { key: key(), reason: String::new() }), None);
        assert_eq!(until(&Event::Recovered { key: key() }), None);
        let alike = |a: &Event, b: &Event| a.debounce(at) == b.debounce(at);
        assert!(alike(&fallback("no_key"), &fallback("no_key")));
        assert!(!alike(&fallback("no_key"), &fallback("key_rejected")));
    }

    #[test]
    fn a_customer_is_written_to_once_an_hour_about_a_provider_and_a_kind_of_event() {
        let at = Timestamp::from_millis(10 * HOUR_MS + 7);
        let invalid = |key| Event::KeyInvalid { key, reason: String::new() };
        let second = EventKey { key_id: ProviderKeyId::new("pk_2"), ..key() };
        let elsewhere = EventKey { provider: ProviderId::new("mistral"), ..key() };
        let other = EventKey { ref_id: RefId::parse("customer_2").expect("a refId"), ..key() };
        let notice = |event: &Event| event.notice_debounce(at);
        let first = notice(&invalid(key())).expect("a notice");
        assert_eq!(first.until.as_millis(), at.as_millis() + HOUR_MS);
        assert_eq!(notice(&invalid(second)), Some(first.clone()));
        for unlike in [invalid(elsewhere), invalid(other), fallback("key_rejected")] {
            let notice = notice(&unlike);
            assert!(notice.is_some() && notice.as_ref() != Some(&first), "{unlike:?}");
        }
        assert_eq!(notice(&fallback("key_rejected")), notice(&fallback("provider_down")));
        for untold in [fallback("no_key"), Event::Recovered { key: key() }, Event::WebhookTest] {
            assert_eq!(notice(&untold), None, "{untold:?}");
        }
    }

    #[test]
    fn nobody_is_written_to_for_a_key_that_never_was() {
        for reason in FallbackReason::ALL {
            let noticed = fallback(reason.as_str()).is_noticed();
            assert_eq!(noticed, reason != FallbackReason::NoKey, "{reason:?}");
        }
    }

    #[test]
    fn a_body_has_the_fields_of_the_contract_in_their_order() {
        let event =
            Event::ProviderKeyConnected { key: key(), status: KeyStatus::Valid, updated: false };
        let body = event.body("evt_1", &ProjectId::new("proj_1"), Timestamp::from_millis(0));
        assert_eq!(
            body,
            r#"{"id":"evt_1","event":"provider_key.connected","createdAt":"1970-01-01T00:00:00.000Z","projectId":"proj_1","data":{"keyHint":"…abcd","keyId":"pk_1","label":"","provider":"openai","refId":"customer_1","status":"valid","updated":false}}"#
        );
    }

    #[test]
    fn types_read_back_from_their_texts() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(*kind));
        }
    }
}
