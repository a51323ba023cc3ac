//! What a provider key lets out.

use byok_vault::{InvalidSecret, ProviderSecret};

use crate::{secret, text_of};

fn refusal(text: &str) -> Option<InvalidSecret> {
    ProviderSecret::parse(text.to_owned()).err()
}

#[test]
fn only_visible_ascii_of_sane_length_is_a_key() {
    for good in ["x", "sk-proj-abc_DEF-123", "AKIA/+=", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"] {
        assert_eq!(text_of(&secret(good)), good);
    }
    assert_eq!(refusal(""), Some(InvalidSecret::Empty));
    assert_eq!(refusal(&"k".repeat(8192)), None);
    assert_eq!(refusal(&"k".repeat(8193)), Some(InvalidSecret::TooLong));
    assert_eq!(refusal(&"k".repeat(200_000)), Some(InvalidSecret::TooLong));
    for bad in [
        "sk-a\r\nX-Evil: 1",
        "sk-a\n",
        "\nsk-a",
        "sk-a\r",
        "sk-a\0b",
        "sk a",
        " sk-a",
        "sk-a ",
        "sk-a\t",
        "sk-\u{e9}",
        "sk-\u{200b}a",
        "\u{feff}sk-a",
        "sk-\u{1f511}",
        "sk-\u{7f}",
        "sk-\u{85}",
        "\u{ff53}k-a",
        "\u{1b}[31msk",
    ] {
        assert_eq!(refusal(bad), Some(InvalidSecret::Unprintable), "{bad:?}");
    }
}

#[test]
fn the_header_is_marked_sensitive_and_holds_prefix_and_key() {
    let header = secret("sk-0123456789").header_value("Bearer ");
    assert!(header.is_sensitive());
    assert_eq!(header.as_bytes(), b"Bearer sk-0123456789");
    assert_eq!(format!("{header:?}"), "Sensitive");
}

#[test]
fn the_hint_is_the_last_four_of_a_long_key_and_nothing_of_a_short_one() {
    assert_eq!(secret("sk-0123456789abcdefWXYZ").hint().as_str(), "…WXYZ");
    assert_eq!(secret("sk-short").hint().as_str(), "…");
}

#[test]
fn an_echoed_key_is_masked_wherever_it_stands_and_nothing_else_is() {
    let key = secret("sk-0123456789");
    let stars = "*".repeat(13);
    for (text, masked) in [
        ("sk-0123456789", Some(stars.clone())),
        (
            "{\"error\": \"bad key sk-0123456789.\"}",
            Some(format!("{{\"error\": \"bad key {stars}.\"}}")),
        ),
        ("sk-0123456789sk-0123456789", Some(stars.repeat(2))),
        (
            "sk-0123456789 sk-0123456788 sk-0123456789",
            Some(format!("{stars} sk-0123456788 {stars}")),
        ),
        ("é sk-0123456789 é", Some(format!("é {stars} é"))),
        ("sk-012345678", None),
        ("SK-0123456789", None),
        ("", None),
    ] {
        let found = key.mask_in(text.as_bytes());
        assert_eq!(found.as_deref(), masked.as_ref().map(String::as_bytes), "{text}");
        assert_eq!(key.find_in(text.as_bytes()), masked.is_some(), "{text}");
    }
}

#[test]
fn a_masked_text_never_holds_the_key_even_where_it_overlaps_itself() {
    let key = secret("abababab");
    for length in 0..40 {
        let text: String = "ab".chars().cycle().take(length).collect();
        let masked = key.mask_in(text.as_bytes());
        assert_eq!(masked.is_some(), length >= 8, "{length}");
        if let Some(masked) = masked {
            assert_eq!(masked.len(), length);
            assert!(!key.find_in(&masked), "{length}");
        }
    }
}

#[test]
fn a_key_cut_off_by_the_end_of_a_text_is_seen_there() {
    let key = secret("sk-sk-0123456789");
    for (text, begun) in [
        ("error: sk-sk-0123", 10),
        ("sk-sk-sk-", 6),
        ("sk-sk-012345678", 15),
        ("ss", 1),
        ("sk-sk-0123456789", 0),
        ("sk-sk-0123 ", 0),
        ("", 0),
    ] {
        assert_eq!(key.begins_in_end_of(text.as_bytes()), begun, "{text}");
    }
    assert_eq!(secret("none").begins_in_end_of(b"non"), 0);
}

#[test]
fn the_dummy_keys_of_self_hosted_endpoints_do_not_spoil_their_answers() {
    for dummy in ["a", "none", "EMPTY", "ollama"] {
        assert_eq!(secret(dummy).mask_in(b"a none EMPTY ollama"), None, "{dummy}");
    }
}

#[test]
fn a_signer_is_lent_the_key_itself() {
    assert_eq!(secret("wJalrXUtnFEMI/K7MDENG").lend(|key, _| key.len()), 21);
    assert!(
        secret("wJalrXUtnFEMI/K7MDENG")
            .lend(|key, token| { key == "wJalrXUtnFEMI/K7MDENG" && token.is_none() })
    );
}

fn with_token(key: &str, token: &str) -> ProviderSecret {
    secret(key).with_session_token(token.to_owned()).expect("a plain token is taken")
}

#[test]
fn a_session_token_is_lent_beside_the_key_and_is_no_part_of_it() {
    let key = "wJalrXUtnFEMI/K7MDENG-0123";
    let secret = with_token(key, "first/token");
    let secret = secret.with_session_token("FwoGZXIvYXdzEC==".to_owned()).expect("another");
    assert!(secret.lend(|k, t| k == key && t == Some("FwoGZXIvYXdzEC==")));
    assert_eq!(secret.hint().as_str(), "…0123");
    assert_eq!(text_of(&secret), key);
    assert!(secret.starts_with("wJalr") && !secret.starts_with(&format!("{key}\0")));
    for (bad, why) in [
        ("", InvalidSecret::Empty),
        ("a\0b", InvalidSecret::Unprintable),
        ("a b", InvalidSecret::Unprintable),
        (&*"t".repeat(8193), InvalidSecret::TooLong),
    ] {
        let refused = self::secret(key).with_session_token(bad.to_owned()).err();
        assert_eq!(refused, Some(why), "{bad:.10}");
    }
}

#[test]
fn an_echoed_session_token_is_masked_like_the_key() {
    let secret = with_token("wJalrXUtnFEMI", "FwoGZXIvYXdzEC==");
    for (text, masked) in [
        ("a FwoGZXIvYXdzEC== b", Some("a **************** b")),
        ("wJalrXUtnFEMI FwoGZXIvYXdzEC==", Some("************* ****************")),
        ("wJalrXUtnFEM FwoGZXIvYXdzEC=", None),
        ("wJalrXUtnFEMI\0FwoGZXI", Some("*************\0FwoGZXI")),
    ] {
        let found = secret.mask_in(text.as_bytes());
        assert_eq!(found.as_deref(), masked.map(str::as_bytes), "{text}");
        assert_eq!(secret.find_in(text.as_bytes()), masked.is_some(), "{text}");
    }
    for (text, begun) in [("x FwoGZXI", 7), ("x wJal", 4), ("x FwoGZXIw", 1), ("x", 0)] {
        assert_eq!(secret.begins_in_end_of(text.as_bytes()), begun, "{text}");
    }
    // A key and a token that overlap are both gone.
    let secret = with_token("abcdefghij", "ghijklmnop");
    assert_eq!(secret.mask_in(b"abcdefghijklmnop").expect("found"), [b'*'; 16]);
    // A short key is left alone, whatever stands beside it.
    assert_eq!(with_token("none", "ghijklmnop").mask_in(b"none"), None);
}
