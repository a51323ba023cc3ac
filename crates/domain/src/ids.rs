//! Identifiers, a type each, so that one can never stand where another belongs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an id that this system issued (read from its database or just made).
            pub fn new(id: impl Into<Arc<str>>) -> Self {
                Self(id.into())
            }

            /// The id as it is written in the API.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A project: one product, one tenant of this system (`proj_…`).
    ProjectId
}
text_id! {
    /// A token that the project calls us with (`key_…`), not the token itself.
    ApiKeyId
}
text_id! {
    /// A stored provider key of a customer (`pk_…`), not the key itself.
    ProviderKeyId
}
text_id! {
    /// A provider by the name that the API uses for it (`openai`, `azure-openai`, …).
    ///
    /// Which names exist is known by the registry of the `providers` crate.
    ProviderId
}

text_id! {
    /// An endpoint that a project's events are delivered to (`wh_…`).
    WebhookId
}
text_id! {
    /// One event, the same in every delivery of it (`evt_…`).
    EventId
}
text_id! {
    /// One event on its way to one endpoint (`dlv_…`).
    DeliveryId
}

impl ProjectId {
    /// A new id from 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self::new(format!("proj_{random:032x}"))
    }
}

impl ApiKeyId {
    /// A new id from 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self::new(format!("key_{random:032x}"))
    }
}

impl ProviderKeyId {
    /// A new id from 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self::new(format!("pk_{random:032x}"))
    }
}

impl WebhookId {
    /// A new id from 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self::new(format!("wh_{random:032x}"))
    }
}

impl EventId {
    /// A new id from 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self::new(format!("evt_{random:032x}"))
    }
}

impl DeliveryId {
    /// A new id from 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self::new(format!("dlv_{random:032x}"))
    }
}

/// The customer of a project, by the project's own name for it.
///
/// 1 to 255 bytes of UTF-8 without control characters and without white space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RefId(Arc<str>);

/// Why a text cannot be a [`RefId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidRefId {
    /// Nothing, or nothing but white space.
    #[error("refId is empty; send the customer's id in your own system")]
    Empty,
    /// Over [`RefId::MAX_BYTES`].
    #[error("refId is longer than 255 bytes; send a shorter id")]
    TooLong,
    /// A control character, or white space at an end.
    #[error("refId has a control character or white space at an end; send a plain id")]
    Unprintable,
}

impl RefId {
    /// The longest refId in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Parses what a caller sent.
    ///
    /// # Errors
    /// [`InvalidRefId`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidRefId> {
        if text.trim().is_empty() {
            return Err(InvalidRefId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidRefId::TooLong);
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(InvalidRefId::Unprintable);
        }
        Ok(Self(text.into()))
    }

    /// The refId as the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RefId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RefId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One call: a version 7 UUID, so that ids sort by the time they were made.
///
/// It is the `x-request-id` of the answer, the id of the log row, and the key that makes writing
/// the row idempotent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

impl RequestId {
    /// An id from the time and 80 random bits.
    pub fn from_parts(at: crate::Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id that `text` spells, if it spells one.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// Writes the id into `buffer`, without an allocation.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.as_hyphenated().encode_lower(buffer)
    }

    /// The 16 bytes, in an order that sorts by time.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the 16 bytes of [`as_bytes`](Self::as_bytes).
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_ids_are_plain_printable_names() {
        for good in ["customer_123", "a", "org:7/user@example.com", "客户", &"x".repeat(255)] {
            assert!(RefId::parse(good).is_ok(), "{good:?}");
        }
        for (bad, why) in [
            ("", InvalidRefId::Empty),
            ("  ", InvalidRefId::Empty),
            ("a\nb", InvalidRefId::Unprintable),
            ("a\0", InvalidRefId::Unprintable),
            (" a", InvalidRefId::Unprintable),
            ("\u{85}x", InvalidRefId::Unprintable),
        ] {
            assert_eq!(RefId::parse(bad), Err(why), "{bad:?}");
        }
        assert_eq!(RefId::parse(&"x".repeat(256)), Err(InvalidRefId::TooLong));
    }

    #[test]
    fn request_ids_sort_by_time_and_survive_a_round_trip() {
        let earlier = RequestId::from_parts(crate::Timestamp::from_millis(1_000), [255; 10]);
        let later = RequestId::from_parts(crate::Timestamp::from_millis(1_001), [0; 10]);
        assert!(earlier < later && earlier.to_string() < later.to_string());
        assert_eq!(RequestId::parse(&later.to_string()), Some(later));
        assert_eq!(RequestId::from_bytes(*later.as_bytes()), later);
    }
}
