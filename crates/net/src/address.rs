//! What an address is for: public, special, or a cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is reached at an address, as far as a proxy that dials for strangers cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A globally routed unicast address.
    Public,
    /// Private, local, reserved, multicast, documentation, or an IPv4 address in IPv6 clothes.
    Special,
    /// A cloud's metadata or host service: credentials for the asking, never dialled for a customer.
    Metadata,
}

/// Sorts an address. IPv6 forms that embed an IPv4 address are never [`Reach::Public`], because
/// what they reach depends on translators on the way, whatever the embedded address is.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) if is_metadata_v4(v4) => Reach::Metadata,
        IpAddr::V4(v4) if is_special_v4(v4) => Reach::Special,
        IpAddr::V6(v6) if is_metadata_v6(v6) => Reach::Metadata,
        IpAddr::V6(v6) if is_special_v6(v6) => Reach::Special,
        _ => Reach::Public,
    }
}

/// Every cloud keeps its metadata service in 169.254.0.0/16 or at one of four addresses beside it.
fn is_metadata_v4(address: Ipv4Addr) -> bool {
    matches!(
        address.octets(),
        [169, 254, _, _] // AWS, Google, Azure, Oracle, DigitalOcean, Tencent, Scaleway, ECS, EKS
            | [168, 63, 129, 16] // Azure's wire server
            | [100, 100, 100, 200] // Alibaba
            | [192, 0, 0, 192] // Oracle classic
    )
}

fn is_metadata_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let native = matches!(
        s,
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, _] // AWS: metadata, DNS, time, pod identity
            | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] // Google
            | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] // Scaleway
            | [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe] // OpenStack
    );
    native || embedded_v4(s).into_iter().flatten().any(is_metadata_v4)
}

/// Every IPv4 address that some IPv6 transition scheme would read out of these segments.
fn embedded_v4(s: [u16; 8]) -> [Option<Ipv4Addr>; 3] {
    let join = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    let last = join(s[6], s[7]);
    match s {
        // Mapped, compatible, translated (RFC 2765), and both NAT64 prefixes.
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => {
            [Some(last), None, None]
        }
        [0x64, 0xff9b, ..] => [Some(last), None, None],
        [0x2002, high, low, ..] => [Some(join(high, low)), None, None],
        // Teredo: the server in clear, the client with every bit turned over.
        [0x2001, 0, high, low, ..] => [Some(join(high, low)), Some(join(!s[6], !s[7])), None],
        // ISATAP, under any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => [None, None, Some(last)],
        _ => [None, None, None],
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127, ..] | [224..=255, ..] => true,
        [100, 64..=127, ..] => true, // carrier-grade NAT
        [172, 16..=31, ..] => true,  // private
        [192, 168, ..] => true,      // private
        [192, 0, 0, _] => true,      // protocol assignments
        [192, 0, 2, _] => true,      // documentation
        [192, 88, 99, _] => true,    // 6to4 relays
        [198, 18..=19, ..] => true,  // benchmarks
        [198, 51, 100, _] | [203, 0, 113, _] => true, // documentation
        _ => false,
    }
}

/// Only 2000::/3 is handed out as global unicast, so everything outside it is special by rule
/// rather than by list: loopback, mapped and NAT64 forms, discard, unique local, link-local,
/// site-local, segment routing, multicast, and whatever is reserved next.
fn is_special_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x1ff, ..] => true, // protocol assignments: Teredo, benchmarks, ORCHID
        [0x2001, 0xdb8, ..] => true,     // documentation
        [0x2002, ..] => true,            // 6to4
        [0x3fff, 0..=0xfff, ..] => true, // documentation
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => true, // ISATAP
        [0x2000..=0x3fff, ..] => false,
        _ => true,
    }
}
