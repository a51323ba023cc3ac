//! Reading the operator's keys.

use zeroize::Zeroize;

use super::{Entry, Keyring, KeyringError};
use crate::Kid;
use crate::record::Key;
use crate::weak::weakness;

impl Keyring {
    /// A ring of one: 64 hex characters, term 1. `variable` is what errors name
    /// (`ENCRYPTION_KEY`, `ENCRYPTION_KEY_FILE`).
    ///
    /// # Errors
    /// [`KeyringError`] for anything but a key that may be random. A trailing line break of a file
    /// is the caller's to remove.
    pub fn parse(variable: &str, text: &str) -> Result<Self, KeyringError> {
        if text.is_empty() {
            return Err(KeyringError::Empty { variable: variable.to_owned() });
        }
        let key = key(variable, "", text)?;
        Ok(Self { entries: vec![Entry { kid: Kid::of(1, key.bytes()), term: 1, key }] })
    }

    /// A ring of several, `2:hex,1:hex`, the current one first. `variable` is what errors name
    /// (`ENCRYPTION_KEYS`, `ENCRYPTION_KEYS_FILE`).
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and for entries without a number or listed twice.
    pub fn parse_ring(variable: &str, text: &str) -> Result<Self, KeyringError> {
        if text.is_empty() {
            return Err(KeyringError::Empty { variable: variable.to_owned() });
        }
        let mut entries = Vec::<Entry>::new();
        for (index, entry) in text.split(',').enumerate() {
            let place = format!(" (entry {})", index + 1);
            let missing =
                || KeyringError::Term { variable: variable.to_owned(), place: place.clone() };
            let (term, hex) = entry.split_once(':').ok_or_else(missing)?;
            let plain = term.bytes().all(|byte| byte.is_ascii_digit());
            let term = term.parse::<u32>().ok().filter(|_| plain).ok_or_else(missing)?;
            let key = key(variable, &place, hex)?;
            let kid = Kid::of(term, key.bytes());
            for earlier in &entries {
                if earlier.term == term {
                    return Err(KeyringError::DuplicateTerm {
                        variable: variable.to_owned(),
                        term,
                    });
                }
                if earlier.kid.names_same_key(kid.as_str()) {
                    return Err(KeyringError::DuplicateKey {
                        variable: variable.to_owned(),
                        first: earlier.term,
                        second: term,
                    });
                }
            }
            entries.push(Entry { kid, term, key });
        }
        Ok(Self { entries })
    }
}

fn key(variable: &str, place: &str, text: &str) -> Result<Key, KeyringError> {
    let (variable, place) = (variable.to_owned(), place.to_owned());
    let not_hex = |c: char| !c.is_ascii_hexdigit();
    if let Some(index) = text.chars().position(not_hex) {
        return Err(KeyringError::NotHex { variable, place, position: index + 1 });
    }
    if text.len() != 64 {
        return Err(KeyringError::Length { variable, place, found: text.len() });
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        let value = high.zip(low).map_or(0, |(high, low)| high * 16 + low);
        *byte = u8::try_from(value).expect("two hex digits are a byte");
    }
    let weakness = weakness(&bytes);
    let key = Key::new(bytes);
    bytes.zeroize();
    match weakness {
        Some(why) => Err(KeyringError::Weak { variable, place, why }),
        None => Ok(key),
    }
}
