//! The address a request came from, as far as it can be believed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use byok_net::{IpNet, PeerAddr};
use http::{Extensions, HeaderMap};

/// The client's address: the peer's own, or, where the peer is one of our `trusted` proxies, the
/// last address in `X-Forwarded-For` that is not. Further left everything is the client's word.
///
/// Without [`PeerAddr`] (or axum's `ConnectInfo`) in the request all clients share one address.
pub(crate) fn client(trusted: &[IpNet], extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<PeerAddr>().map(|peer| peer.0).or_else(|| {
        extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address)
    });
    let mut address =
        peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .collect();
    for hop in hops.iter().rev() {
        if !trusted.iter().any(|range| range.contains(&address)) {
            break;
        }
        let Ok(next) = hop.trim().parse::<IpAddr>() else { break };
        address = next.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses_count_only_as_far_as_proxies_are_trusted() {
        let trusted: Vec<IpNet> =
            vec!["10.0.0.0/8".parse().expect("a range"), "::1/128".parse().expect("a range")];
        for (peer, forwarded, client_address) in [
            ("203.0.113.9:1", vec![], "203.0.113.9"),
            ("203.0.113.9:1", vec!["1.2.3.4"], "203.0.113.9"),
            ("10.0.0.1:1", vec![], "10.0.0.1"),
            ("10.0.0.1:1", vec!["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1:1", vec!["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1:1", vec!["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1:1", vec!["1.2.3.4, junk"], "10.0.0.1"),
            ("[::1]:1", vec!["2001:db8::7"], "2001:db8::7"),
            ("[::ffff:10.0.0.1]:1", vec!["::ffff:1.2.3.4"], "1.2.3.4"),
        ] {
            let mut extensions = Extensions::new();
            extensions.insert(PeerAddr(peer.parse().expect("an address")));
            let mut headers = HeaderMap::new();
            for value in &forwarded {
                headers.append("x-forwarded-for", value.parse().expect("a value"));
            }
            let expected: IpAddr = client_address.parse().expect("an address");
            assert_eq!(client(&trusted, &extensions, &headers), expected, "{peer} {forwarded:?}");
        }
    }
}
