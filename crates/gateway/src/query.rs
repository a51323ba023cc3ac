//! Which of a caller's query parameters go upstream.

use std::borrow::Cow;

use byok_providers::Provider;

/// The query of a call as it goes to the provider: byte for byte, but without the parameters in
/// which its clients may put a key. `None` when nothing is left.
pub(crate) fn upstream<'q>(provider: &dyn Provider, query: &'q str) -> Option<Cow<'q, str>> {
    let passes = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        !provider.withholds_parameter(&decoded(name))
    };
    if query.split('&').all(|parameter| passes(&parameter)) {
        return Some(Cow::Borrowed(query));
    }
    let kept: Vec<&str> = query.split('&').filter(passes).collect();
    (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")))
}

/// A parameter's name as the provider reads it: however it is spelt, it names the same.
fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
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
