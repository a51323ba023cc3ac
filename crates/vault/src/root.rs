//! The installation's own secrets: what tokens are hashed with, what the audit log is chained with.

/// An installation secret as it is stored: sealed under a key of the ring, bound to its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRoot {
    /// The ring's key that it is sealed under.
    pub kid: String,
    /// The sealed record.
    pub bytes: Vec<u8>,
}
