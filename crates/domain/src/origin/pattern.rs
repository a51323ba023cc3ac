//! One allowed origin, or the subdomains of one.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer};
use thiserror::Error;

/// An exact origin (`https://app.example.com`, `http://localhost:5173`), or all subdomains of a
/// name (`https://*.example.com`), at any depth but not the name itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    subdomains: bool,
    origin: Origin,
}

/// An origin as browsers serialise it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Origin {
    scheme: Scheme,
    /// Lower case; an IPv6 address in brackets.
    host: Box<str>,
    /// Unless it is the scheme's own.
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

/// Why a text cannot be an [`OriginPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidOrigin {
    /// Neither `https://` nor `http://`.
    #[error("an origin starts with https:// or http://")]
    Scheme,
    /// Something after host and port, if only a slash.
    #[error("an origin ends after host and port; drop the path and the last slash")]
    Path,
    /// A user name or password.
    #[error("an origin has no user name or password")]
    UserInfo,
    /// Letters outside ASCII.
    #[error("write an international name the way browsers send it, as xn--…")]
    NotAscii,
    /// No name or address that a browser would send.
    #[error("the host is not a plain domain name or address")]
    Host,
    /// Not a number from 1 to 65535 without leading zeros.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A star anywhere but as the whole first label of an `https` name of two labels or more.
    #[error("a star stands for the subdomains of a name, as in https://*.example.com")]
    Wildcard,
}

impl OriginPattern {
    /// Parses what a project allows; case of the host and a default port are put right.
    ///
    /// # Errors
    /// [`InvalidOrigin`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        if !text.is_ascii() {
            return Err(InvalidOrigin::NotAscii);
        }
        let lower = text.to_ascii_lowercase();
        if !lower.contains('*') {
            return Ok(Self { subdomains: false, origin: Origin::parse(&lower)? });
        }
        let rest = lower.strip_prefix("https://*.").ok_or(InvalidOrigin::Wildcard)?;
        if rest.contains('*') {
            return Err(InvalidOrigin::Wildcard);
        }
        let origin = Origin::parse(&format!("https://{rest}"))?;
        let is_name = origin.host.contains('.') && !ends_in_a_number(&origin.host);
        if is_name { Ok(Self { subdomains: true, origin }) } else { Err(InvalidOrigin::Wildcard) }
    }

    /// Whether the value of an `Origin` header is meant. Only the form that browsers send counts:
    /// anything else did not come from one.
    pub fn matches(&self, header: &str) -> bool {
        let Ok(origin) = Origin::parse(header) else { return false };
        if origin.to_string() != header {
            return false;
        }
        if !self.subdomains {
            return origin == self.origin;
        }
        let parent = origin.host.strip_suffix(&*self.origin.host);
        (origin.scheme, origin.port) == (self.origin.scheme, self.origin.port)
            && parent.is_some_and(|labels| labels.ends_with('.'))
    }
}

impl Origin {
    fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, authority) = [Scheme::Https, Scheme::Http]
            .into_iter()
            .find_map(|scheme| Some((scheme, text.strip_prefix(scheme.prefix())?)))
            .ok_or(InvalidOrigin::Scheme)?;
        if authority.contains(['/', '\\', '?', '#']) {
            return Err(InvalidOrigin::Path);
        }
        if authority.contains('@') {
            return Err(InvalidOrigin::UserInfo);
        }
        let host_ends = if authority.starts_with('[') {
            authority.find(']').ok_or(InvalidOrigin::Host)? + 1
        } else {
            authority.find(':').unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(host_ends);
        let port = match port.strip_prefix(':') {
            Some(digits) => Some(parse_port(digits)?),
            None if port.is_empty() => None,
            None => return Err(InvalidOrigin::Host),
        };
        if !is_host(host) {
            return Err(InvalidOrigin::Host);
        }
        let port = port.filter(|port| *port != scheme.default_port());
        Ok(Self { scheme, host: host.into(), port })
    }
}

impl Scheme {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

fn parse_port(digits: &str) -> Result<u16, InvalidOrigin> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain).ok_or(InvalidOrigin::Port)
}

/// Whether a host is written as browsers write it: an address in its one canonical form, or
/// labels of lower-case letters, digits, `-` and `_`.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // A mapped IPv4 address has two spellings, of which browsers send the one we would not.
        return !address.contains('.')
            && address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    if ends_in_a_number(host) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Whether browsers take a host for an IPv4 address, or refuse it.
fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let hex = last.strip_prefix("0x").is_some_and(|x| x.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme.prefix(), self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subdomains {
            return self.origin.fmt(f);
        }
        let text = self.origin.to_string();
        let rest = text.strip_prefix(self.origin.scheme.prefix()).unwrap_or(&text);
        write!(f, "{}*.{rest}", self.origin.scheme.prefix())
    }
}

impl Serialize for OriginPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
