//! A project's own key, which seals its provider keys.

use zeroize::ZeroizeOnDrop;

use crate::kid::fingerprint;
use crate::record::{self, Key};
use crate::{Binding, ProviderSecret, VaultError};

/// A data key as it is stored: sealed under a key of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedDataKey {
    /// The ring's key that it is sealed under, for finding those that wait for rotation.
    pub kid: String,
    /// The sealed record.
    pub bytes: Vec<u8>,
}

/// A provider key as it is stored: sealed under its project's data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// The sealed record.
    pub bytes: Vec<u8>,
}

/// A project's opened data key. Wiped when dropped.
pub struct DataKey {
    key: Key,
    kid: String,
}

impl ZeroizeOnDrop for DataKey {}

impl DataKey {
    pub(crate) fn new(key: Key) -> Self {
        let kid = format!("dk-{}", fingerprint(key.bytes()));
        Self { key, kid }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Seals a provider key for the place that `binding` names.
    pub fn seal(&self, binding: &Binding<'_>, secret: &ProviderSecret) -> SealedSecret {
        let aad = binding.aad(&self.kid);
        SealedSecret { bytes: record::seal(&self.key, &self.kid, &aad, secret.bytes()) }
    }

    /// Opens a provider key, for the place it was sealed for and no other.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] for a record of another data key, [`VaultError::Integrity`] for
    /// one that was changed or belongs elsewhere, [`VaultError::Malformed`] for anything else.
    pub fn open(
        &self,
        binding: &Binding<'_>,
        sealed: &SealedSecret,
    ) -> Result<ProviderSecret, VaultError> {
        let kid = record::kid(&sealed.bytes)?;
        if kid != self.kid {
            return Err(VaultError::UnknownKey { kid: kid.to_owned() });
        }
        let aad = binding.aad(&self.kid);
        record::open(&self.key, &self.kid, &aad, &sealed.bytes).map(ProviderSecret::opened)
    }
}
