//! For tests and benchmarks: a provider that does what it is told, on the wire to the byte.
//!
//! Never part of the server: crates name this one under `[dev-dependencies]` only.
//!
//! - [`fake_provider`]: an OpenAI-shaped provider in process; correct unless a test scripts it
//!   otherwise, and it remembers every request exactly as it arrived.
//! - [`wire`]: the HTTP/1.1 framing that it and the load tools share.
//!
//! The binaries `byok-standin` (a provider as cheap as can be), `byok-load` (open-loop calls and
//! concurrent streams) and `byok-bare-proxy` (hyper alone, as a yardstick) serve `cargo xtask bench`.

pub mod fake_provider;
pub mod wire;
