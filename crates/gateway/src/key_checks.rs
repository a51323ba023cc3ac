//! The port through which keys are had that their providers are to be asked about.

use async_trait::async_trait;
use byok_domain::{KeyStatus, Timestamp};

use crate::directory::{DirectoryError, StoredKey};

/// A key to ask about, leased to who asked for it: nobody else does until the lease is over.
#[derive(Clone, Debug)]
pub struct DueKey {
    /// The key.
    pub key: StoredKey,
    /// How often its provider could not be asked since it last told anything.
    pub tries: u32,
    /// Until when it is leased, which tells the lease from later ones.
    pub leased_until: Timestamp,
}

/// What a provider told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Valid or invalid.
    pub status: KeyStatus,
    /// Why it is not valid, in a sentence of ours.
    pub error: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
}

/// The keys of all projects by when they are to be asked about: implemented by `store`, or by a
/// host that keeps them elsewhere.
#[async_trait]
pub trait KeyChecks: Send + Sync + 'static {
    /// Leases keys that are due at `now`, the longest due first, until then; `most` of them. Those
    /// that are [fresh](byok_domain::key_checks::is_fresh) are put off instead.
    async fn claim(
        &self,
        now: Timestamp,
        leased_until: Timestamp,
        most: usize,
    ) -> Result<Vec<DueKey>, DirectoryError>;

    /// Writes down what the provider told, if it did, when the key is due `next`, and its `tries`
    /// so far. Nothing is written of a key that was replaced or removed meanwhile, or whose lease
    /// has gone to another. Returns whether the key's status is another now.
    async fn settle(
        &self,
        key: &DueKey,
        told: Option<Told>,
        next: Timestamp,
        tries: u32,
    ) -> Result<bool, DirectoryError>;
}
