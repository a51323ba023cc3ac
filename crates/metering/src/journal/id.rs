//! The id of a journal, and of each time it is opened.

use std::fmt;

/// 128 random bits that name a journal folder, or one opening of it.
///
/// Each opening counts on from the last record it found. After a power loss that is not always the
/// last record there was, so a sequence number means something only together with the id of the
/// opening that gave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JournalId(u128);

impl JournalId {
    /// A new id from 128 random bits.
    pub const fn from_random(random: u128) -> Self {
        Self(random)
    }

    pub(crate) const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// 32 hex digits.
impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
