//! Which addresses and URLs the guard lets through.

use byok_net::{Blocked, EgressPolicy, MalformedUrl, TrustedUrl};

use crate::support::policy;

const BLOCKED_V4: [&str; 76] = [
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.0",
    "10.0.0.1",
    "10.9.9.9",
    "10.255.255.255",
    "100.64.0.0",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.0.23",
    "169.254.42.42",
    "169.254.169.123",
    "169.254.169.253",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.255.255",
    "172.16.0.0",
    "172.16.0.1",
    "172.17.0.1",
    "172.20.10.1",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.1",
    "192.0.2.255",
    "192.88.99.0",
    "192.88.99.1",
    "192.88.99.2",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.0.1",
    "192.168.1.1",
    "192.168.7.7",
    "192.168.255.255",
    "198.18.0.0",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.7",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.9",
    "203.0.113.255",
    "224.0.0.0",
    "224.0.0.1",
    "224.0.0.251",
    "232.1.1.1",
    "233.252.0.1",
    "239.0.0.1",
    "239.255.255.250",
    "239.255.255.255",
    "240.0.0.0",
    "240.0.0.1",
    "247.1.1.1",
    "250.0.0.1",
    "253.253.253.253",
    "254.1.1.1",
    "255.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
];

const BLOCKED_V6: [&str; 62] = [
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "100::",
    "100::1",
    "100:0:0:1::1",
    "1::1",
    "400::1",
    "800::1",
    "1000::1",
    "1fff::1",
    "2001::",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:1f::1",
    "2001:20::1",
    "2001:2f::1",
    "2001:1ff::1",
    "2001:db8::",
    "2001:db8::1",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002::1",
    "2002:7f00:1::1",
    "2002:0808:0808::1",
    "2002:a9fe:a9fe::1",
    "2a00:1450::5efe:10.0.0.1",
    "2a00:1450::200:5efe:8.8.8.8",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "fc00::",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd12:3456:789a::1",
    "fdff::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
];

const PUBLIC: [&str; 25] = [
    "1.0.0.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001:82a::200e",
    "2001:200::1",
    "2620:fe::fe",
];

/// Reached with credentials to be had, whatever the operator lists.
const METADATA: [&str; 17] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.23",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::168.63.129.16",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
];

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

#[test]
fn special_addresses_are_blocked_and_their_neighbours_are_not() {
    let policy = EgressPolicy::default();
    for address in BLOCKED_V4.iter().chain(&BLOCKED_V6) {
        assert!(!policy.permits(address.parse().expect("an address")), "{address}");
        let url = format!("https://{}/v1", bracketed(address));
        assert_eq!(policy.parse(&url).err(), Some(Blocked::Host), "{url}");
    }
    for address in PUBLIC {
        assert!(policy.permits(address.parse().expect("an address")), "{address}");
        let url = format!("https://{}/v1", bracketed(address));
        assert!(policy.parse(&url).is_ok(), "{url}");
    }
}

#[test]
fn metadata_services_are_blocked_even_if_everything_is_allowed() {
    let policy = policy(&["0.0.0.0/0", "::/0"]);
    assert!(policy.permits("127.0.0.1".parse().expect("an address")));
    assert!(policy.permits("::ffff:10.0.0.1".parse().expect("an address")));
    // A Teredo client's address is written with every bit turned over.
    let teredo = ["2001:0:808:808:0:0:5601:5601"];
    for address in METADATA.iter().chain(&teredo) {
        assert!(!policy.permits(address.parse().expect("an address")), "{address}");
        let url = format!("https://{}", bracketed(address));
        assert_eq!(policy.parse(&url).err(), Some(Blocked::Host), "{url}");
    }
    for name in [
        "metadata",
        "metadata.google.internal",
        "METADATA.google.INTERNAL",
        "instance-data.ec2.internal",
        "metadata.goog",
        "metadata.tencentyun.com",
    ] {
        assert_eq!(policy.parse(&format!("https://{name}/x")).err(), Some(Blocked::Host), "{name}");
    }
}

#[test]
fn every_spelling_of_a_blocked_address_is_blocked() {
    let spelt = [
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "017700000001",
        "127.1",
        "127.0.1",
        "0177.1",
        "0x7f.1",
        "0177.0.0.01",
        "0x7f.0x0.0x0.0x1",
        "127.0.0.1.",
        "127.0x1",
        "0",
        "0.0",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "１２７．０．０．１",
        "127.000.000.001",
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
        "169.16689662",
        "0251.0376.0251.0376",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[0000::0001]",
        "[::FFFF:169.254.169.254]",
        "167772161",
        "0xa000001",
        "3232235777",
        "0xc0.0xa8.1",
        "192.168.257",
    ];
    let policy = EgressPolicy::default();
    for host in spelt {
        let url = format!("https://{host}/v1");
        assert_eq!(policy.parse(&url).err(), Some(Blocked::Host), "{url}");
    }
}

#[test]
fn a_hundred_generated_spellings_of_private_addresses_are_blocked() {
    let radix = |value: u32, how: u32| match how {
        0 => format!("{value}"),
        1 => format!("{value:#x}"),
        _ => format!("0{value:o}"),
    };
    let policy = EgressPolicy::default();
    let mut tried = 0;
    for address in [0x7f00_0001_u32, 0x0a09_0909, 0xa9fe_a9fe, 0xc0a8_0707, 0x6440_0001] {
        let [a, b, c, d] = address.to_be_bytes().map(u32::from);
        for how in 0..3 {
            for other in 0..3 {
                for host in [
                    radix(address, how),
                    format!("{}.{}", radix(a, how), radix(address & 0xff_ffff, other)),
                    format!("{}.{}.{}", radix(a, how), radix(b, other), radix(c << 8 | d, how)),
                    format!("{}.{}.{}.{}", radix(a, other), b, radix(c, how), radix(d, other)),
                ] {
                    let url = format!("https://{host}:8443/");
                    assert_eq!(policy.parse(&url).err(), Some(Blocked::Host), "{url}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 100);
}

/// The text, and why it is refused.
const MALFORMED: [(&str, MalformedUrl); 92] = {
    use MalformedUrl::{Character, Host, Length, Path, Port, Query, Scheme, UserInfo};
    [
        ("", Length),
        ("api.openai.com", Scheme),
        ("//api.openai.com", Scheme),
        ("/v1", Scheme),
        ("https:api.openai.com", Scheme),
        ("https:/api.openai.com", Scheme),
        ("https//api.openai.com", Scheme),
        ("file:///etc/passwd", Scheme),
        ("gopher://api.openai.com", Scheme),
        ("unix:///var/run/docker.sock", Scheme),
        ("data:text/plain,x", Scheme),
        ("ws://api.openai.com", Scheme),
        ("wss://api.openai.com", Scheme),
        ("ftp://api.openai.com", Scheme),
        ("dict://127.0.0.1:11211", Scheme),
        ("ldap://127.0.0.1", Scheme),
        ("javascript://x", Scheme),
        ("jar:https://x!/", Scheme),
        ("httpss://api.openai.com", Scheme),
        ("xhttps://api.openai.com", Scheme),
        ("h2c://api.openai.com", Scheme),
        ("view-source:https://x.com", Scheme),
        ("https://", Host),
        ("https:///api.openai.com", Host),
        ("https:////api.openai.com", Host),
        ("https://:443", Host),
        ("https://.", Host),
        ("https://..", Host),
        ("https://.com", Host),
        ("https://a..b", Host),
        ("https://api.openai.com.", Host),
        ("https://api.openai.com..", Host),
        ("https://*.openai.com", Host),
        ("https://a,b.com", Host),
        ("https://a;b.com", Host),
        ("https://a!b.com", Host),
        ("https://a'b.com", Host),
        ("https://a(b).com", Host),
        ("https://a+b.com", Host),
        ("https://a=b.com", Host),
        ("https://a&b.com", Host),
        ("https://a$b.com", Host),
        ("https://a~b.com", Host),
        ("https://a<b.com", Host),
        ("https://a|b.com", Host),
        ("https://a^b.com", Host),
        ("https://a{b}.com", Host),
        ("https://a`b.com", Host),
        ("https://a\"b.com", Host),
        ("https://[::1", Host),
        ("https://::1", Host),
        ("https://[::1]x", Host),
        ("https://[fe80::1%25eth0]", Character),
        ("https://[fe80::1%eth0]", Character),
        ("https://[1.2.3.4]", Host),
        ("https://[v1.x]", Host),
        ("https://256.1.1.1", Host),
        ("https://1.2.3.4.5", Host),
        ("https://0x100000000", Host),
        ("https://99999999999", Host),
        ("https://08.1.1.1", Host),
        ("https://a.1", Host),
        ("https://xn--.com", Host),
        ("https://user@api.openai.com", UserInfo),
        ("https://user:pass@api.openai.com", UserInfo),
        ("https://@api.openai.com", UserInfo),
        ("https://:@api.openai.com", UserInfo),
        ("https://api.openai.com@evil.example", UserInfo),
        ("https://api.openai.com:443@evil.example", UserInfo),
        ("https://evil.example\\@api.openai.com", Character),
        ("https://api.openai.com\\.evil.example", Character),
        ("https:\\\\api.openai.com", Character),
        ("https://api.openai.com/\\evil", Character),
        ("https://api.openai\t.com", Character),
        ("https://api.openai.com/\n", Character),
        ("https://api.openai.com/\r\nHost: x", Character),
        (" https://api.openai.com", Character),
        ("https://api.openai.com ", Character),
        ("https://api.openai.com/\0", Character),
        ("ht\ntps://api.openai.com", Character),
        ("https://api%2eopenai.com", Character),
        ("https://%31%32%37.0.0.1", Character),
        ("https://api.openai.com/%2e%2e/x", Character),
        ("https://evil.example#@api.openai.com", Query),
        ("https://api.openai.com?x", Query),
        ("https://api.openai.com/v1?", Query),
        ("https://api.openai.com/v1#", Query),
        ("https://api.openai.com:0", Port),
        ("https://api.openai.com:", Port),
        ("https://api.openai.com:65536", Port),
        ("https://api.openai.com/a/../b", Path),
        ("https://api.openai.com/a//b", Path),
    ]
};

#[test]
fn urls_that_two_readers_could_read_differently_are_refused() {
    let policy = EgressPolicy::default();
    for (text, reason) in MALFORMED {
        assert_eq!(policy.parse(text).err(), Some(Blocked::Malformed(reason)), "{text:?}");
        assert_eq!(TrustedUrl::parse(text).err(), Some(reason), "{text:?}");
    }
    for text in [
        "https://api.openai.com/./x",
        "https://x.com/..",
        "https://x.com/é",
        "https://x.com//",
        "https://x.com/a<b",
        "https://x.com/\u{202e}",
    ] {
        assert!(policy.parse(text).is_err(), "{text:?}");
    }
    assert!(policy.parse(&format!("https://x.com/{}", "a".repeat(2048))).is_err());
    let label = "a".repeat(64);
    assert!(policy.parse(&format!("https://{label}.com")).is_err());
}

#[test]
fn good_urls_come_out_in_one_spelling() {
    let policy = EgressPolicy::default();
    for (text, canonical, origin) in [
        ("https://api.openai.com", "https://api.openai.com", "https://api.openai.com:443"),
        ("HTTPS://API.OpenAI.com:443/", "https://api.openai.com", "https://api.openai.com:443"),
        ("https://x.com/v1/", "https://x.com/v1", "https://x.com:443"),
        ("https://x.com:8443/a/b", "https://x.com:8443/a/b", "https://x.com:8443"),
        ("https://8.8.8.8/v1", "https://8.8.8.8/v1", "https://8.8.8.8:443"),
        ("https://134744072", "https://8.8.8.8", "https://8.8.8.8:443"),
        (
            "https://[2606:4700:0::1111]",
            "https://[2606:4700::1111]",
            "https://[2606:4700::1111]:443",
        ),
        (
            "https://bücher.example/",
            "https://xn--bcher-kva.example",
            "https://xn--bcher-kva.example:443",
        ),
        ("https://ＥＸＡＭＰＬＥ.com", "https://example.com", "https://example.com:443"),
        ("https://x.com/@me/v1;a=1", "https://x.com/@me/v1;a=1", "https://x.com:443"),
    ] {
        let url = policy.parse(text).expect(text);
        assert_eq!((url.as_str(), url.origin()), (canonical, origin), "{text}");
        assert_eq!(policy.parse(canonical).expect(text).as_str(), canonical);
    }
}

#[test]
fn plain_http_and_odd_ports_need_the_operators_list() {
    let none = EgressPolicy::default();
    let some = policy(&["10.1.0.0/16", "fd00:1::/32", "127.0.0.0/8"]);
    for (text, without, with) in [
        ("http://api.example.com", Some(Blocked::Insecure), None),
        ("http://8.8.8.8", Some(Blocked::Insecure), Some(Blocked::Insecure)),
        ("https://8.8.8.8:80", Some(Blocked::Port), Some(Blocked::Port)),
        ("https://8.8.8.8:22", Some(Blocked::Port), Some(Blocked::Port)),
        ("https://api.example.com:11434", Some(Blocked::Port), None),
        ("https://8.8.8.8:8443", None, None),
        ("http://10.1.2.3:11434", Some(Blocked::Host), None),
        ("http://10.2.2.3:11434", Some(Blocked::Host), Some(Blocked::Host)),
        ("https://[fd00:1::5]:9", Some(Blocked::Host), None),
        ("https://[fd00:2::5]:9", Some(Blocked::Host), Some(Blocked::Host)),
        ("https://localhost", Some(Blocked::Host), None),
        ("http://a.LOCALHOST:8080", Some(Blocked::Host), None),
        ("http://[::ffff:10.1.2.3]", Some(Blocked::Host), Some(Blocked::Host)),
        ("http://169.254.169.254", Some(Blocked::Host), Some(Blocked::Host)),
    ] {
        assert_eq!(none.parse(text).err(), without, "{text} without a list");
        assert_eq!(some.parse(text).err(), with, "{text} with a list");
    }
}

#[test]
fn no_port_of_a_public_address_is_open_but_two() {
    let policy = EgressPolicy::default();
    let open = (1..=u16::MAX)
        .filter(|port| policy.parse(&format!("https://8.8.8.8:{port}")).is_ok())
        .collect::<Vec<_>>();
    assert_eq!(open, [443, 8443]);
}

#[test]
fn an_operators_url_may_lead_anywhere() {
    for text in
        ["http://127.0.0.1:9", "http://localhost:11434/v1", "https://10.0.0.1", "http://ollama"]
    {
        assert_eq!(TrustedUrl::parse(text).expect(text).as_str(), text);
    }
}

#[test]
fn a_path_is_appended_to_the_prefix_and_nothing_else_happens_to_it() {
    let base = TrustedUrl::parse("https://x.com:8443/openai/").expect("a base");
    for path in ["/v1/chat", "/v1/a%2Fb?x=%2e%2e&y=/../", "/v1/a..b/...", "/", "/a//b"] {
        let uri = base.uri(path).expect(path);
        assert_eq!(uri.to_string(), format!("https://x.com:8443/openai{path}"));
    }
    for path in [
        "",
        "v1",
        "?x",
        "/a/../b",
        "/..",
        "/./a",
        "/a/.",
        "/%2e%2e/a",
        "/a/.%2E/b",
        "/%2E",
        "/a#b",
        "/a?x#y",
        "/a\\..\\b",
        "/a b",
        "/a\r\nx: y",
        "/a\0",
        "/é\u{7f}",
        "@evil.example/x",
        "//../x",
    ] {
        assert!(base.uri(path).is_err(), "{path:?}");
    }
}
