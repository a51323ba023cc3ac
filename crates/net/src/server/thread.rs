//! One thread of the server: its runtime, its listener, its connections.

use std::{error::Error, io, net::TcpListener, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use tokio::{sync::watch, time::timeout};

use super::{Identity, ServerConfig, accept::Acceptor, connection, live::Live};

/// Starts a thread that serves until `stopped` says so and its connections have drained.
pub(super) fn start<S, B>(
    number: usize,
    listener: TcpListener,
    service: S,
    config: Arc<ServerConfig>,
    stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let acceptor = {
        let _inside = runtime.enter();
        Acceptor::new(listener)?
    };
    std::thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
        runtime.block_on(serve(acceptor, service, config, stopped));
        // Dropping the runtime drops what the drain did not see end, and closes its sockets.
        runtime.shutdown_background();
    })
}

async fn serve<S, B>(
    mut acceptor: Acceptor,
    service: S,
    config: Arc<ServerConfig>,
    mut stopped: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let live = Arc::new(Live::default());
    loop {
        tokio::select! {
            biased;
            // An error means that the server was dropped without a word: it goes on.
            Ok(_) = stopped.wait_for(|stopped| *stopped) => break,
            (tcp, peer) = acceptor.next() => {
                let (service, config, ticket) = (service.clone(), Arc::clone(&config), live.enter());
                match config.tls.as_ref().map(Identity::acceptor) {
                    None => {
                        tokio::spawn(connection::plain(tcp, peer, service, config, ticket));
                    }
                    Some(tls) => {
                        tokio::spawn(connection::secure(tcp, tls, peer, service, config, ticket));
                    }
                }
            }
        }
    }
    drop(acceptor);
    if timeout(config.drain, live.drain()).await.is_err() {
        tracing::warn!("connections still open at the end of the drain were cut off");
    }
}
