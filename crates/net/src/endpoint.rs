//! One strictly read base URL: where to dial, what to write in `Host`, what to put before a path.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use rustls::pki_types::ServerName;
use url::Url;

/// Longest base URL accepted, in bytes.
const MAX_LENGTH: usize = 2048;

/// Why a text is not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedUrl {
    /// Nothing there, or more than 2048 bytes.
    #[error("the URL is empty or too long")]
    Length,
    /// Not `https://` or `http://`.
    #[error("the URL must start with https://")]
    Scheme,
    /// White space, a control character, a backslash or a percent sign.
    #[error("the URL contains a character that is not allowed")]
    Character,
    /// A user name or password in front of the host.
    #[error("the URL must not contain a user name or password")]
    UserInfo,
    /// A query or a fragment.
    #[error("the URL must not contain a query or a fragment")]
    Query,
    /// No host, or one that is no name and no address.
    #[error("the URL has no valid host")]
    Host,
    /// Port 0, or no number.
    #[error("the URL has no valid port")]
    Port,
    /// An empty or dot segment in the path.
    #[error("the URL has no valid path")]
    Path,
}

/// A path that cannot be appended to a base URL without changing where the request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request path is not valid")]
pub struct InvalidPath;

/// The host of a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name in its ASCII form, lower case, without a final dot.
    Name(Box<str>),
    /// A literal, in whatever spelling it came.
    Address(IpAddr),
}

/// A base URL taken apart once, so that a call allocates nothing but its own path.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) secure: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) origin: Arc<str>,
    pub(crate) host_header: HeaderValue,
    pub(crate) server_name: ServerName<'static>,
    authority: Authority,
    text: Box<str>,
    prefix_at: usize,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedUrl> {
        let written_path = check_spelling(text)?;
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => MalformedUrl::Port,
            _ => MalformedUrl::Host,
        })?;
        let secure = url.scheme() == "https";
        let host = read_host(&url)?;
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or(MalformedUrl::Port)?;
        let prefix = check_path(url.path(), written_path)?;

        let name = url.host_str().ok_or(MalformedUrl::Host)?;
        let authority = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        let server_name = match &host {
            Host::Name(name) => ServerName::try_from(String::from(name.as_ref())),
            Host::Address(address) => Ok(ServerName::from(*address)),
        };
        let scheme = url.scheme();
        Ok(Self {
            secure,
            port,
            origin: format!("{scheme}://{name}:{port}").into(),
            host_header: HeaderValue::from_str(&authority).map_err(|_| MalformedUrl::Host)?,
            server_name: server_name.map_err(|_| MalformedUrl::Host)?,
            text: format!("{scheme}://{authority}{prefix}").into(),
            prefix_at: scheme.len() + "://".len() + authority.len(),
            authority: Authority::from_maybe_shared(Bytes::from(authority))
                .map_err(|_| MalformedUrl::Host)?,
            host,
        })
    }

    /// The URL in its one canonical spelling, without a final slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The absolute URI of a request below this base.
    pub(crate) fn uri(&self, path_and_query: &str) -> Result<Uri, InvalidPath> {
        check_request_path(path_and_query)?;
        let prefix = &self.text[self.prefix_at..];
        let mut path = Vec::with_capacity(prefix.len() + path_and_query.len());
        path.extend_from_slice(prefix.as_bytes());
        path.extend_from_slice(path_and_query.as_bytes());
        let path = PathAndQuery::from_maybe_shared(Bytes::from(path)).map_err(|_| InvalidPath)?;
        Uri::builder()
            .scheme(if self.secure { Scheme::HTTPS } else { Scheme::HTTP })
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|_| InvalidPath)
    }
}

/// Refuses every spelling on which two URL readers could disagree; returns the path as written.
fn check_spelling(text: &str) -> Result<&str, MalformedUrl> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(MalformedUrl::Length);
    }
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\' || c == '%';
    if text.contains(odd) {
        return Err(MalformedUrl::Character);
    }
    let (scheme, rest) = text.split_once("://").ok_or(MalformedUrl::Scheme)?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(MalformedUrl::Scheme);
    }
    if rest.contains(['?', '#']) {
        return Err(MalformedUrl::Query);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(MalformedUrl::UserInfo);
    }
    if authority.is_empty() {
        return Err(MalformedUrl::Host);
    }
    if authority.ends_with(':') {
        return Err(MalformedUrl::Port);
    }
    Ok(path)
}

fn read_host(url: &Url) -> Result<Host, MalformedUrl> {
    match url.host().ok_or(MalformedUrl::Host)? {
        url::Host::Ipv4(address) => Ok(Host::Address(address.into())),
        url::Host::Ipv6(address) => Ok(Host::Address(address.into())),
        url::Host::Domain(name) => {
            let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
            let good = name.len() <= 253
                && name
                    .split('.')
                    .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain));
            if good { Ok(Host::Name(name.into())) } else { Err(MalformedUrl::Host) }
        }
    }
}

/// The prefix without its final slashes, if it reads the same before and after normalisation.
fn check_path<'a>(parsed: &'a str, written: &str) -> Result<&'a str, MalformedUrl> {
    let prefix = parsed.trim_end_matches('/');
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&c);
    let good = prefix == written.trim_end_matches('/')
        && prefix.bytes().all(plain)
        && prefix.split('/').skip(1).all(|segment| !segment.is_empty())
        && !parsed.ends_with("//");
    if good { Ok(prefix) } else { Err(MalformedUrl::Path) }
}

/// A request path must start at the root and must not climb: the URI type itself would cut a
/// fragment silently and leave dot segments for the far side to resolve.
fn check_request_path(path_and_query: &str) -> Result<(), InvalidPath> {
    let path = match path_and_query.find('?') {
        Some(at) => &path_and_query[..at],
        None => path_and_query,
    };
    if !path.starts_with('/') || path_and_query.contains(['#', '\\']) {
        return Err(InvalidPath);
    }
    if path[1..].split('/').any(is_dot_segment) { Err(InvalidPath) } else { Ok(()) }
}

fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while !rest.is_empty() {
        rest = match rest.as_bytes() {
            [b'.', ..] => &rest[1..],
            [b'%', b'2', b'e' | b'E', ..] => &rest[3..],
            _ => return false,
        };
        dots += 1;
    }
    matches!(dots, 1 | 2)
}
