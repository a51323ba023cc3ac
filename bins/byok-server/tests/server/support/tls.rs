//! A client that speaks what the others here do not: TLS, and HTTP/2.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Launch, Server};

/// A certificate for `byok.example` and its key, both PEM.
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["byok.example".to_owned()]).expect("a good name");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        Self { chain, key: key.serialize_pem() }
    }

    /// Puts it where [`Launch::with_tls`] takes it from.
    pub(crate) fn put(&self, launch: &Launch) {
        let scratch = launch.scratch();
        fs::write(scratch.path("cert.pem"), &self.chain).expect("a writable folder");
        fs::write(scratch.path("key.pem"), &self.key).expect("a writable folder");
    }

    /// A connection to a server that proves to have this certificate.
    ///
    /// # Errors
    /// If it has another.
    pub(crate) async fn dial(&self, address: SocketAddr, protocol: &str) -> io::Result<Caller> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("PEM");
        roots.add(certificate).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("byok.example").expect("a good name");
        let tcp = TcpStream::connect(address).await?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        match protocol {
            "h2" => Ok(Caller::http2("https://byok.example", tls).await),
            _ => {
                let (sender, connection) =
                    http1::handshake(TokioIo::new(tls)).await.expect("no bytes are needed");
                tokio::spawn(connection);
                Ok(Caller::Http1(sender))
            }
        }
    }
}

impl Launch {
    /// The same over HTTPS.
    pub(crate) fn with_tls(self) -> Self {
        let path = |name: &str| self.scratch().path(name).display().to_string();
        let (chain, key) = (path("cert.pem"), path("key.pem"));
        self.with("BYO_TLS_CERT", chain).with("BYO_TLS_KEY", key)
    }
}

/// One connection.
pub(crate) enum Caller {
    Http1(http1::SendRequest<Full<Bytes>>),
    /// And what its URLs begin with.
    Http2(http2::SendRequest<Full<Bytes>>, &'static str),
}

impl Caller {
    /// HTTP/2 from the first byte on.
    pub(crate) async fn prior_knowledge(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.expect("the server listens");
        Self::http2("http://byok.example", tcp).await
    }

    async fn http2<I>(base: &'static str, io: I) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .expect("no bytes are needed");
        tokio::spawn(connection);
        Self::Http2(sender, base)
    }

    /// Posts JSON as `server`'s project and, on drop-in routes, for `customer`.
    pub(crate) async fn post(
        &mut self,
        server: &Server,
        path: &str,
        body: &Value,
    ) -> Response<Incoming> {
        let request = Request::post(match self {
            Self::Http1(_) => path.to_owned(),
            Self::Http2(_, base) => format!("{base}{path}"),
        });
        let request = request
            .header("authorization", format!("Bearer {}", server.keys.secret))
            .header("content-type", "application/json")
            .header("x-byo-ref-id", "customer");
        let body = Full::new(Bytes::from(body.to_string()));
        let answered = match self {
            Self::Http1(sender) => {
                let request = request.header("host", "byok.example").body(body);
                sender.send_request(request.expect("a good request")).await
            }
            Self::Http2(sender, _) => {
                sender.send_request(request.body(body).expect("a good request")).await
            }
        };
        answered.expect("an answer")
    }
}

/// An answer's whole body.
pub(crate) async fn whole(answer: Response<Incoming>) -> String {
    let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
    String::from_utf8(body.to_vec()).expect("UTF-8")
}
