//! A provider's key in the clear.

use byok_domain::KeyHint;
use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A provider's key in the clear, between its opening and the one header it goes out in.
///
/// Wiped when dropped; it never grows, so that no copy stays behind. It cannot be formatted,
/// cloned, compared or serialized.
pub struct ProviderSecret(Zeroizing<Vec<u8>>);

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
        let secret = Self(Zeroizing::new(text.into_bytes()));
        if secret.0.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        if secret.0.len() > Self::MAX_BYTES {
            return Err(InvalidSecret::TooLong);
        }
        if !secret.0.iter().all(u8::is_ascii_graphic) {
            return Err(InvalidSecret::Unprintable);
        }
        Ok(secret)
    }

    /// What came out of a record: only parsed secrets go in.
    pub(crate) fn opened(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The part that people may see.
    pub fn hint(&self) -> KeyHint {
        let mut text = String::from_utf8_lossy(&self.0).into_owned();
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
        let mut text = Zeroizing::new(Vec::with_capacity(prefix.len() + self.0.len()));
        text.extend_from_slice(prefix.as_bytes());
        text.extend_from_slice(&self.0);
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .expect("visible ASCII after a prefix of our own is a header value");
        value.set_sensitive(true);
        value
    }

    /// Whether the key begins like those of a kind (`sk-ant-`).
    pub fn starts_with(&self, beginning: &str) -> bool {
        self.0.starts_with(beginning.as_bytes())
    }

    /// Lends the key to a signer, for schemes in which the key itself is not sent. What the signer
    /// makes of it must not outlive `sign`, nor be shown.
    pub fn lend<R>(&self, sign: impl FnOnce(&str) -> R) -> R {
        sign(std::str::from_utf8(&self.0).expect("visible ASCII is UTF-8"))
    }

    /// Whether the key occurs in `hay`.
    pub fn find_in(&self, hay: &[u8]) -> bool {
        // Most of what is searched is a header's value, shorter than any key.
        if !(Self::MIN_MASKED_BYTES..=hay.len()).contains(&self.0.len()) {
            return false;
        }
        // Preparing the better search takes over 1,000 instructions: too many for a short text.
        if hay.len() > 4096 {
            return memmem::find(hay, &self.0).is_some();
        }
        let last = self.0.len() - 1;
        memchr::memchr_iter(self.0[last], &hay[last..]).any(|at| hay[at..].starts_with(&self.0))
    }

    /// How many bytes at the end of `text` are a beginning of the key, and less than all of it: the
    /// rest may be in what follows. 0 for keys under [`Self::MIN_MASKED_BYTES`].
    pub fn begins_in_end_of(&self, text: &[u8]) -> usize {
        if self.0.len() < Self::MIN_MASKED_BYTES {
            return 0;
        }
        let end = &text[text.len().saturating_sub(self.0.len() - 1)..];
        let begins = |at: &usize| self.0.starts_with(&end[*at..]);
        memchr::memchr_iter(self.0[0], end).find(begins).map_or(0, |at| end.len() - at)
    }

    /// `text` with each occurrence of the key replaced by as many asterisks; `None` when it does
    /// not occur, which costs no allocation. Keys under [`Self::MIN_MASKED_BYTES`] are left alone.
    pub fn mask_in(&self, text: &[u8]) -> Option<Vec<u8>> {
        if !self.find_in(text) {
            return None;
        }
        let mut masked = text.to_vec();
        for start in memmem::find_iter(text, self.0.as_slice()) {
            masked[start..start + self.0.len()].fill(b'*');
        }
        Some(masked)
    }
}
