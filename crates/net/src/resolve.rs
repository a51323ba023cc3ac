//! Names into addresses: the system's way, or a host's own.

use std::{future::Future, io, net::IpAddr, pin::Pin};

/// The future of one look-up.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Turns a host name into addresses, in the order in which they should be tried.
///
/// Called once a connection, never a second time for the same one: what it says is judged and
/// then dialled.
pub trait Resolve: Send + Sync + 'static {
    /// Looks up one name. An empty answer counts as a failure.
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// The operating system's resolver, on tokio's blocking threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            let answer = tokio::net::lookup_host((name, 0)).await?;
            Ok(answer.map(|address| address.ip()).collect())
        })
    }
}
