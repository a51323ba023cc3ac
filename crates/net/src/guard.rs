//! The egress guard: which addresses and ports a URL chosen by a customer may lead to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    address::{Reach, reach},
    endpoint::{Endpoint, Host, MalformedUrl},
    target::CustomerUrl,
};

/// Ports that may be dialled on a public address.
const PUBLIC_PORTS: [u16; 2] = [443, 8443];

/// Most answers to one look-up that are believed; a longer list is somebody's game.
const MAX_ANSWERS: usize = 64;

/// Names under which clouds offer their metadata service, whatever they resolve to.
const METADATA_NAMES: [&str; 8] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Why a customer's URL is refused. Safe to show: it says nothing the URL did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Blocked {
    /// The text is no base URL.
    #[error(transparent)]
    Malformed(#[from] MalformedUrl),
    /// Plain http to a host outside the operator's list.
    #[error("only https is allowed")]
    Insecure,
    /// A port other than 443 and 8443 on a host outside the operator's list.
    #[error("the port is not allowed")]
    Port,
    /// The host is, or leads to, an address that policy forbids.
    #[error("the host is not allowed")]
    Host,
}

/// What the operator allows beyond public https: address blocks in which private hosts, plain
/// http and any port are fine. Cheap to clone.
///
/// Metadata services stay forbidden even if the whole address space is listed.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    allowed: Arc<[IpNet]>,
}

/// How much an address must have going for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Public, or on the operator's list.
    Reachable,
    /// On the operator's list: the URL asks for plain http or an unusual port.
    Listed,
}

impl EgressPolicy {
    /// A policy that also allows the given blocks.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether an https request to this address is allowed.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.meets(Demand::Reachable, address)
    }

    /// Reads a customer's base URL and judges all that can be judged without a look-up. What its
    /// name resolves to is judged at each connection.
    ///
    /// # Errors
    /// [`Blocked`] with the reason, which may be shown to the customer.
    pub fn parse(&self, text: &str) -> Result<CustomerUrl, Blocked> {
        let endpoint = Endpoint::parse(text)?;
        let demand = if endpoint.secure && PUBLIC_PORTS.contains(&endpoint.port) {
            Demand::Reachable
        } else {
            Demand::Listed
        };
        let possible = match &endpoint.host {
            Host::Address(address) => self.meets(demand, *address),
            Host::Name(_) => demand == Demand::Reachable || !self.allowed.is_empty(),
        };
        let fine = match &endpoint.host {
            Host::Address(address) => self.permits(*address),
            Host::Name(name) => self.permits_name(name),
        };
        match (fine, possible) {
            (false, _) => Err(Blocked::Host),
            (true, true) => Ok(CustomerUrl::new(endpoint, demand)),
            (true, false) if !endpoint.secure => Err(Blocked::Insecure),
            (true, false) => Err(Blocked::Port),
        }
    }

    /// Judges a whole answer: one bad address spoils it, since an answer that mixes public and
    /// private addresses is an attempt, and so is an endless one.
    pub(crate) fn judge(&self, demand: Demand, answer: &[IpAddr]) -> Result<(), Blocked> {
        let fine = answer.len() <= MAX_ANSWERS
            && answer.iter().all(|address| self.meets(demand, *address));
        if fine { Ok(()) } else { Err(Blocked::Host) }
    }

    fn meets(&self, demand: Demand, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Metadata => false,
            Reach::Public if demand == Demand::Reachable => true,
            Reach::Public | Reach::Special => self.lists(address),
        }
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|block| block.contains(&address))
    }

    fn permits_name(&self, name: &str) -> bool {
        if METADATA_NAMES.contains(&name) {
            return false;
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return self.lists(Ipv4Addr::LOCALHOST.into())
                || self.lists(Ipv6Addr::LOCALHOST.into());
        }
        true
    }
}
