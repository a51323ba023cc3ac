//! Provider keys: what is known of one without opening it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What the provider last said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// The provider accepted it.
    Valid,
    /// The provider rejected it.
    Invalid,
    /// The provider could not be asked; the key counts as usable.
    Unverified,
}

impl KeyStatus {
    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unverified => "unverified",
        }
    }

    /// The status that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Valid, Self::Invalid, Self::Unverified].into_iter().find(|s| s.as_str() == text)
    }
}

/// What belongs to a key beside the secret: `baseUrl`, `region`, `deploymentName`, ….
///
/// Which fields a provider takes, and what they may hold, is checked by that provider's module
/// before a value of this type is stored. Field names are those of the API.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderConfig(BTreeMap<String, String>);

/// What stands where a secret was. No secret is that: all are ASCII.
const TAKEN: &str = "…";

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProviderConfig").field(&self.shown().0).finish()
    }
}

impl ProviderConfig {
    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Sets a field.
    pub fn set(&mut self, field: &str, value: impl Into<String>) {
        self.0.insert(field.to_owned(), value.into());
    }

    /// Takes the value of a field that is part of a credential out, and leaves behind that it was
    /// there. `None` when it is not set, or was taken before.
    pub fn take_secret(&mut self, field: &str) -> Option<String> {
        let value = self.0.get_mut(field).filter(|value| *value != TAKEN)?;
        Some(std::mem::replace(value, TAKEN.to_owned()))
    }

    /// The customer's own address for the provider, if one is set.
    pub fn base_url(&self) -> Option<&str> {
        self.get("baseUrl")
    }

    /// Fields and values, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value.as_str()))
    }

    /// As it may be shown: of what is part of a credential, only that it is there.
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if let Some(token) = shown.0.get_mut("sessionToken") {
            TAKEN.clone_into(token);
        }
        shown
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The part of a key that people recognise it by: `…` and its last four characters, and those only
/// of a key of at least 20 characters, so that a hint never gives a short secret away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHint(String);

impl KeyHint {
    /// The hint of `key`.
    pub fn of(key: &str) -> Self {
        let count = key.chars().count();
        let tail: String =
            if count >= 20 { key.chars().skip(count - 4).collect() } else { String::new() };
        Self(format!("…{tail}"))
    }

    /// A hint read back from where it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// As shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_token_is_not_shown() {
        let mut config = ProviderConfig::default();
        config.set("region", "us-east-1");
        config.set("sessionToken", "FwoGZXIvYXdzEXAMPLE");
        assert!(!format!("{config:?}").contains("EXAMPLE"));
        let shown = config.shown();
        assert_eq!(
            (shown.get("region"), shown.get("sessionToken")),
            (Some("us-east-1"), Some("…"))
        );
    }

    #[test]
    fn a_secret_is_taken_out_once_and_leaves_that_it_was_there() {
        let mut config = ProviderConfig::default();
        assert_eq!(config.take_secret("sessionToken"), None);
        config.set("sessionToken", "FwoGZXIvYXdzEXAMPLE");
        assert_eq!(config.take_secret("sessionToken").as_deref(), Some("FwoGZXIvYXdzEXAMPLE"));
        assert_eq!(config.get("sessionToken"), Some("…"));
        assert_eq!(config.take_secret("sessionToken"), None);
    }

    #[test]
    fn a_hint_shows_four_characters_of_long_keys_and_none_of_short_ones() {
        for length in 1..=64 {
            let key: String = (0..length).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
            let hint = KeyHint::of(&key);
            let shown = hint.as_str().trim_start_matches('…');
            assert_eq!(shown.len(), if length >= 20 { 4 } else { 0 }, "length {length}");
            assert!(key.ends_with(shown));
        }
    }
}
