//! The operator's encryption keys.

mod error;
mod parse;

use byok_domain::ProjectId;
use zeroize::Zeroizing;

pub use error::KeyringError;

use crate::binding::aad;
use crate::record::{self, Key};
use crate::{DataKey, Kid, SealedDataKey, SealedRoot, VaultError};

/// What a check record holds: nothing secret, only something that must come out right.
const CHECK: &[u8] = b"byok-key-check-v1";

/// The operator's encryption keys: the current one, which seals, and older ones, which only open.
pub struct Keyring {
    /// Never empty; the first is current.
    entries: Vec<Entry>,
}

struct Entry {
    kid: Kid,
    term: u32,
    key: Key,
}

impl Keyring {
    /// The id of the key that seals.
    pub fn current(&self) -> &Kid {
        &self.primary().kid
    }

    /// The ids of all keys, the current one first.
    pub fn kids(&self) -> impl Iterator<Item = &Kid> {
        self.entries.iter().map(|entry| &entry.kid)
    }

    /// Whether the ring can open what `kid` sealed, under whatever term the key is listed now.
    pub fn holds(&self, kid: &str) -> bool {
        self.entries.iter().any(|entry| entry.kid.names_same_key(kid))
    }

    /// A record that only the current key opens, to be stored beside its kid: see
    /// [`verify_check`](Self::verify_check).
    pub fn check_record(&self) -> Vec<u8> {
        let Entry { kid, key, .. } = self.primary();
        record::seal(key, kid.as_str(), &aad(&["key-check", kid.as_str()]), CHECK)
    }

    /// Whether the ring's key of this kid is the one that made the check record.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] when the ring lacks it, [`VaultError::Integrity`] when it is
    /// another key, [`VaultError::Malformed`] when the record is none.
    pub fn verify_check(&self, kid: &str, check: &[u8]) -> Result<(), VaultError> {
        let entry = self.entry(kid)?;
        let found = record::open(&entry.key, kid, &aad(&["key-check", kid]), check)?;
        if found.as_slice() == CHECK { Ok(()) } else { Err(VaultError::Integrity) }
    }

    /// A new data key for a project.
    pub fn new_data_key(&self, project: &ProjectId) -> SealedDataKey {
        self.wrap(project, &Key::random())
    }

    /// Opens a project's data key.
    ///
    /// # Errors
    /// As [`DataKey::open`]; a data key of another project does not open.
    pub fn open_data_key(
        &self,
        project: &ProjectId,
        sealed: &SealedDataKey,
    ) -> Result<DataKey, VaultError> {
        let aad = aad(&["data-key", &sealed.kid, project.as_str()]);
        let bytes = record::open(&self.entry(&sealed.kid)?.key, &sealed.kid, &aad, &sealed.bytes)?;
        Key::from_slice(&bytes).map(DataKey::new).ok_or(VaultError::Malformed)
    }

    /// The same data key under the current key; `None` when it is there already.
    ///
    /// # Errors
    /// As [`open_data_key`](Self::open_data_key).
    pub fn rewrap(
        &self,
        project: &ProjectId,
        sealed: &SealedDataKey,
    ) -> Result<Option<SealedDataKey>, VaultError> {
        if sealed.kid == self.current().as_str() {
            return Ok(None);
        }
        let data_key = self.open_data_key(project, sealed)?;
        let rewrapped = self.wrap(project, data_key.key());
        // What cannot be read back must not replace what can.
        let read_back = self.open_data_key(project, &rewrapped)?;
        if read_back.key().bytes() != data_key.key().bytes() {
            return Err(VaultError::Integrity);
        }
        Ok(Some(rewrapped))
    }

    /// A new random installation secret, sealed under its name.
    pub fn new_root(&self, name: &str) -> SealedRoot {
        self.seal_root(name, Key::random().bytes())
    }

    /// Seals an installation secret under its name.
    pub fn seal_root(&self, name: &str, secret: &[u8; 32]) -> SealedRoot {
        let Entry { kid, key, .. } = self.primary();
        let bytes = record::seal(key, kid.as_str(), &aad(&["root", kid.as_str(), name]), secret);
        SealedRoot { kid: kid.to_string(), bytes }
    }

    /// Opens the installation secret of this name.
    ///
    /// # Errors
    /// As [`DataKey::open`]; a secret of another name does not open.
    pub fn open_root(
        &self,
        name: &str,
        sealed: &SealedRoot,
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let aad = aad(&["root", &sealed.kid, name]);
        let bytes = record::open(&self.entry(&sealed.kid)?.key, &sealed.kid, &aad, &sealed.bytes)?;
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return Err(VaultError::Malformed);
        }
        secret.copy_from_slice(&bytes);
        Ok(secret)
    }

    /// The same installation secret under the current key; `None` when it is there already.
    ///
    /// # Errors
    /// As [`open_root`](Self::open_root).
    pub fn rewrap_root(
        &self,
        name: &str,
        sealed: &SealedRoot,
    ) -> Result<Option<SealedRoot>, VaultError> {
        if sealed.kid == self.current().as_str() {
            return Ok(None);
        }
        let secret = self.open_root(name, sealed)?;
        let rewrapped = self.seal_root(name, &secret);
        if self.open_root(name, &rewrapped)? != secret {
            return Err(VaultError::Integrity);
        }
        Ok(Some(rewrapped))
    }

    fn wrap(&self, project: &ProjectId, data_key: &Key) -> SealedDataKey {
        let Entry { kid, key, .. } = self.primary();
        let aad = aad(&["data-key", kid.as_str(), project.as_str()]);
        let bytes = record::seal(key, kid.as_str(), &aad, data_key.bytes());
        SealedDataKey { kid: kid.to_string(), bytes }
    }

    fn primary(&self) -> &Entry {
        self.entries.first().expect("a keyring is never empty")
    }

    /// The one key that `kid` names; no other is ever tried.
    fn entry(&self, kid: &str) -> Result<&Entry, VaultError> {
        self.entries
            .iter()
            .find(|entry| entry.kid.names_same_key(kid))
            .ok_or_else(|| VaultError::UnknownKey { kid: kid.to_owned() })
    }
}
