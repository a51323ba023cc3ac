//! Where an upload goes on at the provider, by what the answer to its beginning says.

use byok_net::Base;
use byok_providers::{NextAddress, Provider};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::error::CallError;
use crate::gateway::{Gateway, Project, UsableKey};
use crate::query;
use crate::request::Here;
use crate::upload_ticket::{self, Continued};

impl Gateway {
    /// The header that tells the caller where its upload goes on: here, with what says whose it is.
    ///
    /// # Errors
    /// [`CallError::Elsewhere`] when the provider names an address that is not its own.
    pub(crate) fn upload_address(
        &self,
        next: Option<&NextAddress>,
        here: Option<&Here>,
        project: &Project,
        key: &UsableKey,
        answer: &HeaderMap,
    ) -> Result<Option<(HeaderName, HeaderValue)>, CallError> {
        let (Some(NextAddress::Upload(name)), Some(here), Some(base)) = (next, here, &key.base)
        else {
            return Ok(None);
        };
        let stored = &key.stored;
        let Some(provider) = byok_providers::find(stored.provider.as_str()) else {
            return Ok(None);
        };
        let Some(target) = upload_target(provider, name, answer, base)? else { return Ok(None) };
        let upload = Continued { ref_id: stored.ref_id.clone(), key: stored.id.clone() };
        let now = self.ambient.now();
        let address = upload_ticket::address(project, provider.id(), here, &target, &upload, now);
        let value = HeaderValue::from_str(&address)
            .map_err(|_| CallError::Elsewhere(provider.display_name()))?;
        Ok(Some((name.clone(), value)))
    }
}

/// The path and query below the base URL at which an upload goes on, by what the answer says;
/// `None` when it says nothing.
///
/// # Errors
/// [`CallError::Elsewhere`] for an address that is not below the key's own base URL: nothing else is
/// ever dialled.
fn upload_target(
    provider: &dyn Provider,
    header: &HeaderName,
    answer: &HeaderMap,
    base: &Base,
) -> Result<Option<String>, CallError> {
    let Some(value) = answer.get(header) else { return Ok(None) };
    let elsewhere = || CallError::Elsewhere(provider.display_name());
    let target = below(value, base).ok_or_else(elsewhere)?;
    let (path, named) = target.split_once('?').unwrap_or((&target, ""));
    Ok(Some(match query::upstream(provider, named) {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }))
}

/// What of an absolute address lies below a base URL.
fn below(address: &HeaderValue, base: &Base) -> Option<String> {
    let uri: Uri = address.to_str().ok()?.parse().ok()?;
    let root = base.uri("/").ok()?;
    let port =
        |uri: &Uri| uri.port_u16().or_else(|| (uri.scheme_str() == Some("http")).then_some(80));
    let same = uri.scheme() == root.scheme()
        && uri
            .host()
            .is_some_and(|host| root.host().is_some_and(|own| own.eq_ignore_ascii_case(host)))
        && port(&uri).unwrap_or(443) == port(&root).unwrap_or(443)
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let prefix = root.path().trim_end_matches('/');
    let target = uri.path_and_query()?.as_str();
    let rest = target.strip_prefix(prefix).filter(|rest| same && rest.starts_with('/'))?;
    // Whatever could climb out of the base is none of its addresses.
    base.uri(rest).ok()?;
    Some(rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_net::TrustedUrl;
    use std::sync::Arc;

    #[test]
    fn an_upload_goes_on_below_the_base_url_or_not_at_all() {
        for (base, address, target) in [
            (
                "https://g.example",
                "https://g.example/upload/f?id=1&p=r",
                Some("/upload/f?id=1&p=r"),
            ),
            ("https://g.example", "https://G.example:443/upload/f?id=1", Some("/upload/f?id=1")),
            ("https://g.example/x", "https://g.example/x/upload/f", Some("/upload/f")),
            ("http://127.0.0.1:80", "http://127.0.0.1/upload", Some("/upload")),
            ("https://g.example", "https://g.example/u?key=AIza&id=1", Some("/u?id=1")),
            ("https://g.example", "https://evil.example/upload/f?id=1", None),
            ("https://g.example", "http://g.example/upload/f", None),
            ("https://g.example", "https://g.example:8443/upload/f", None),
            ("https://g.example", "https://g.example@evil.example/upload", None),
            ("https://g.example", "https://u:p@g.example/upload", None),
            ("https://g.example", "https://g.example.evil.example/upload", None),
            ("https://g.example", "//g.example/upload", None),
            ("https://g.example", "/upload", None),
            ("https://g.example", "https://g.example/a/../../upload", None),
            ("https://g.example/x", "https://g.example/xy/upload", None),
            ("https://g.example/x", "https://g.example/upload", None),
        ] {
            let google = byok_providers::find("google").expect("registered");
            let base = Base::Trusted(Arc::new(TrustedUrl::parse(base).expect("a URL")));
            let header = HeaderName::from_static("x-goog-upload-url");
            let mut answer = HeaderMap::new();
            assert!(matches!(upload_target(google, &header, &answer, &base), Ok(None)));
            answer.insert(&header, HeaderValue::from_static(address));
            match (upload_target(google, &header, &answer, &base), target) {
                (Ok(found), Some(_)) => assert_eq!(found.as_deref(), target, "{address}"),
                (Err(CallError::Elsewhere("Google AI Studio")), None) => {}
                (other, _) => panic!("{address}: {other:?}"),
            }
        }
    }
}
