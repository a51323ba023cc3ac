//! The key that chains the audit log.

use ring::hmac;
use zeroize::Zeroize;

use crate::random::hex;

/// The key that chains the audit log: without it nobody can write a past that fits.
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// The key from its 32 bytes.
    pub fn new(mut key: [u8; 32]) -> Self {
        let chain = Self(hmac::Key::new(hmac::HMAC_SHA256, &key));
        key.zeroize();
        chain
    }

    /// The hash of an entry: lowercase hex of HMAC-SHA256 over its bytes, which include the hash
    /// of the entry before.
    pub fn chain(&self, bytes: &[u8]) -> String {
        hex(hmac::sign(&self.0, bytes).as_ref())
    }
}
