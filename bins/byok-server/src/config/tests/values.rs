//! What single settings take.

use std::time::Duration;

use crate::config::{DatabaseUrl, values};

#[test]
fn sizes_are_bytes_or_carry_a_unit_of_thousands_or_of_1024s() {
    for (text, size) in [
        ("1", 1),
        ("33554432", 33_554_432),
        ("32MB", 32_000_000),
        ("32 MB", 32_000_000),
        ("32mib", 33_554_432),
        ("1kB", 1_000),
        ("1KiB", 1_024),
        ("2GiB", 2_147_483_648),
        ("7b", 7),
    ] {
        assert_eq!(values::bytes(text), Ok(size), "{text}");
    }
    for text in
        ["", "0", "0MB", "MB", "-1", "+1", "1.5MB", "1M", "1TB", "1 2", "99999999999GiB", "1MB "]
    {
        assert!(values::bytes(text).is_err(), "{text}");
    }
}

#[test]
fn times_are_plain_numbers_of_seconds() {
    assert_eq!(values::seconds("0.25"), Ok(Duration::from_millis(250)));
    assert_eq!(values::seconds("86400"), Ok(Duration::from_secs(86_400)));
    assert_eq!(values::seconds_or_none("0"), Ok(Duration::ZERO));
    for text in ["", "0", "-1", "1e3", "inf", "NaN", "86401", "60s", " 60", ".", "1_000"] {
        assert!(values::seconds(text).is_err(), "{text}");
    }
}

#[test]
fn the_database_in_a_data_folder_has_its_marks_escaped() {
    for (folder, url) in [
        ("./byok-data", "sqlite://./byok-data/byok.db"),
        ("/srv/byok/", "sqlite:///srv/byok/byok.db"),
        ("/srv/what?", "sqlite:///srv/what%3F/byok.db"),
        ("/srv/100%", "sqlite:///srv/100%25/byok.db"),
    ] {
        assert_eq!(DatabaseUrl::in_folder(folder).as_str(), url);
        assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
    }
}

#[test]
fn an_sqlite_database_is_a_file_whatever_else_the_url_says() {
    for url in ["sqlite://", "sqlite:", "sqlite://?mode=rwc", "sqlite::memory:", "", "byok.db"] {
        assert!(DatabaseUrl::parse(url).is_err(), "{url}");
    }
    let relative = DatabaseUrl::parse("sqlite://byok.db?mode=rwc").expect("a file");
    assert_eq!(relative.as_str(), "sqlite://byok.db");
    assert_eq!(relative.file(), Some("byok.db".into()));
    let odd = DatabaseUrl::in_folder("/srv/50% of it?");
    assert_eq!(odd.file(), Some("/srv/50% of it?/byok.db".into()));
}

#[test]
fn a_postgresql_database_has_a_host_and_a_name() {
    for url in [
        "postgres://db/byok",
        "postgresql://byok:p%40ss@db.example.com:6432/byok?sslmode=verify-full",
        "postgres://byok@%2Frun%2Fpostgresql/byok",
        "postgres:///byok?host=/run/postgresql",
        "postgres://byok@[::1]/byok?sslmode=require&sslrootcert=/etc/ssl/db.pem",
    ] {
        let parsed = DatabaseUrl::parse(url).expect(url);
        assert_eq!((parsed.as_str(), parsed.file()), (url, None));
    }
    for url in ["postgres:", "postgres://", "postgres:///byok", "postgres://db", "postgres://db/"] {
        assert!(DatabaseUrl::parse(url).is_err(), "{url}");
    }
}

#[test]
fn networks_lose_their_host_bits() {
    let networks = values::networks("127.0.0.1/8,::1/128").expect("two networks");
    assert_eq!(networks[0].to_string(), "127.0.0.0/8");
    assert_eq!(networks[1].to_string(), "::1/128");
}
