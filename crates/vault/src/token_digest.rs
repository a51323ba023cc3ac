//! What is kept of a token: a digest under a secret of the installation.

use ring::hmac;
use zeroize::Zeroize;

/// The digest of a token: what is stored, and what a token is found by.
///
/// It is keyed, so whoever controls the text of a token controls no byte of its digest, and
/// comparing digests in ordinary time tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// As it is stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Read back from where it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Makes digests: HMAC-SHA256 under the pepper. Tokens hold 256 random bits, so a slow hash would
/// protect nothing and cost every call.
pub struct TokenHasher(hmac::Key);

impl TokenHasher {
    /// A hasher under the installation's pepper.
    pub fn new(mut pepper: [u8; 32]) -> Self {
        let hasher = Self(hmac::Key::new(hmac::HMAC_SHA256, &pepper));
        pepper.zeroize();
        hasher
    }

    /// The digest of what `parts` are together. `purpose` keeps it apart from those of tokens, and
    /// of other purposes: the same is known again, and nothing is read back from it.
    pub fn mark<'a>(&self, purpose: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.as_bytes());
        // No token has such a byte.
        context.update(b"\0");
        parts.into_iter().for_each(|part| context.update(part));
        context.sign().as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
    }

    /// The digest of a token, whatever its text.
    pub fn digest(&self, token: &str) -> TokenDigest {
        let tag = hmac::sign(&self.0, token.as_bytes());
        TokenDigest(tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes"))
    }
}
