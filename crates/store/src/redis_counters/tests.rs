//! The counters on a Redis that `cargo xtask test` starts.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod away;
mod leases;
mod rule;
mod server;
