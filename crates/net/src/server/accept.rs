//! Listening sockets, and what to do when accepting fails.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::TcpStream, time::Instant};

/// Connections the kernel may hold for a thread that is busy.
const BACKLOG: i32 = 4096;

/// Pause after an accept that failed for want of descriptors or memory: the connection stays in
/// the queue, so an eager loop would only burn the processor the others need to finish.
const PAUSE: Duration = Duration::from_millis(50);

/// Shortest time between two log lines about it.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// One listening socket a thread, all on one port; the kernel spreads connections over them.
pub(super) fn bind(address: SocketAddr, threads: usize) -> io::Result<Vec<TcpListener>> {
    let shared = threads > 1;
    let first = listen(address, shared)?;
    // With port 0 the first socket gets a port, and the others must get the same.
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listen(address, shared)?);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A thread's listener.
pub(super) struct Acceptor {
    listener: tokio::net::TcpListener,
    logged: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        Ok(Self { listener: tokio::net::TcpListener::from_std(listener)?, logged: None })
    }

    /// The next connection, however long it takes.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((tcp, peer)) => {
                    // Without it a small event waits for the acknowledgement of the one before.
                    let _ = tcp.set_nodelay(true);
                    return (tcp, peer);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    self.log(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn log(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.logged.is_none_or(|last| now - last >= LOG_EVERY) {
            self.logged = Some(now);
            tracing::error!(%error, "connections cannot be accepted; trying again");
        }
    }
}

/// The client went away between the kernel's handshake and our accept.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
