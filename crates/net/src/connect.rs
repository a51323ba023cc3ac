//! A new outgoing connection: look-up, judgement, TCP, TLS, in that order and only once each.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    endpoint::{Endpoint, Host},
    guard::EgressPolicy,
    resolve::Resolve,
    send_error::SendError,
    stream::Stream,
    target::Base,
};

/// Most addresses of one answer that are tried.
const MAX_DIALLED: usize = 4;

/// Most look-ups of customers' names under way at once: each holds a thread of the runtime, and
/// a name server that never answers must not hold them all.
const CUSTOMER_LOOKUPS: usize = 32;

/// Where a connection failed. For logs; never shown to who chose the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be resolved.
    #[error("the name could not be resolved")]
    Lookup(#[source] io::Error),
    /// No address accepted a TCP connection.
    #[error("no address accepted a connection")]
    Tcp(#[source] io::Error),
    /// The TLS handshake failed: certificate, host name or protocol.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
}

pub(crate) struct Connector {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
    limit: Duration,
    customer_lookups: Semaphore,
}

impl Connector {
    pub(crate) fn new(
        policy: EgressPolicy,
        resolver: Arc<dyn Resolve>,
        tls: Arc<ClientConfig>,
        limit: Duration,
    ) -> Self {
        let customer_lookups = Semaphore::new(CUSTOMER_LOOKUPS);
        Self { policy, resolver, tls: tls.into(), limit, customer_lookups }
    }

    /// Connects within the limit, which covers look-up, TCP and TLS together.
    pub(crate) async fn connect(&self, base: &Base) -> Result<Stream, SendError> {
        let deadline = Instant::now() + self.limit;
        let connected = timeout_at(deadline, async {
            let addresses = self.vetted(base).await?;
            let endpoint = base.endpoint();
            let tcp = dial(&addresses, endpoint.port, deadline).await?;
            self.secure(endpoint, tcp).await
        });
        connected.await.unwrap_or(Err(SendError::Timeout { sent: false }))
    }

    /// The addresses that may be dialled for this base.
    pub(crate) async fn vetted(&self, base: &Base) -> Result<Vec<IpAddr>, SendError> {
        let addresses = match (&base.endpoint().host, base) {
            (Host::Address(address), _) => vec![*address],
            (Host::Name(name), Base::Trusted(_)) => self.look_up(name).await?,
            (Host::Name(name), Base::Customer { .. }) => {
                let _place = self.customer_lookups.acquire().await;
                self.look_up(name).await?
            }
        };
        if let Base::Customer { url, .. } = base {
            self.policy.judge(url.demand, &addresses).map_err(|_| SendError::Blocked)?;
        }
        Ok(addresses)
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, SendError> {
        let answer = self.resolver.resolve(name).await.and_then(|answer| {
            if answer.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(answer) }
        });
        answer.map_err(|error| SendError::Unreachable(ConnectError::Lookup(error)))
    }

    async fn secure(&self, endpoint: &Endpoint, tcp: TcpStream) -> Result<Stream, SendError> {
        if !endpoint.secure {
            return Ok(Stream::Plain(tcp));
        }
        match self.tls.connect(endpoint.server_name.clone(), tcp).await {
            Ok(tls) => Ok(Stream::Tls(Box::new(tls))),
            Err(error) => Err(SendError::Unreachable(ConnectError::Tls(error))),
        }
    }
}

/// Tries the addresses in the resolver's order, each with a fair share of the time that is left:
/// one dead address must not cost the whole attempt.
async fn dial(addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, SendError> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    let tried = addresses.len().min(MAX_DIALLED);
    for (at, address) in addresses.iter().take(tried).enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(tried - at).unwrap_or(1);
        match timeout(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(tcp)) => {
                // Without it a small request waits for the acknowledgement of the one before.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    if last.kind() == io::ErrorKind::TimedOut {
        return Err(SendError::Timeout { sent: false });
    }
    Err(SendError::Unreachable(ConnectError::Tcp(last)))
}
