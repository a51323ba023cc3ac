//! The one TLS client configuration: ring, TLS 1.2 and 1.3, the system's roots.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Extra root certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the extra root certificates are not valid PEM certificates")]
pub struct InvalidRoots;

/// Read once a process: there are about 150, and reading them takes a client's time at start.
static SYSTEM_ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

/// Builds the configuration for every outgoing TLS connection.
///
/// A machine without any root certificate is not an error: it may only ever call plain http
/// inside its own network. Every https call fails closed there, and the log says why.
pub(crate) fn client_config(extra_roots: &[Vec<u8>]) -> Result<Arc<ClientConfig>, InvalidRoots> {
    let mut roots = SYSTEM_ROOTS.clone();
    for pem in extra_roots {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| InvalidRoots)?;
            roots.add(certificate).map_err(|_| InvalidRoots)?;
        }
        if roots.len() == before {
            return Err(InvalidRoots);
        }
    }
    if roots.is_empty() {
        tracing::warn!("no root certificates found: every outgoing https call will fail");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
