//! What `ENCRYPTION_KEY` and `ENCRYPTION_KEYS` take.

use byok_vault::{Keyring, random_key_hex};

const GOOD: &str = "a54dca182530bb1d6d132cded6237b2ed91e3f721fcb1971174494d6493c9d5c";
const OTHER: &str = "8c0f6d4b1e92a75360fd8e41b7c5293a4d6e1f80927b3c5ad8e4f60b19c7a235";

/// No run of eight characters of the value stands in the message.
fn assert_shows_nothing(message: &str, value: &str) {
    let value: Vec<char> = value.chars().collect();
    for window in value.windows(8) {
        let window: String = window.iter().collect();
        assert!(!message.contains(&window), "{message:?} shows a part of the key");
    }
    assert!(!message.contains('\n'), "{message:?} is more than a line");
}

#[test]
fn bad_single_keys_are_refused_with_the_variable_and_without_the_value() {
    let with = |change: fn(&str) -> String| change(GOOD);
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "is empty"),
        (GOOD[..63].to_owned(), "has 63 characters"),
        (format!("{GOOD}0"), "has 65 characters"),
        (GOOD[..32].to_owned(), "has 32 characters"),
        (format!("{GOOD}{OTHER}"), "has 128 characters"),
        (with(|k| format!(" {}", &k[1..])), "position 1 "),
        (with(|k| format!("{k} ")), "position 65 "),
        (with(|k| format!("{k}\n")), "position 65 "),
        (with(|k| format!("0x{}", &k[2..])), "position 2 "),
        (with(|k| format!("\"{k}\"")), "position 1 "),
        (with(|k| k.replacen('a', "g", 1)), "position 1 "),
        (with(|k| k.replacen('4', "４", 1)), "position 3 "),
        (with(|k| format!("1:{k}")), "position 2 "),
        ("hunter2hunter2".to_owned(), "position 1 "),
        ("0".repeat(64), "is all zeros"),
        ("7f".repeat(32), "repeats one byte"),
        ("F".repeat(64), "repeats one byte"),
        ((0..32).map(|i| format!("{i:02x}")).collect(), "counts up or down"),
        ((0..32).map(|i| format!("{:02X}", 0x9f - i)).collect(), "counts up or down"),
        ("00112233445566778899aabbccddeeff".repeat(2), "repeats a short pattern"),
        ("0123456789abcdef".repeat(4), "repeats a short pattern"),
        ("deadbeef".repeat(8), "repeats a short pattern"),
        ("a1".repeat(20) + &"b2".repeat(12), "repeats a few bytes"),
        (
            "change-me-to-32-characters-long!".bytes().map(|b| format!("{b:02x}")).collect(),
            "spells text",
        ),
        (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            "is a published example",
        ),
        (
            "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4".to_owned(),
            "is a published example",
        ),
    ];
    for variable in ["ENCRYPTION_KEY", "ENCRYPTION_KEY_FILE"] {
        for (value, why) in &cases {
            let message = Keyring::parse(variable, value).err().expect(why).to_string();
            assert!(message.starts_with(&format!("{variable} ")), "{message}");
            assert!(message.contains(why), "{message:?} does not say {why:?}");
            assert!(message.contains("openssl rand -hex 32"), "{message:?} says no way out");
            assert_shows_nothing(&message, value);
        }
    }
}

#[test]
fn bad_rings_are_refused_with_the_entry_and_without_the_value() {
    let zeros = "0".repeat(64);
    for (value, why) in [
        (String::new(), "is empty"),
        (GOOD.to_owned(), "(entry 1) does not start with a term number"),
        (format!("2:{GOOD},{OTHER}"), "(entry 2) does not start with a term number"),
        (format!("2:{GOOD},"), "(entry 2) does not start with a term number"),
        (format!("2:{GOOD}, 1:{OTHER}"), "(entry 2) does not start with a term number"),
        (format!("+2:{GOOD}"), "(entry 1) does not start with a term number"),
        (format!(":{GOOD}"), "(entry 1) does not start with a term number"),
        (format!("4294967296:{GOOD}"), "(entry 1) does not start with a term number"),
        (format!("2:{GOOD},1:"), "(entry 2) has 0 characters"),
        (format!("2:{GOOD},1:{}", &OTHER[1..]), "(entry 2) has 63 characters"),
        (format!("2:{GOOD},1: {OTHER}"), "(entry 2) has a character at position 1 "),
        (format!("2:{GOOD}:x,1:{OTHER}"), "(entry 1) has a character at position 65 "),
        (format!("2:{GOOD},1:{zeros}"), "(entry 2) is all zeros"),
        (format!("1:{GOOD},1:{OTHER}"), "two keys of term 1"),
        (format!("1:{GOOD},01:{OTHER}"), "two keys of term 1"),
        (format!("2:{GOOD},1:{GOOD}"), "one key under terms 2 and 1"),
        (format!("2:{GOOD},1:{}", GOOD.to_uppercase()), "one key under terms 2 and 1"),
    ] {
        let message = Keyring::parse_ring("ENCRYPTION_KEYS", &value).err().expect(why).to_string();
        assert!(message.starts_with("ENCRYPTION_KEYS "), "{message}");
        assert!(message.contains(why), "{message:?} does not say {why:?}");
        assert_shows_nothing(&message, &value);
    }
}

#[test]
fn the_first_key_of_a_ring_is_current() {
    let ring = Keyring::parse_ring("ENCRYPTION_KEYS", &format!("2:{OTHER},1:{GOOD}")).expect("two");
    assert!(ring.current().as_str().starts_with("2-"), "{}", ring.current());
    let kids: Vec<_> = ring.kids().map(|kid| kid.as_str()).collect();
    assert_eq!(kids.len(), 2);
    assert_eq!(kids[1], "1-32bfd54f");
}

#[test]
fn upper_and_lower_case_spell_the_same_key() {
    let lower = Keyring::parse("ENCRYPTION_KEY", GOOD).expect("lower");
    let upper = Keyring::parse("ENCRYPTION_KEY", &GOOD.to_uppercase()).expect("upper");
    assert_eq!(lower.current(), upper.current());
}

#[test]
fn random_keys_are_never_taken_for_weak() {
    for _ in 0..2_000 {
        let key = random_key_hex();
        assert!(Keyring::parse("ENCRYPTION_KEY", &key).is_ok());
    }
}
