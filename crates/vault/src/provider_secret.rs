//! A provider's key in the clear.

use byok_domain::KeyHint;
use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A provider's key in the clear, between its opening and the one header it goes out in, and the
/// session token that goes with it, where the provider issues such.
///
/// Wiped when dropped; it never grows, so that no copy stays behind. It cannot be formatted,
/// cloned, compared or serialized.
pub struct ProviderSecret {
    /// The key; behind [`SEPARATOR`] the session token, if there is one.
    bytes: Zeroizing<Vec<u8>>,
    /// Where the key ends.
    key_end: usize,
}

/// Between key and session token in what is sealed. Neither can hold it.
const SEPARATOR: u8 = 0;

impl ZeroizeOnDrop for ProviderSecret {}

/// Why a text cannot be a provider's key. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSecret {
    /// Nothing at all.
    #[error("the key is empty; send the key that the provider issued")]
    Empty,
    /// Over [`ProviderSecret::MAX_BYTES`].
    #[error("the key is longer than 8192 characters; send the key alone")]
    TooLong,
    /// A space, a line break, a control character or one outside ASCII.
    #[error(
        "the key has a space, a line break or another character that no key has; copy it again"
    )]
    Unprintable,
}

impl ProviderSecret {
    /// The longest key in bytes.
    pub const MAX_BYTES: usize = 8192;

    /// The shortest key that is looked for in what a provider answers.
    ///
    /// Self-hosted endpoints take `none` or `ollama` for a key: masking such words would spoil
    /// honest answers and protect nothing.
    pub const MIN_MASKED_BYTES: usize = 8;

    /// Takes what a customer sent: 1 to 8192 visible ASCII characters. The memory of a refused
    /// text is wiped.
    ///
    /// # Errors
    /// [`InvalidSecret`] says what is wrong with it.
    pub fn parse(text: String) -> Result<Self, InvalidSecret> {
        let bytes = Zeroizing::new(text.into_bytes());
        check(&bytes)?;
        Ok(Self::opened(bytes))
    }

    /// The same key with the session token that the provider issued with it, in place of one that
    /// it may have. What a key may hold, a token may.
    ///
    /// # Errors
    /// [`InvalidSecret`] says what is wrong with the token.
    pub fn with_session_token(self, token: String) -> Result<Self, InvalidSecret> {
        let token = Zeroizing::new(token.into_bytes());
        check(&token)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.key_end + 1 + token.len()));
        bytes.extend_from_slice(self.key());
        bytes.push(SEPARATOR);
        bytes.extend_from_slice(&token);
        Ok(Self { bytes, key_end: self.key_end })
    }

    /// What came out of a record: only parsed secrets go in.
    pub(crate) fn opened(bytes: Zeroizing<Vec<u8>>) -> Self {
        let key_end = memchr::memchr(SEPARATOR, &bytes).unwrap_or(bytes.len());
        Self { bytes, key_end }
    }

    /// What is sealed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_end]
    }

    fn session_token(&self) -> Option<&[u8]> {
        self.bytes.get(self.key_end + 1..)
    }

    /// Key and session token, those of them that are looked for in answers.
    fn masked_parts(&self) -> impl Iterator<Item = &[u8]> {
        let parts = [Some(self.key()), self.session_token()];
        parts.into_iter().flatten().filter(|part| part.len() >= Self::MIN_MASKED_BYTES)
    }

    /// The part that people may see.
    pub fn hint(&self) -> KeyHint {
        let mut text = String::from_utf8_lossy(self.key()).into_owned();
        let hint = KeyHint::of(&text);
        text.zeroize();
        hint
    }

    /// The header that carries the key, after `prefix` (`"Bearer "`, or nothing). Marked sensitive,
    /// and its memory is wiped with its last clone.
    ///
    /// # Panics
    /// If `prefix` cannot stand in a header: prefixes are ours, not a caller's.
    pub fn header_value(&self, prefix: &str) -> HeaderValue {
        let mut text = Zeroizing::new(Vec::with_capacity(prefix.len() + self.key_end));
        text.extend_from_slice(prefix.as_bytes());
        text.extend_from_slice(self.key());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .expect("visible ASCII after a prefix of our own is a header value");
        value.set_sensitive(true);
        value
    }

    /// Whether the key begins like those of a kind (`sk-ant-`).
    pub fn starts_with(&self, beginning: &str) -> bool {
        self.key().starts_with(beginning.as_bytes())
    }

    /// Lends key and session token to a signer, for schemes in which the key itself is not sent.
    /// What the signer makes of them must not outlive `sign`, nor be shown.
    pub fn lend<R>(&self, sign: impl FnOnce(&str, Option<&str>) -> R) -> R {
        let text = |bytes| std::str::from_utf8(bytes).expect("visible ASCII is UTF-8");
        sign(text(self.key()), self.session_token().map(text))
    }

    /// Whether the key or its session token occurs in `hay`.
    pub fn find_in(&self, hay: &[u8]) -> bool {
        self.masked_parts().any(|part| occurs(part, hay))
    }

    /// How many bytes at the end of `text` are a beginning of the key or its session token, and
    /// less than all of it: the rest may be in what follows. Parts under
    /// [`Self::MIN_MASKED_BYTES`] count for nothing.
    pub fn begins_in_end_of(&self, text: &[u8]) -> usize {
        self.masked_parts().map(|part| begun(part, text)).max().unwrap_or(0)
    }

    /// `text` with each occurrence of the key or its session token replaced by as many asterisks;
    /// `None` when there is none, which costs no allocation. Parts under
    /// [`Self::MIN_MASKED_BYTES`] are left alone.
    pub fn mask_in(&self, text: &[u8]) -> Option<Vec<u8>> {
        if !self.find_in(text) {
            return None;
        }
        let mut masked = text.to_vec();
        for part in self.masked_parts() {
            for start in memmem::find_iter(text, part) {
                masked[start..start + part.len()].fill(b'*');
            }
        }
        Some(masked)
    }
}

/// Whether `bytes` can be a key, or a session token.
fn check(bytes: &[u8]) -> Result<(), InvalidSecret> {
    if bytes.is_empty() {
        return Err(InvalidSecret::Empty);
    }
    if bytes.len() > ProviderSecret::MAX_BYTES {
        return Err(InvalidSecret::TooLong);
    }
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(InvalidSecret::Unprintable);
    }
    Ok(())
}

fn occurs(part: &[u8], hay: &[u8]) -> bool {
    // Most of what is searched is a header's value, shorter than any key.
    let Some(last) = part.len().checked_sub(1).filter(|last| *last < hay.len()) else {
        return false;
    };
    // Preparing the better search takes over 1,000 instructions: too many for a short text.
    if hay.len() > 4096 {
        return memmem::find(hay, part).is_some();
    }
    memchr::memchr_iter(part[last], &hay[last..]).any(|at| hay[at..].starts_with(part))
}

fn begun(part: &[u8], text: &[u8]) -> usize {
    let end = &text[text.len().saturating_sub(part.len() - 1)..];
    let begins = |at: &usize| part.starts_with(&end[*at..]);
    memchr::memchr_iter(part[0], end).find(begins).map_or(0, |at| end.len() - at)
}
