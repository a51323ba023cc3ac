//! Tokens, their digests, the audit chain and the operator's token.

use std::collections::HashSet;

use byok_vault::{
    AdminToken, AuditKey, InvalidAdminToken, Token, TokenDigest, TokenHasher, checksum_holds,
};

const PREFIXES: [&str; 5] =
    ["byo_sk_live_", "byo_sk_test_", "byo_pk_live_", "byo_pk_test_", "byo_ck_"];

#[test]
fn minted_tokens_have_their_prefix_49_more_characters_and_a_checksum_that_holds() {
    let mut seen = HashSet::new();
    for prefix in PREFIXES {
        for _ in 0..200 {
            let token = Token::mint(prefix);
            let rest = token.as_str().strip_prefix(prefix).expect("the prefix is there");
            assert_eq!(rest.len(), 49);
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{rest}");
            assert!(checksum_holds(token.as_str()));
            assert!(seen.insert(token.as_str().to_owned()), "minted twice");
            assert!(token.as_str().ends_with(token.hint().as_str().trim_start_matches('…')));
            assert_eq!(token.hint().as_str().chars().count(), 5);
        }
    }
}

/// Made with Python's `zlib.crc32` over 256 zero bits, 256 one bits and the bytes 0 to 31.
#[test]
fn tokens_of_another_implementation_hold() {
    for token in [
        "byo_sk_live_00000000000000000000000000000000000000000004bXo8a",
        "byo_sk_live_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp11TuLKu",
        "byo_sk_live_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3vVUxg",
    ] {
        assert!(checksum_holds(token), "{token}");
    }
}

#[test]
fn any_one_character_changed_breaks_the_checksum() {
    let token = "byo_sk_live_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3vVUxg";
    for at in 0..token.len() {
        for other in "0aZ_-".chars() {
            if token[at..].starts_with(other) {
                continue;
            }
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert!(!checksum_holds(&changed), "{changed}");
        }
        let cut = format!("{}{}", &token[..at], &token[at + 1..]);
        assert!(!checksum_holds(&cut), "{cut}");
    }
}

#[test]
fn what_only_looks_like_a_token_fails() {
    let token = "byo_sk_live_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3vVUxg";
    for text in [
        "",
        "byo_",
        "byo_sk_live_",
        "sk-proj-0123456789",
        &token.to_lowercase(),
        &token.to_uppercase(),
        &format!(" {token}"),
        &format!("{token} "),
        &format!("{token}\n"),
        &format!("Bearer {token}"),
        &format!("{token}{token}"),
        &token.replace("live", "test"),
        &token.replace("byo", "bуo"),
        &token.replace('3', "３"),
        &token[4..],
        &"byo_".repeat(262_144),
        &format!("byo_{}", "0".repeat(1 << 20)),
    ] {
        assert!(!checksum_holds(text), "{:?}", text.chars().take(80).collect::<String>());
    }
}

/// Against Python's `hmac`.
#[test]
fn digests_and_chain_hashes_are_hmac_sha256() {
    let expected = "1c1beb3f78a15de188e4d86d3891e610686ae721eabdd3ba6a7968f65a4cb5c0";
    let digest = TokenHasher::new([7; 32]).digest("byo_sk_live_known");
    assert_eq!(digest.as_bytes().as_slice(), crate::unhex(expected));
    assert_eq!(TokenDigest::from_bytes(*digest.as_bytes()), digest);
    assert_ne!(TokenHasher::new([8; 32]).digest("byo_sk_live_known"), digest);
    assert_eq!(
        AuditKey::new([9; 32]).chain(b"entry"),
        "185766f81733091c2edc2cb578af5cb7d82b478961f8f51a1032aa6b3c05cf50"
    );
}

#[test]
fn the_admin_token_matches_itself_and_nothing_near_it() {
    let text = "0f3b9c1d5e7a2468-operator-token-XYZ";
    let token = AdminToken::parse(text.to_owned()).expect("a good token");
    assert!(token.matches(text));
    for other in
        ["", &text[1..], &text[..text.len() - 1], &text.to_lowercase(), &format!("{text}0")]
    {
        assert!(!token.matches(other), "{other:?}");
    }
}

#[test]
fn short_unprintable_and_repeated_admin_tokens_are_refused() {
    let refusal = |text: &str| AdminToken::parse(text.to_owned()).err();
    let good = "0f3b9c1d5e7a24680f3b9c1d5e7a2468";
    assert_eq!(refusal(good), None);
    assert_eq!(refusal(&good[1..]), Some(InvalidAdminToken::TooShort { found: 31 }));
    assert_eq!(refusal(""), Some(InvalidAdminToken::TooShort { found: 0 }));
    assert_eq!(refusal(&"x".repeat(40)), Some(InvalidAdminToken::Weak));
    assert_eq!(refusal(&"abcdefg".repeat(8)), Some(InvalidAdminToken::Weak));
    for bad in
        [format!("{good} "), format!("{good}\n"), format!("{good}é"), good.replacen('3', " ", 1)]
    {
        assert_eq!(refusal(&bad), Some(InvalidAdminToken::Unprintable), "{bad:?}");
    }
}
