//! Whom we believe to be who they say they are.

use std::sync::Arc;

use byok_net::{ConnectError, EgressPolicy, InvalidRoots, SendError, Upstream};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Scripted, fetch, soon, trusted};

/// A root, and what it has signed.
struct Root {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Root {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a root").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, params: &CertificateParams) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.der().clone(), key)
    }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("a good name")
}

/// A TLS server that answers every request with the application protocol agreed on.
async fn serve(
    (certificate, key): (CertificateDer<'static>, KeyPair),
    versions: &[&'static SupportedProtocolVersion],
) -> u16 {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a key that fits");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let protocol = tls.get_ref().1.alpn_protocol().unwrap_or(b"none").to_vec();
                let protocol = String::from_utf8(protocol).expect("ASCII");
                let length = protocol.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{protocol}");
                let mut buffer = [0; 4096];
                while tls.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let _ = tls.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    port
}

fn client(root: &Root) -> Upstream {
    Upstream::builder(EgressPolicy::default())
        .resolver(Scripted::new(&[&["127.0.0.1"]]))
        .extra_roots(root.pem.clone())
        .build()
        .expect("a client")
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn a_certificate_of_a_trusted_root_for_the_right_name_is_believed() {
    let root = Root::new();
    for versions in [BOTH, &BOTH[..1], &BOTH[1..]] {
        for name in ["api.example", "127.0.0.1"] {
            let port = serve(root.sign(&named(name)), versions).await;
            let base = trusted(&format!("https://{name}:{port}"));
            let (upstream, first) = (client(&root), "http/1.1");
            assert_eq!(fetch(&upstream, &base).await.expect("an answer"), first);
            assert_eq!(fetch(&upstream, &base).await.expect("an answer"), first);
        }
    }
}

#[tokio::test]
async fn every_other_certificate_is_refused() {
    let (root, other) = (Root::new(), Root::new());
    let mut expired = named("api.example");
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let mut early = named("api.example");
    early.not_before = date_time_ymd(2090, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let own = named("api.example").self_signed(&key).expect("a certificate").der().clone();
    for (what, certificate) in [
        ("wrong name", root.sign(&named("other.example"))),
        ("wildcard too wide", root.sign(&named("*.example.com"))),
        ("expired", root.sign(&expired)),
        ("not yet valid", root.sign(&early)),
        ("self-signed", (own, key)),
        ("unknown root", other.sign(&named("api.example"))),
    ] {
        let base = trusted(&format!("https://api.example:{}", serve(certificate, BOTH).await));
        let sent = soon(what, fetch(&client(&root), &base)).await;
        assert!(
            matches!(sent, Err(SendError::Unreachable(ConnectError::Tls(_)))),
            "{what}: {sent:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_refused() {
    let fake = crate::support::Fake::start(|mut wire| async move {
        wire.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        wire.closed().await;
    })
    .await;
    let base = trusted(&format!("https://{}", fake.address));
    let sent = soon("an end", fetch(&client(&Root::new()), &base)).await;
    assert!(matches!(sent, Err(SendError::Unreachable(ConnectError::Tls(_)))), "{sent:?}");
}

#[test]
fn roots_that_are_no_certificates_are_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let built = Upstream::builder(EgressPolicy::default()).extra_roots(pem).build();
        assert!(matches!(built, Err(InvalidRoots)), "{pem:?}");
    }
}
