//! The certificate and its key: what they are taken from, and what is said when they do not fit.

use rcgen::{CertificateParams, KeyPair};

use super::{Given, KEY, given};

impl Given {
    /// With a certificate and its key in `NAME.pem` and `NAME.key`.
    pub(super) fn with_pair(self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([format!("{name}.example")]).expect("a good name");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        self.file(&format!("{name}.pem"), chain);
        self.file(&format!("{name}.key"), key.serialize_pem());
        self
    }

    /// Where those are.
    pub(super) fn pair(&self, name: &str) -> (String, String) {
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        (path("pem").display().to_string(), path("key").display().to_string())
    }

    fn serving(self, chain: &str, key: &str) -> Self {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (chain, key) = (path(chain), path(key));
        self.variable("ENCRYPTION_KEY", KEY)
            .variable("BYO_TLS_CERT", &chain)
            .variable("BYO_TLS_KEY", &key)
    }
}

#[test]
fn without_either_there_is_no_https_and_with_both_there_is() {
    assert!(given().config().http.tls.is_none());
    assert!(given().with_pair("a").serving("a.pem", "a.key").config().http.tls.is_some());
}

#[test]
fn one_file_may_hold_both() {
    let given = given().with_pair("a");
    let (chain, key) = given.pair("a");
    let read = |path| std::fs::read_to_string(path).expect("a file");
    given.file("both.pem", format!("{}{}", read(key), read(chain)));
    assert!(given.serving("both.pem", "both.pem").config().http.tls.is_some());
}

#[test]
fn what_does_not_fit_is_said_of_the_variable_and_not_of_the_path() {
    for (chain, key, said) in [
        ("a.key", "a.key", "BYO_TLS_CERT names a file without a valid PEM certificate; "),
        ("a.pem", "a.pem", "BYO_TLS_KEY names a file without a PEM private key that can be used; "),
        (
            "a.pem",
            "b.key",
            "BYO_TLS_KEY names a file with a key that is not the one of the certificate in \
             BYO_TLS_CERT; ",
        ),
        ("none.pem", "a.key", "BYO_TLS_CERT names a file that cannot be read: "),
        ("a.pem", "none.key", "BYO_TLS_KEY names a file that cannot be read: "),
    ] {
        let mistakes = given().with_pair("a").with_pair("b").serving(chain, key).mistakes();
        assert!(mistakes.starts_with(said), "{chain} {key}: {mistakes}");
        assert_eq!(mistakes.lines().count(), 1, "{mistakes}");
        assert!(!mistakes.contains(".pem") && !mistakes.contains(".key"), "{mistakes}");
    }
}

#[test]
fn the_files_are_told_from_others_in_their_place() {
    let given = given().with_pair("a").serving("a.pem", "a.key");
    let tls = given.config().http.tls.expect("it is set");
    assert!(tls.files.marks() == tls.marks);
    let (chain, _) = given.pair("a");
    let content = std::fs::read(&chain).expect("a file");
    given.file("new.pem", &content);
    std::fs::rename(given.folder.path().join("new.pem"), &chain).expect("one folder");
    let renamed = tls.files.marks();
    assert!(renamed != tls.marks);
    given.file("a.pem", [&content[..], b"\n"].concat());
    let written = tls.files.marks();
    assert!(written != renamed);
    std::fs::remove_file(&chain).expect("it is there");
    assert!(tls.files.marks() != written);
}
