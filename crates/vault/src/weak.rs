//! Encryption keys that somebody made up, or copied from a page.

use zeroize::Zeroizing;

use crate::random::hex;

/// Keys that stand in test vectors: SHA-256 of nothing (what hashing an empty variable gives) and
/// the AES-256 key of NIST SP 800-38A.
const PUBLISHED: [&str; 2] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
];

/// Why a key is weak, as the end of the sentence "the key …"; `None` for one that may be random.
///
/// None of these would come out of a random generator in the lifetime of the universe.
pub(crate) fn weakness(key: &[u8; 32]) -> Option<&'static str> {
    if key.iter().all(|byte| *byte == 0) {
        return Some("is all zeros");
    }
    if key.iter().all(|byte| *byte == key[0]) {
        return Some("repeats one byte");
    }
    let step = key[1].wrapping_sub(key[0]);
    if key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        return Some("counts up or down");
    }
    if [2, 4, 8, 16].into_iter().any(|period| key[period..] == key[..32 - period]) {
        return Some("repeats a short pattern");
    }
    let mut seen = [false; 256];
    key.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    if seen.iter().filter(|seen| **seen).count() < 10 {
        return Some("repeats a few bytes");
    }
    if key.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return Some("spells text");
    }
    let text = Zeroizing::new(hex(key));
    PUBLISHED.contains(&text.as_str()).then_some("is a published example")
}
