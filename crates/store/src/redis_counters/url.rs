//! Where the Redis is.

use redis::{Client, ConnectionAddr, IntoConnectionInfo};

/// The URL of a Redis. It may hold a password, and so cannot be formatted.
#[derive(Clone)]
pub struct RedisUrl(Client);

impl RedisUrl {
    /// Reads `redis://user:password@host:port/database`, `rediss://…` for TLS, or `unix:///path`.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence that begins with the setting's name. It
    /// does not show the URL.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const NOT_ONE: &str = "is not a Redis URL; write it like \
             rediss://user:PASSWORD@redis.example.com:6379/0, with %40 for an @ in the password and \
             so on";
        if text.contains('#') {
            return Err("has a # in it; write %23 for one in the password");
        }
        let info = text.into_connection_info().map_err(|_| NOT_ONE)?;
        match info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }
                if host.is_empty() =>
            {
                Err(NOT_ONE)
            }
            _ => Client::open(info).map(Self).map_err(|_| NOT_ONE),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.0
    }
}
