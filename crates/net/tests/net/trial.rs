//! A server whose service tells what becomes of it, and clients of every protocol.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use byok_net::{Identity, Incoming, PeerAddr, Server, ServerConfig, serve};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    client::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::soon;

type Pieces = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A server, and how many of its endless answers have been given up.
pub(crate) struct Trial {
    pub(crate) server: Server,
    ended: Arc<AtomicUsize>,
}

/// A certificate for `trial.example` and its key, both PEM.
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["trial.example".to_owned()]).expect("a good name");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        Self { chain, key: key.serialize_pem() }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes()).expect("a good pair")
    }

    /// A client that trusts this certificate alone.
    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("PEM");
        roots.add(certificate).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("known versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Impatient with everybody.
pub(crate) fn config(tls: Option<Identity>) -> ServerConfig {
    ServerConfig {
        tls,
        header_timeout: Duration::from_millis(800),
        keep_alive: Duration::from_millis(2500),
        write_timeout: Duration::from_millis(1200),
        max_head: 8192,
        drain: Duration::from_secs(10),
        ..ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn whole(text: impl Into<Bytes>) -> Pieces {
    let text = text.into();
    stream::once(async move { Ok(Frame::data(text)) }).boxed()
}

/// `/pieces` are 20, one every 100 ms; `/flood` does not end; `/hang` does not begin; `/echo` says
/// what was sent; `/panic` does. Any other path tells the protocol, the authority and the peer.
async fn answer(
    request: Request<Incoming>,
    ended: Arc<AtomicUsize>,
) -> Result<Response<StreamBody<Pieces>>, Infallible> {
    let body = match request.uri().path() {
        "/pieces" => stream::iter(0..20)
            .then(|_| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(Frame::data(Bytes::from_static(b"piece")))
            })
            .boxed(),
        "/flood" => {
            let ended = Ended(ended);
            let piece = Bytes::from(vec![b'x'; 16 << 10]);
            stream::repeat_with(move || {
                let _kept = &ended;
                Ok(Frame::data(piece.clone()))
            })
            .boxed()
        }
        "/hang" => {
            let _ended = Ended(ended);
            pending().await
        }
        "/panic" => panic!("a service may fail"),
        "/echo" => whole(request.into_body().collect().await.expect("a body").to_bytes()),
        _ => {
            let peer = request.extensions().get::<PeerAddr>().expect("a peer").0;
            let authority = request.uri().authority().map_or("none", |name| name.as_str());
            whole(format!("{:?} {authority} {peer}", request.version()))
        }
    };
    Ok(Response::new(StreamBody::new(body)))
}

impl Trial {
    pub(crate) fn start(config: ServerConfig) -> Self {
        let ended = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&ended);
        let service = service_fn(move |request| answer(request, Arc::clone(&counter)));
        Self { server: serve(config, service).expect("a server"), ended }
    }

    pub(crate) async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.server.local_addr()).await.expect("a connection")
    }

    /// A connection whose handshake is done.
    pub(crate) async fn dial_tls(
        &self,
        client: Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("trial.example").expect("a good name");
        let tcp = self.dial().await;
        soon("the handshake", TlsConnector::from(client).connect(name, tcp)).await
    }

    /// Waits until so many endless answers have been given up.
    pub(crate) async fn given_up(&self, count: usize) {
        soon("giving up", async {
            while self.ended.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    pub(crate) fn count_given_up(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }
}

/// An HTTP/2 client's end of a connection.
pub(crate) struct Client2 {
    sender: http2::SendRequest<Full<Bytes>>,
    pub(crate) connection: tokio::task::JoinHandle<()>,
}

impl Client2 {
    pub(crate) async fn over<I>(io: I) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(1 << 20);
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await.expect("a preface");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        // A clone each, so that many can wait at once.
        let mut sender = self.sender.clone();
        soon("room for a stream", sender.ready()).await?;
        sender.send_request(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> hyper::Result<Response<Incoming>> {
        self.send(get2(path)).await
    }

    /// The whole answer to a GET.
    pub(crate) async fn text(&self, path: &str) -> String {
        text(soon("an answer", self.get(path)).await.expect("an answer")).await
    }
}

pub(crate) fn get2(path: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://trial.example{path}");
    Request::get(uri).body(Full::default()).expect("a good request")
}

/// The whole answer to a GET over HTTP/1.1.
pub(crate) async fn text1<I>(io: I, path: &str) -> String
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.expect("a client");
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "trial.example");
    let request = request.body(Full::<Bytes>::default()).expect("a good request");
    text(soon("an answer", sender.send_request(request)).await.expect("an answer")).await
}

/// The next piece of an answer.
pub(crate) async fn piece(answer: &mut Response<Incoming>) -> Option<hyper::Result<Bytes>> {
    let frame = soon("a piece", answer.frame()).await?;
    Some(frame.map(|frame| frame.into_data().expect("data")))
}

/// An answer's whole body.
pub(crate) async fn text(answer: Response<Incoming>) -> String {
    let body = soon("the end", answer.into_body().collect()).await.expect("a whole answer");
    String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8")
}
