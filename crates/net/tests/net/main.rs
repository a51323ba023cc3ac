//! The crate from outside: rules as tables, everything else on real loopback sockets.
#![allow(missing_docs, reason = "test names are sentences")]

mod drain;
mod egress;
mod http2;
mod https;
mod listening;
mod rebinding;
mod reuse;
mod slowloris;
mod support;
mod timing;
mod tls;
mod trial;
mod wire;
