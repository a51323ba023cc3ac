//! Tokens that callers identify themselves with, in the clear.

use byok_domain::KeyHint;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::random::random_bytes;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 256 bits in base 62.
const RANDOM_CHARS: usize = 43;
/// 32 bits in base 62.
const CHECKSUM_CHARS: usize = 6;
/// Longer than any prefix of ours with what follows it.
const MAX_BYTES: usize = 128;

/// A new token in the clear, to be shown once: a prefix that tells its kind, 43 characters of
/// base 62 that hold 256 random bits, and 6 characters of checksum, which let a scanner tell a
/// real token from a look-alike without asking anyone.
pub struct Token(Zeroizing<String>);

impl ZeroizeOnDrop for Token {}

impl Token {
    /// Makes a token that starts with `prefix` (`byo_sk_live_`).
    pub fn mint(prefix: &str) -> Self {
        let mut random = random_bytes::<32>();
        let token = Self::assemble(prefix, random);
        random.zeroize();
        token
    }

    fn assemble(prefix: &str, random: [u8; 32]) -> Self {
        let capacity = prefix.len() + RANDOM_CHARS + CHECKSUM_CHARS;
        let mut text = Zeroizing::new(String::with_capacity(capacity));
        text.push_str(prefix);
        let random = Zeroizing::new(base62(random));
        text.extend(random.iter().map(|digit| char::from(*digit)));
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.iter().map(|digit| char::from(*digit)));
        Self(text)
    }

    /// The token itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that people may see.
    pub fn hint(&self) -> KeyHint {
        KeyHint::of(&self.0)
    }
}

/// Whether `token` has the form of a token of ours and its checksum holds.
///
/// Says nothing of whether it was ever issued; what fails here need not be looked up.
pub fn checksum_holds(token: &str) -> bool {
    let bytes = token.as_bytes();
    if bytes.len() > MAX_BYTES || !token.starts_with("byo_") {
        return false;
    }
    let Some(start) = bytes.iter().rposition(|byte| *byte == b'_') else {
        return false;
    };
    let random_and_checksum = &bytes[start + 1..];
    if random_and_checksum.len() != RANDOM_CHARS + CHECKSUM_CHARS
        || !random_and_checksum.iter().all(u8::is_ascii_alphanumeric)
    {
        return false;
    }
    let (signed, found) = bytes.split_at(bytes.len() - CHECKSUM_CHARS);
    checksum(signed) == found
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut crc = crc32fast::hash(bytes);
    let mut digits = [0; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(crc % 62) as usize];
        crc /= 62;
    }
    digits
}

/// A number of 256 bits, most significant byte first, in base 62.
fn base62(mut number: [u8; 32]) -> [u8; RANDOM_CHARS] {
    let mut digits = [0; RANDOM_CHARS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("the remainder is below 62");
            remainder = value % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    digits
}
