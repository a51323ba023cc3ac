//! The operator's token.

use ring::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random::random_bytes;

/// The operator's token, kept as a digest under a key of this process only.
pub struct AdminToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

/// Why a text cannot be the operator's token. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidAdminToken {
    /// Under [`AdminToken::MIN_CHARS`].
    #[error("has {found} characters but needs at least 32")]
    TooShort {
        /// How many characters there are.
        found: usize,
    },
    /// A space, a line break, a control character or one outside ASCII.
    #[error("has a space, a line break or a character outside ASCII, which no header can carry")]
    Unprintable,
    /// Fewer than [`AdminToken::MIN_DISTINCT`] different characters.
    #[error("repeats too few characters to be a secret")]
    Weak,
}

impl AdminToken {
    /// The shortest token in characters.
    pub const MIN_CHARS: usize = 32;

    /// The fewest different characters.
    pub const MIN_DISTINCT: usize = 8;

    /// Takes the operator's token and wipes the text.
    ///
    /// # Errors
    /// [`InvalidAdminToken`] says what is wrong with it.
    pub fn parse(text: String) -> Result<Self, InvalidAdminToken> {
        let text = Zeroizing::new(text);
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidAdminToken::Unprintable);
        }
        if text.len() < Self::MIN_CHARS {
            return Err(InvalidAdminToken::TooShort { found: text.len() });
        }
        let mut seen = [false; 256];
        text.bytes().for_each(|byte| seen[usize::from(byte)] = true);
        if seen.iter().filter(|seen| **seen).count() < Self::MIN_DISTINCT {
            return Err(InvalidAdminToken::Weak);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>());
        let tag = hmac::sign(&key, text.as_bytes());
        Ok(Self { key, tag })
    }

    /// Whether `candidate` is the token; the time taken depends on the candidate's length alone.
    pub fn matches(&self, candidate: &str) -> bool {
        hmac::verify(&self.key, candidate.as_bytes(), self.tag.as_ref()).is_ok()
    }
}
