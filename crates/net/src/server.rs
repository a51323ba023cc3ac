//! The listener: threads that each accept, read, serve and drain on their own.

mod accept;
mod client;
mod config;
mod connection;
mod http1;
mod http2;
mod identity;
mod live;
mod observed;
mod peer;
mod phase;
mod preface;
mod stream_task;
mod streams;
mod thread;

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use tokio::sync::watch;

pub use self::{
    config::ServerConfig,
    identity::{Identity, InvalidIdentity},
    peer::PeerAddr,
};

/// A running server. Dropping it leaves it running; [`Server::shutdown`] ends it.
pub struct Server {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Listens, and serves every request with a clone of `service`, one runtime a thread.
///
/// Each request carries a [`PeerAddr`] extension. What the service spawns runs on the thread's
/// runtime and ends with it after the drain. A panic in the service closes its connection only, or
/// its stream if the client speaks HTTP/2.
///
/// # Errors
/// Whatever the operating system says to binding the address or starting the threads.
pub fn serve<S, B>(config: ServerConfig, service: S) -> io::Result<Server>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listeners = accept::bind(config.listen, config.threads.max(1))?;
    let local_addr = listeners[0].local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let mut threads = Vec::with_capacity(listeners.len());
    let config = Arc::new(config);
    let services = std::iter::repeat_n(service, listeners.len());
    for (number, (listener, service)) in listeners.into_iter().zip(services).enumerate() {
        let (config, stopped) = (Arc::clone(&config), stopped.clone());
        threads.push(thread::start(number, listener, service, config, stopped)?);
    }
    Ok(Server { local_addr, stop, threads: Mutex::new(threads) })
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl Server {
    /// The address listened on, with the port the system chose if none was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, closes idle connections, and lets the others finish what they are at, for
    /// as long as [`ServerConfig::drain`] says. Returns at once.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
    }

    /// Waits, blocking, until every thread has ended.
    pub fn join(self) {
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a server thread ended with a panic");
            }
        }
    }
}
