//! Under which address a caller reaches this server.

use byok_domain::ProjectId;
use byok_gateway::Here;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderName, header};

use super::CallPath;
use crate::error::ApiError;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Under which address callers reach this server, as far as the operator says.
#[derive(Clone, Debug, Default)]
pub struct OwnAddress {
    /// The whole of it, without a final slash; else it is what the caller called.
    pub public_url: Option<String>,
    /// Whether it is served over TLS here.
    pub secure: bool,
}

impl OwnAddress {
    /// Where the caller reaches the provider of `path`.
    pub(super) fn of(
        &self,
        path: &CallPath,
        project: &ProjectId,
        parts: &Parts,
    ) -> Result<Here, ApiError> {
        let origin = match &self.public_url {
            Some(url) => url.clone(),
            None => self.called(parts).ok_or_else(|| {
                ApiError::parameter("The answer names an address here; send a plain Host header.")
            })?,
        };
        Ok(Here {
            base: format!("{origin}{}", path.mounted_at()),
            project_base: format!("{origin}/projects/{project}/{}", path.family()),
        })
    }

    fn called(&self, parts: &Parts) -> Option<String> {
        let host = match parts.uri.authority() {
            Some(authority) => authority.as_str(),
            None => parts.headers.get(header::HOST)?.to_str().ok()?,
        };
        let authority: Authority = host.parse().ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        // A word for https is believed of anyone: it makes the caller's own next call safer, and
        // nobody else's anything.
        let forwarded = parts.headers.get(FORWARDED_PROTO).map(|value| value.as_bytes());
        let secure = self.secure
            || parts.uri.scheme() == Some(&Scheme::HTTPS)
            || forwarded.is_some_and(|proto| proto.trim_ascii().eq_ignore_ascii_case(b"https"));
        Some(format!("{}://{authority}", if secure { "https" } else { "http" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn the_address_is_the_operators_or_the_one_that_was_called() {
        let public =
            || OwnAddress { public_url: Some("https://p.example/byok".into()), secure: false };
        let plain = OwnAddress::default;
        let secure = || OwnAddress { public_url: None, secure: true };
        for (own, uri, headers, expected) in [
            (public(), "/google/x", vec![("host", "h:1")], Some("https://p.example/byok")),
            (plain(), "/google/x", vec![("host", "h:1")], Some("http://h:1")),
            (secure(), "/google/x", vec![("host", "h")], Some("https://h")),
            (plain(), "https://h2/google/x", vec![], Some("https://h2")),
            (
                plain(),
                "/google/x",
                vec![("host", "h"), ("x-forwarded-proto", "HTTPS")],
                Some("https://h"),
            ),
            (
                secure(),
                "/google/x",
                vec![("host", "h"), ("x-forwarded-proto", "http")],
                Some("https://h"),
            ),
            (plain(), "/google/x", vec![], None),
            (plain(), "/google/x", vec![("host", "a@h")], None),
            (plain(), "/google/x", vec![("host", "h/x")], None),
        ] {
            let mut request = Request::get(uri);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            let project = ProjectId::new("p1");
            for (path, mounted) in [
                ("/google/v1/files", "/google"),
                ("/projects/p1/google/v1/files", "/projects/p1/google"),
            ] {
                let path = CallPath::parse(path).expect("a call");
                let here = own.of(&path, &project, &parts).ok();
                let base = expected.map(|origin| format!("{origin}{mounted}"));
                assert_eq!(here.as_ref().map(|here| &here.base), base.as_ref(), "{uri}");
                let named = expected.map(|origin| format!("{origin}/projects/p1/google"));
                assert_eq!(here.map(|here| here.project_base), named, "{uri}");
            }
        }
    }
}
