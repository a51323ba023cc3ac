//! What a listener can be told.

use std::{net::SocketAddr, time::Duration};

use super::Identity;

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Whom to be over TLS, for HTTP/2 and HTTP/1.1 as each client likes best. With none, there is
    /// no TLS: HTTP/1.1, and HTTP/2 for a client that begins with its preface.
    pub tls: Option<Identity>,
    /// Threads, each with its own listener and runtime; at least one.
    pub threads: usize,
    /// From the first byte of a request to the end of its head, and from a new connection to its
    /// first request. With TLS, from a new connection to the end of the handshake, and from there
    /// to the first request.
    pub header_timeout: Duration,
    /// How long an idle connection is kept between two requests. HTTP/2 clients are asked to leave
    /// then, and cut off if they have not when `write_timeout` is over too.
    pub keep_alive: Duration,
    /// How long a client may leave its answer unread before it is given up.
    pub write_timeout: Duration,
    /// Largest request head, in bytes; more is answered with 431.
    pub max_head: usize,
    /// How long live connections may go on after a shutdown.
    pub drain: Duration,
}

impl ServerConfig {
    /// The defaults: no TLS, one thread, 10 s for a head, 75 s between requests, 60 s of unread answer,
    /// 64 KiB of head, 300 s of drain.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            threads: 1,
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            max_head: 64 * 1024,
            drain: Duration::from_secs(300),
        }
    }
}
