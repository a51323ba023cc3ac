//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The address a request's connection came from; in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
