//! Why a sealed record does not open.

use thiserror::Error;

/// Why a sealed record does not open. No variant holds a secret or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The key that the record was sealed with is not there.
    #[error("the record was sealed with key {kid}, which is not in the keyring")]
    UnknownKey {
        /// The id of the missing key.
        kid: String,
    },
    /// The record is not one that this version writes: cut off, or of another version.
    #[error("the record is not a sealed record of a known version")]
    Malformed,
    /// The record was changed, belongs elsewhere, or the key is another one of the same id.
    #[error("the record was changed or belongs elsewhere")]
    Integrity,
}
