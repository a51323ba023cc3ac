//! What a list lets pass, and what must not.

use super::{Allowlist, InvalidOrigin, OriginPattern};

fn list(texts: &[&str]) -> Allowlist {
    Allowlist::parse(texts).expect("good patterns")
}

#[test]
fn the_origins_of_a_list_pass() {
    let list = list(&[
        "https://app.example.com",
        "https://shop.example.com:8443",
        "http://localhost:5173",
        "https://*.example.org",
        "https://*.preview.example.net:8080",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "https://xn--mnchen-3ya.example",
    ]);
    for origin in [
        "https://app.example.com",
        "https://shop.example.com:8443",
        "http://localhost:5173",
        "https://a.example.org",
        "https://a.b.c.example.org",
        "https://xn--mnchen-3ya.example.org",
        "https://my_site.example.org",
        "https://pr-1.preview.example.net:8080",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "https://xn--mnchen-3ya.example",
    ] {
        assert!(list.permits(Some(origin)), "{origin}");
    }
}

#[test]
fn no_other_origin_passes() {
    let list = list(&[
        "https://app.example.com",
        "https://shop.example.com:8443",
        "https://*.example.org",
        "http://localhost:5173",
        "https://8.8.8.8",
    ]);
    for origin in [
        // Nothing, or nothing that tells.
        "",
        " ",
        "null",
        "Null",
        "*",
        "https://",
        "https:",
        "https",
        "about:blank",
        "file://",
        // Longer names, before and after.
        "https://app.example.com.evil.com",
        "https://evil-app.example.com",
        "https://evilapp.example.com",
        "https://app.example.community",
        "https://app.example.com.",
        "https://sub.app.example.com",
        "https://example.com",
        // Beside a star.
        "https://example.org",
        "https://.example.org",
        "https://..example.org",
        "https://a..example.org",
        "https://evilexample.org",
        "https://a.example.org.evil.com",
        "https://*.example.org",
        "https://-.example.org",
        "https://-a.example.org",
        "https://a-.example.org",
        "https://a b.example.org",
        "https://a%2eexample.org",
        "https://a.example.org:8443",
        "https://evil.com/.example.org",
        "https://evil.com?.example.org",
        "https://evil.com#.example.org",
        "https://evil.com\\.example.org",
        "https://evil.com:80.example.org",
        "https://evil.com@a.example.org",
        "https://evil.com\0.example.org",
        "https://evil.com\n.example.org",
        // Schemes.
        "http://app.example.com",
        "http://a.example.org",
        "https://localhost:5173",
        "wss://app.example.com",
        "https:/app.example.com",
        "//app.example.com",
        "app.example.com",
        "javascript://app.example.com",
        "httpss://app.example.com",
        // Ports.
        "https://app.example.com:443",
        "https://app.example.com:8443",
        "https://app.example.com:0443",
        "https://app.example.com:",
        "https://app.example.com:65979",
        "https://shop.example.com",
        "https://shop.example.com:08443",
        "https://shop.example.com:+8443",
        "https://shop.example.com:84430",
        "https://shop.example.com:8443:8443",
        "http://localhost",
        "http://localhost:5174",
        // Case and letters that look alike.
        "https://APP.example.com",
        "HTTPS://app.example.com",
        "https://A.example.org",
        "https://\u{430}pp.example.com",
        "https://xn--pp-6kc.example.com",
        "https://app.ex\u{ad}ample.com",
        "https://app\u{3002}example\u{ff0e}com",
        // More than an origin, or several.
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?q",
        "https://app.example.com#f",
        "https://user@app.example.com",
        "https://user:pass@app.example.com",
        "https://app.example.com@evil.com",
        "https://app.example.com https://evil.com",
        "https://app.example.com, https://evil.com",
        " https://app.example.com",
        "https://app.example.com ",
        "https://app.example.com\t",
        // Addresses in other spellings.
        "https://8.8.8.8.",
        "https://134744072",
        "https://0x8.8.8.8",
        "https://010.8.8.8",
        "https://8.8.2056",
        "https://[::ffff:8.8.8.8]",
        "https://[::ffff:808:808]",
    ] {
        assert!(!list.permits(Some(origin)), "{origin:?}");
    }
    assert!(!list.permits(None));
}

#[test]
fn an_empty_list_lets_everything_pass() {
    let list = Allowlist::default();
    assert!(list.is_unrestricted());
    for origin in [None, Some("null"), Some("https://anything.example"), Some("nonsense")] {
        assert!(list.permits(origin), "{origin:?}");
    }
}

#[test]
fn patterns_are_put_into_the_form_that_browsers_send() {
    for (text, expected) in [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("https://*.Example.com", "https://*.example.com"),
        ("https://*.example.com:443", "https://*.example.com"),
        ("https://*.example.com:8443", "https://*.example.com:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[2001:DB8::1]", "http://[2001:db8::1]"),
        ("http://localhost", "http://localhost"),
    ] {
        let pattern = OriginPattern::parse(text).expect(text);
        assert_eq!(pattern.to_string(), expected);
        assert_eq!(OriginPattern::parse(expected), Ok(pattern));
    }
}

#[test]
fn what_no_browser_sends_is_no_pattern() {
    use InvalidOrigin::{Host, NotAscii, Path, Port, Scheme, UserInfo, Wildcard};
    for (text, why) in [
        ("", Scheme),
        ("null", Scheme),
        ("example.com", Scheme),
        ("ftp://example.com", Scheme),
        ("chrome-extension://abcdef", Scheme),
        (" https://example.com", Scheme),
        ("https://example.com/", Path),
        ("https://example.com/app", Path),
        ("https://example.com?x", Path),
        ("https://example.com#x", Path),
        ("https://user@example.com", UserInfo),
        ("https://münchen.example", NotAscii),
        ("https://", Host),
        ("https://:8443", Host),
        ("https://example..com", Host),
        ("https://example.com.", Host),
        ("https://-example.com", Host),
        ("https://exa mple.com", Host),
        ("https://example.com ", Host),
        ("https://a,b", Host),
        ("https://256.1.1.1", Host),
        ("https://1.2.3", Host),
        ("https://0x7f000001", Host),
        ("https://[::1", Host),
        ("https://[::1]x", Host),
        ("https://[::ffff:1.2.3.4]", Host),
        ("https://[0:0:0:0:0:0:0:1]", Host),
        ("https://example.com:", Port),
        ("https://example.com:0", Port),
        ("https://example.com:080", Port),
        ("https://example.com:65536", Port),
        ("https://example.com:x", Port),
        ("*", Wildcard),
        ("https://*", Wildcard),
        ("https://*.", Host),
        ("https://*.com", Wildcard),
        ("https://*.localhost", Wildcard),
        ("https://*.8.8.8.8", Wildcard),
        ("http://*.example.com", Wildcard),
        ("https://**.example.com", Wildcard),
        ("https://*.*.example.com", Wildcard),
        ("https://a.*.example.com", Wildcard),
        ("https://*a.example.com", Wildcard),
        ("https://*.example.com/*", Wildcard),
        ("https://example.*", Wildcard),
        ("https://example.com:*", Wildcard),
    ] {
        assert_eq!(OriginPattern::parse(text), Err(why), "{text:?}");
    }
    let long = format!("https://{}.example.com", "a".repeat(64));
    assert_eq!(OriginPattern::parse(&long), Err(Host));
    let deep = format!("https://{}example.com", "a.".repeat(130));
    assert_eq!(OriginPattern::parse(&deep), Err(Host));
}

#[test]
fn a_list_is_texts_in_json() {
    let json =
        r#"["https://App.example.com","https://*.example.org","https://app.example.com:443"]"#;
    let list: Allowlist = serde_json::from_str(json).expect("good patterns");
    assert_eq!(list.patterns().len(), 2);
    let text = serde_json::to_string(&list).expect("texts");
    assert_eq!(text, r#"["https://app.example.com","https://*.example.org"]"#);

    let errors = Allowlist::parse(&["https://a.example", "x", "https://b.example/"]);
    assert_eq!(errors, Err(vec![(1, InvalidOrigin::Scheme), (2, InvalidOrigin::Path)]));
    let error = serde_json::from_str::<Allowlist>(r#"["x"]"#).expect_err("no origin");
    assert!(error.to_string().contains("[0] an origin starts with"), "{error}");
}
