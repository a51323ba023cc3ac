//! Key ids: which key sealed a record, told without telling the key.

use std::fmt;

use ring::hmac;

use crate::random::hex;

/// The id of an encryption key: its term in the ring and a fingerprint of the key, `2-3f9a0c1e`.
///
/// The fingerprint, the first 8 hex characters of HMAC-SHA256(key, "byo-kid-v1"), is what a key is
/// found by; the term is the operator's own numbering. A key that moves from
/// `ENCRYPTION_KEYS=2:…` to `ENCRYPTION_KEY=…` so keeps opening what it sealed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kid(String);

impl Kid {
    /// The id of `key` under a term.
    pub(crate) fn of(term: u32, key: &[u8; 32]) -> Self {
        Self(format!("{term}-{}", fingerprint(key)))
    }

    /// As written in records and in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `kid`, of whatever term, names the same key.
    pub(crate) fn names_same_key(&self, kid: &str) -> bool {
        match (self.0.split_once('-'), kid.split_once('-')) {
            (Some((_, ours)), Some((_, theirs))) => ours == theirs,
            _ => false,
        }
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 8 hex characters of HMAC-SHA256(key, "byo-kid-v1").
pub(crate) fn fingerprint(key: &[u8; 32]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"byo-kid-v1");
    hex(&tag.as_ref()[..4])
}
