//! The certificate and key that HTTPS is served with, and the files they are in.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use byok_net::{Identity, InvalidIdentity};
use zeroize::Zeroizing;

use super::Setting;
use super::error::{ConfigError, Name};
use super::layers::Found;
use super::reader::{Reader, Reported};

/// More than any chain takes; a wrong path must not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// HTTPS as it was when the settings were read.
pub(crate) struct Tls {
    /// What the files held.
    pub(crate) identity: Identity,
    /// How the files looked just before they were read.
    pub(crate) marks: Marks,
    /// Where a later certificate will be.
    pub(crate) files: TlsFiles,
}

/// The files of a certificate and its key.
pub(crate) struct TlsFiles {
    chain: PemFile,
    key: PemFile,
}

struct PemFile {
    name: Name,
    path: PathBuf,
}

/// What tells one state of the two files from another.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Marks([Option<Mark>; 2]);

/// Device, inode, size, and the times of the last change to the content and to the file, in
/// seconds and nanoseconds.
type Mark = (u64, u64, u64, [(i64, i64); 2]);

/// HTTPS, if it is set.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Tls>, Reported> {
    let (chain, key) = (reader.found(Setting::TLS_CERT), reader.found(Setting::TLS_KEY));
    let (set, other) = match (chain, key) {
        (None, None) => return Ok(None),
        (Some(chain), Some(key)) => {
            let files = TlsFiles { chain: PemFile::of(chain), key: PemFile::of(key) };
            let marks = files.marks();
            let identity = files.load().map_err(|error| reader.refuse(error))?;
            return Ok(Some(Tls { identity, marks, files }));
        }
        (Some(chain), None) => (chain, Setting::TLS_KEY),
        (None, Some(key)) => (key, Setting::TLS_CERT),
    };
    let problem = format!(
        "is set and {} is not; HTTPS takes both, a PEM file with the certificate and one with its \
         key",
        other.variable()
    );
    Err(reader.invalid(set, problem))
}

impl TlsFiles {
    /// What the files hold now.
    ///
    /// # Errors
    /// If a file cannot be read or used, or the two do not belong together.
    pub(crate) fn load(&self) -> Result<Identity, ConfigError> {
        let chain = self.chain.read()?;
        let key = self.key.read()?;
        Identity::from_pem(&chain, &key).map_err(|error| match error {
            InvalidIdentity::Certificate => self.chain.invalid(
                "names a file without a valid PEM certificate; give one that begins with `-----BEGIN \
                 CERTIFICATE-----`, the server's own certificate first"
                    .to_owned(),
            ),
            InvalidIdentity::Key => self.key.invalid(
                "names a file without a PEM private key that can be used; give an RSA, ECDSA or \
                 Ed25519 key without a passphrase"
                    .to_owned(),
            ),
            InvalidIdentity::Mismatch => self.key.invalid(format!(
                "names a file with a key that is not the one of the certificate in {}; give the \
                 two that were made together, the server's own certificate first",
                self.chain.name
            )),
        })
    }

    /// How the files look now.
    pub(crate) fn marks(&self) -> Marks {
        Marks([self.chain.mark(), self.key.mark()])
    }
}

impl PemFile {
    fn of(found: &Found) -> Self {
        Self { name: found.name.clone(), path: PathBuf::from(&found.value) }
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        // Grown into, the vector would leave parts of a key behind.
        let mut content = Zeroizing::new(Vec::with_capacity(64 << 10));
        let read = File::open(&self.path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut content));
        match read {
            Ok(_) => Ok(content),
            Err(error) => Err(self.invalid(format!(
                "names a file that cannot be read: {error}; give the path of a PEM file"
            ))),
        }
    }

    fn mark(&self) -> Option<Mark> {
        let of = fs::metadata(&self.path).ok()?;
        let times = [(of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())];
        Some((of.dev(), of.ino(), of.size(), times))
    }

    /// The path stays out of messages, as those of secrets do.
    fn invalid(&self, problem: String) -> ConfigError {
        ConfigError::Invalid { name: self.name.clone(), problem }
    }
}
