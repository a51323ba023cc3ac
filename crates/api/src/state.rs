//! What the management routes work with.

use std::net::IpAddr;
use std::sync::Arc;

use byok_gateway::{Ambient, Gateway};
use byok_net::{EgressPolicy, IpNet};
use byok_store::Store;
use byok_vault::{Keyring, TokenHasher};
use byok_webhooks::Courier;

use crate::error::{ApiError, Code};
use crate::limits::{PerAddress, Rate};
use crate::preflight_origins::PreflightOrigins;
use crate::usage_tail::UsageTail;

/// What a host hands over to have the management routes served.
pub struct Services {
    /// Projects, tokens, sealed keys, usage, audit.
    pub store: Store,
    /// The operator's encryption keys.
    pub keyring: Arc<Keyring>,
    /// Makes the digests that tokens are found by.
    pub hasher: Arc<TokenHasher>,
    /// The running gateway.
    pub gateway: Arc<Gateway>,
    /// The way of call records into the database.
    pub usage: Arc<dyn UsageTail>,
    /// Which addresses customers may set.
    pub egress: EgressPolicy,
    /// Delivers webhooks that are tried out.
    pub webhooks: Courier,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The clock, and the random part of request ids.
    pub ambient: Arc<dyn Ambient>,
    /// Wrong tokens an address may send.
    pub failed_logins: Rate,
    /// Requests with a publishable key an address may send.
    pub publishable: Rate,
}

/// The services, with what the routes keep beside them.
pub struct AppState {
    pub(crate) store: Store,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) hasher: Arc<TokenHasher>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) usage: Arc<dyn UsageTail>,
    pub(crate) egress: EgressPolicy,
    pub(crate) webhooks: Courier,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) ambient: Arc<dyn Ambient>,
    pub(crate) limits: Limits,
    pub(crate) origins: PreflightOrigins,
}

impl AppState {
    /// From what the host hands over.
    pub fn new(services: Services) -> Arc<Self> {
        let limits = Limits {
            failed_logins: PerAddress::new(services.failed_logins),
            publishable: PerAddress::new(services.publishable),
        };
        Arc::new(Self {
            store: services.store,
            keyring: services.keyring,
            hasher: services.hasher,
            gateway: services.gateway,
            usage: services.usage,
            egress: services.egress,
            webhooks: services.webhooks,
            trusted_proxies: services.trusted_proxies,
            ambient: services.ambient,
            limits,
            origins: PreflightOrigins::default(),
        })
    }
}

/// The limits per address.
pub(crate) struct Limits {
    failed_logins: PerAddress,
    publishable: PerAddress,
}

impl Limits {
    /// Counts a login that failed.
    pub(crate) fn failed_login(&self, address: IpAddr) -> Result<(), ApiError> {
        self.failed_logins.count(address).map_err(|wait| {
            limited("Too many wrong keys came from this address; correct the key and wait.", wait)
        })
    }

    /// Counts a request with a publishable key.
    pub(crate) fn publishable(&self, address: IpAddr) -> Result<(), ApiError> {
        self.publishable.count(address).map_err(|wait| {
            limited("Too many requests came from this address; wait before the next one.", wait)
        })
    }
}

fn limited(message: &'static str, wait: u32) -> ApiError {
    ApiError::new(Code::RateLimited, message).retry_after(wait)
}
