//! One client's connection, from its first byte to its last.

use std::{error::Error, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{
    ServerConfig, client::Client, http1, http2, identity::HTTP2, live::Ticket, phase::Watched,
    preface,
};

/// Serves a connection without TLS: HTTP/1.1, or HTTP/2 if that is how the client begins.
pub(super) async fn plain<S, B>(
    tcp: TcpStream,
    peer: SocketAddr,
    service: S,
    config: Arc<ServerConfig>,
    ticket: Ticket,
) where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut client = Client::new(peer, config, ticket);
    let Some(Ok(is_http2)) = client.patiently(preface::is_http2(&tcp)).await else { return };
    let io = Watched { tcp, phase: Arc::clone(&client.phase) };
    if is_http2 {
        // Boxed, so that the many that speak HTTP/1.1 do not pay for its size.
        Box::pin(http2::run(io, service, client)).await;
    } else {
        http1::run(io, service, client).await;
    }
}

/// Serves a connection with TLS: HTTP/2 or HTTP/1.1, as agreed on in the handshake.
pub(super) async fn secure<S, B>(
    tcp: TcpStream,
    tls: TlsAcceptor,
    peer: SocketAddr,
    service: S,
    config: Arc<ServerConfig>,
    ticket: Ticket,
) where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut client = Client::new(peer, config, ticket);
    // Watched beneath TLS: what counts is what the client takes, not what we have encrypted.
    let io = Watched { tcp, phase: Arc::clone(&client.phase) };
    let tls = match client.patiently(tls.accept(io)).await {
        Some(Ok(tls)) => tls,
        Some(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        None => return,
    };
    client.phase.shook_hands();
    if tls.get_ref().1.alpn_protocol() == Some(HTTP2) {
        Box::pin(http2::run(tls, service, client)).await;
    } else {
        http1::run(tls, service, client).await;
    }
}
