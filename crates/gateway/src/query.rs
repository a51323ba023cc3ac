//! Which of a caller's query parameters go upstream.

use std::borrow::Cow;

use byok_providers::Provider;

/// The query of a call as it goes to the provider: byte for byte, but without the parameters in
/// which its clients may put a key. `None` when nothing is left.
pub(crate) fn upstream<'q>(provider: &dyn Provider, query: &'q str) -> Option<Cow<'q, str>> {
    let passes = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        !provider.withholds_parameter(name)
    };
    if query.split('&').all(|parameter| passes(&parameter)) {
        return Some(Cow::Borrowed(query));
    }
    let kept: Vec<&str> = query.split('&').filter(passes).collect();
    (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_stays_here_however_its_name_is_spelt() {
        let google = byok_providers::find("google").expect("registered");
        for (query, kept) in [
            ("alt=sse", Some("alt=sse")),
            ("alt=sse&key=AIza1", Some("alt=sse")),
            ("key=AIza1", None),
            ("key", None),
            ("key=a&key=b&pageSize=1&&pageToken=%3D", Some("pageSize=1&&pageToken=%3D")),
            ("k%65y=AIza1&%6b%65%79=b&a=1", Some("a=1")),
            ("access_token=ya29&a=1", Some("a=1")),
            ("keys=1&monkey=2&a=key=3", Some("keys=1&monkey=2&a=key=3")),
            ("%zz=1&%k=2&%=3", Some("%zz=1&%k=2&%=3")),
            ("", Some("")),
        ] {
            assert_eq!(upstream(google, query).as_deref(), kept, "{query}");
        }
        let openai = byok_providers::find("openai").expect("registered");
        assert_eq!(upstream(openai, "key=1").as_deref(), Some("key=1"));
        let compatible = google.compatible().expect("an endpoint");
        assert_eq!(upstream(compatible, "key=1"), None);
    }
}
