//! Headers that speak of one connection and must not travel to the next.

use http::{HeaderMap, HeaderName, header};

/// Removes every hop-by-hop header: the standard ones, the ones `Connection` names, and a
/// `Content-Length` that stood beside a `Transfer-Encoding` and therefore does not count.
///
/// For requests and responses alike. A map without any of them is only read.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    // Names are collected first: the map cannot be read and written at once.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in named.iter().filter(|name| !is_framing_or_identity(name)).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// `Connection: authorization` must not be a way to make us drop what we were asked to carry.
fn is_framing_or_identity(name: &HeaderName) -> bool {
    [header::CONTENT_LENGTH, header::HOST, header::AUTHORIZATION, header::CONTENT_TYPE]
        .contains(name)
}
