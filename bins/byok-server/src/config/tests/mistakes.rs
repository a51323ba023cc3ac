//! Every mistake by its text: `mistakes.txt` says what is set and what is said.

use super::{Given, KEY, given};
use crate::config::Setting;

/// A block of the text.
struct Case {
    given: Given,
    values: Vec<String>,
    expected: String,
    written: String,
}

fn cases() -> Vec<Case> {
    let text = include_str!("mistakes.txt");
    text.split("\n\n").filter(|block| !block.starts_with('#')).map(case).collect()
}

fn case(block: &str) -> Case {
    let lines = |mark: &'static str| {
        block.lines().filter_map(move |line| line.strip_prefix(mark)).map(str::to_owned)
    };
    let mut given = given();
    let mut values = Vec::new();
    for variable in lines("$ ") {
        let (name, value) = variable.split_once('=').expect("a name and a value");
        given = given.variable(name, value);
        values.push(value.to_owned());
    }
    let needs_key = !block.contains("$ ENCRYPTION_KEY") && !block.contains("| encryption_key");
    if needs_key && !block.starts_with('-') {
        given = given.variable("ENCRYPTION_KEY", KEY);
    }
    let toml = lines("| ").collect::<Vec<_>>().join("\n");
    if !toml.is_empty() {
        given = given.toml(&toml);
    }
    let expected = lines("> ").collect::<Vec<_>>().join("\n");
    Case { given, values, expected, written: block.to_owned() }
}

#[test]
fn every_mistake_is_named_with_what_to_do() {
    let cases = cases();
    assert!(cases.len() >= 80, "{} blocks were read", cases.len());
    for Case { given, expected, written, .. } in cases {
        assert_eq!(given.mistakes(), expected, "\n\n{written}\n");
    }
}

#[test]
fn no_message_shows_a_value() {
    for Case { given, values, written, .. } in cases() {
        let said = given.mistakes();
        // Shorter values stand in our own examples by chance.
        for value in values.iter().filter(|value| value.len() > 4) {
            assert!(!said.contains(value), "{said}\n\n{written}");
        }
        assert!(!said.contains("hunter2"), "{said}\n\n{written}");
        for window in KEY.as_bytes().windows(8) {
            let window = std::str::from_utf8(window).expect("hex");
            assert!(!said.contains(window), "{said}\n\n{written}");
        }
    }
}

#[test]
fn a_mistake_is_one_line_however_strange_its_name() {
    let given = given()
        .variable("ENCRYPTION_KEY", KEY)
        .variable("BYO_A\nB", "x")
        .variable("BYO_\u{1b}[31m", "x");
    assert_eq!(
        given.mistakes(),
        "BYO_\\u{1b}[31m is not a setting of this server; remove it\n\
         BYO_A\\nB is not a setting of this server; remove it"
    );
}

#[test]
fn a_wrong_flag_is_named_as_the_flag() {
    let given = given()
        .variable("ENCRYPTION_KEY", KEY)
        .flag("--listen", Setting::LISTEN, "nonsense")
        .flag("--log-format", Setting::LOG_FORMAT, "xml");
    assert_eq!(
        given.mistakes(),
        "--listen is not an IP address and a port; write it like 127.0.0.1:3000 or [::1]:3000\n\
         --log-format is neither `text` nor `json`; write one of them"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let mut given = given().variable("ENCRYPTION_KEY", KEY);
    given.sources.file = Some(given.folder.path().join("missing.toml"));
    assert_eq!(
        given.mistakes(),
        "--config names \"missing.toml\", which cannot be read: No such file or directory \
         (os error 2)"
    );
    given.sources.file = Some(given.file("latin1.toml", b"log = 'caf\xe9'"));
    assert!(given.mistakes().starts_with("--config names \"latin1.toml\", which cannot be read: "));
}

#[test]
fn files_with_bad_secrets_are_named_by_their_variable() {
    let given = given();
    let token = given.file("token", "hunter2hunter2\n");
    let key = given.file("key", format!("{KEY}\n\n"));
    let given = given
        .variable("BYO_ADMIN_TOKEN_FILE", &token.to_string_lossy())
        .variable("ENCRYPTION_KEY_FILE", &key.to_string_lossy());
    assert_eq!(
        given.mistakes(),
        "ENCRYPTION_KEY_FILE has a character at position 65 that is not a hex digit; make a key \
         with `openssl rand -hex 32`\n\
         BYO_ADMIN_TOKEN_FILE has 14 characters but needs at least 32; make one with \
         `openssl rand -hex 32`"
    );
    let huge = given.file("huge", vec![b'a'; 1 << 20]);
    let given = given.variable("ENCRYPTION_KEY_FILE", &huge.to_string_lossy());
    assert!(given.mistakes().contains("ENCRYPTION_KEY_FILE has 65536 characters"));
}
