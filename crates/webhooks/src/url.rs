//! An address that a project chose for its events, judged as far as that goes without a look-up.

use std::sync::Arc;

use byok_domain::ProjectId;
use byok_net::{Base, Blocked, CustomerUrl, EgressPolicy, MalformedUrl};
use http::Uri;

/// The longest URL taken, in bytes.
const MAX_LENGTH: usize = 2048;

/// Where events are delivered to: a host that policy allows, with any path and query.
#[derive(Clone, Debug)]
pub struct WebhookUrl {
    origin: Arc<CustomerUrl>,
    uri: Uri,
}

impl WebhookUrl {
    /// Reads a URL. Its host is judged as a customer's base URL is; path and query go out as they
    /// are written.
    ///
    /// # Errors
    /// [`Blocked`] with the reason, which may be shown to whoever chose the URL.
    pub fn parse(policy: &EgressPolicy, text: &str) -> Result<Self, Blocked> {
        if text.len() > MAX_LENGTH {
            return Err(MalformedUrl::Length.into());
        }
        let host = text.find("://").map_or(0, |at| at + "://".len());
        let end = text[host..].find(['/', '?', '#']).map_or(text.len(), |at| host + at);
        let (origin, rest) = text.split_at(end);
        let origin = policy.parse(origin)?;
        let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        let odd = |c: char| !c.is_ascii_graphic() || c == '"' || c == '<' || c == '>';
        if path.contains(odd) {
            return Err(MalformedUrl::Character.into());
        }
        let uri = origin.uri(&path).map_err(|_| MalformedUrl::Path)?;
        Ok(Self { origin: Arc::new(origin), uri })
    }

    /// The URL in its canonical spelling.
    pub fn text(&self) -> String {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{}{path}", self.origin.as_str())
    }

    /// What is dialled for a delivery of `project`'s.
    pub fn base(&self, project: &ProjectId) -> Base {
        Base::Customer { project: project.as_str().into(), url: Arc::clone(&self.origin) }
    }

    pub(crate) fn uri(&self) -> Uri {
        self.uri.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_allowed_host_with_any_path_and_query() {
        let policy = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a range")]);
        for (text, canonical) in [
            ("https://example.com", "https://example.com/"),
            ("https://Example.com/hook/", "https://example.com/hook/"),
            (
                "https://example.com/a?token=x%20y&b=/../c",
                "https://example.com/a?token=x%20y&b=/../c",
            ),
            ("https://example.com?x=1", "https://example.com/?x=1"),
            ("https://example.com:8443/a/b", "https://example.com:8443/a/b"),
            ("http://127.0.0.1:8080/in", "http://127.0.0.1:8080/in"),
        ] {
            let url = WebhookUrl::parse(&policy, text).expect(text);
            assert_eq!(url.text(), canonical);
            assert_eq!(WebhookUrl::parse(&policy, canonical).expect("canonical").text(), canonical);
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused_with_its_reason() {
        let policy = EgressPolicy::default();
        let long = format!("https://example.com/{}", "x".repeat(2048));
        for text in [
            "",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https:///path",
            "https://user:pass@example.com/",
            "https://example.com@evil.example/",
            "https://exam ple.com/",
            "https://example.com/a b",
            "https://example.com/a\r\nx: y",
            "https://example.com/#fragment",
            "https://example.com#x",
            "https://example.com/../a",
            "https://example.com/%2e%2e/a",
            "https://example.com\\@evil.example/",
            "https://example.com/ü",
            "http://example.com/",
            "https://example.com:22/",
            "http://127.0.0.1/",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::ffff:127.0.0.1]/",
            "https://10.0.0.1/?x=https://example.com",
            "https://169.254.169.254/latest/meta-data",
            "https://metadata.google.internal/",
            "https://localhost/",
            long.as_str(),
        ] {
            assert!(WebhookUrl::parse(&policy, text).is_err(), "{text}");
        }
    }
}
