//! Whom the server proves to be over TLS: its certificate and key, which may change as it runs.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    crypto::ring::{Ticketer, default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// The name of HTTP/2 in a handshake.
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why a certificate and a key cannot be served with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// No certificate, or one that cannot be read.
    #[error("there is no valid PEM certificate")]
    Certificate,
    /// No private key, an encrypted one, or one of a kind that is not supported.
    #[error("there is no PEM private key of a supported kind without a passphrase")]
    Key,
    /// Each may be good, but they do not belong together.
    #[error("the private key is not the certificate's")]
    Mismatch,
}

/// A certificate with its chain, and its key. Clones are the same one: what [`Identity::replace`]
/// puts in its place counts for all of them, from the next handshake on.
#[derive(Clone)]
pub struct Identity(Arc<ArcSwap<rustls::ServerConfig>>);

impl Identity {
    /// Reads a certificate, followed by those that lead to its root, and its private key (PKCS#8,
    /// PKCS#1 or SEC 1), both PEM.
    ///
    /// # Errors
    /// If either cannot be used, or the two do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidIdentity> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(config(chain, key)?))))
    }

    /// Serves with `other` from the next handshake on; connections that stand go on as they are.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn config(chain: &[u8], key: &[u8]) -> Result<rustls::ServerConfig, InvalidIdentity> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| InvalidIdentity::Certificate)?;
    if chain.is_empty() {
        return Err(InvalidIdentity::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidIdentity::Key)?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => InvalidIdentity::Mismatch,
            rustls::Error::InvalidCertificate(_) => InvalidIdentity::Certificate,
            _ => InvalidIdentity::Key,
        })?;
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    match Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        Err(error) => tracing::warn!(%error, "TLS sessions cannot be resumed"),
    }
    Ok(config)
}
