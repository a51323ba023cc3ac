//! Bytes in and out: the listener, the outgoing connections, their time-outs and the egress guard.
//!
//! Depends on nothing of ours. It is the only crate that names rustls or drives hyper's client and
//! server loops; it knows no provider, no project beyond an opaque name, and no secret.
//!
//! What it never does: follow a redirect, read a proxy from the environment, dial an address the
//! [`EgressPolicy`] has not seen, resolve a customer's host a second time, send a hop-by-hop header
//! in either direction, or hand a connection opened for one project to another.

pub mod address;
pub mod guard;
pub mod headers;
pub mod resolve;
pub mod server;
pub mod target;

mod alarm;
mod connect;
mod driver;
mod endpoint;
mod pool;
mod receive_body;
mod send_body;
mod send_error;
mod stream;
mod timed_body;
mod tls;
mod turn;
mod upstream;

pub use connect::ConnectError;
pub use endpoint::{InvalidPath, MalformedUrl};
pub use guard::{Blocked, EgressPolicy};
pub use headers::strip_hop_by_hop;
pub use hyper::{body::Incoming, service::service_fn};
pub use ipnet::IpNet;
pub use receive_body::{ReceiveBody, ReceiveError};
pub use resolve::{Resolve, SystemResolver};
pub use send_body::{BodyError, BoxBody, SendBody};
pub use send_error::SendError;
pub use server::{Identity, InvalidIdentity, PeerAddr, Server, ServerConfig, serve};
pub use target::{Base, CustomerUrl, TrustedUrl};
pub use timed_body::{TimedBody, TimedBodyError};
pub use tls::InvalidRoots;
pub use upstream::{Timeouts, Upstream, UpstreamBuilder};
