//! Leading a caller back here where the provider's answer names addresses to be called next.

use byok_providers::{NextAddress, readdressed};

use crate::request::Here;

/// The longest document in which addresses are replaced, in bytes; a page of a thousand batches has
/// less than one megabyte.
pub(crate) const LONGEST: u64 = 8 << 20;

/// Addresses in the body of an answer, and where they are to lead.
pub(crate) struct Readdressing {
    name: &'static str,
    path: fn(&str) -> Option<&str>,
    base: String,
}

impl Readdressing {
    /// What is to be done with the body of an answer, if anything.
    pub(crate) fn of(next: Option<&NextAddress>, here: Option<&Here>) -> Option<Self> {
        match (next, here) {
            (Some(NextAddress::Member { name, path }), Some(here)) => {
                Some(Self { name, path: *path, base: here.base.clone() })
            }
            _ => None,
        }
    }

    /// The document with our addresses in it; `None` when it cannot be read.
    pub(crate) fn apply(&self, document: &[u8]) -> Option<Vec<u8>> {
        readdressed(document, self.name, |url| {
            (self.path)(url).map(|path| format!("{}{path}", self.base))
        })
    }
}
