//! Randomness from the operating system.

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

/// `N` random bytes, fit for keys.
///
/// # Panics
/// If the operating system refuses to give randomness; there is no safe way on without it.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// A new encryption key in the form that `ENCRYPTION_KEY` takes: 64 hex characters.
pub fn random_key_hex() -> Zeroizing<String> {
    let mut key = random_bytes::<32>();
    let text = Zeroizing::new(hex(&key));
    key.zeroize();
    text
}

/// Lowercase hex of `bytes`, in one allocation that does not grow.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
