//! The mail server and the sender.

use super::given;

#[test]
fn without_a_mail_server_there_is_no_mail() {
    assert!(given().config().mail.is_none());
}

#[test]
fn messages_come_from_who_is_set_or_from_where_the_server_is_known() {
    let smtp = ("BYO_SMTP_URL", "smtps://user:pass@mail.example.com:465");
    for (public, from, expected) in [
        (None, None, "byok@mail.example.com"),
        (Some("https://keys.example.org:8443/api"), None, "byok@keys.example.org"),
        (Some("https://[2001:db8::1]/"), None, "byok@mail.example.com"),
        (Some("https://keys.example.org"), Some("Keys <k@example.net>"), "Keys <k@example.net>"),
    ] {
        let mut given = given().variable(smtp.0, smtp.1);
        for (name, value) in [("BYO_PUBLIC_URL", public), ("BYO_SMTP_FROM", from)] {
            if let Some(value) = value {
                given = given.variable(name, value);
            }
        }
        let mail = given.config().mail.expect("mail");
        assert_eq!(
            (mail.from.to_string().as_str(), mail.server.host()),
            (expected, "mail.example.com")
        );
    }
}
