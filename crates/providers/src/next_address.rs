//! Addresses in answers that a provider's SDKs call next, with the credential that they hold.

use http::HeaderName;
use memchr::memchr;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::json_bytes::JsonString;

/// Where an answer names an address to be called next. It must lead back here: the SDK would take a
/// token of ours to whatever host stands there.
#[derive(Clone, Debug)]
pub enum NextAddress {
    /// In every member of that name in a JSON document.
    Member {
        /// The member.
        name: &'static str,
        /// The path below the base URL that such an address means; `None` for one that means none.
        path: fn(&str) -> Option<&str>,
    },
    /// In this header: an upload goes on there, by clients that send no credential along.
    Upload(HeaderName),
}

/// `document` with the texts that its members `name` hold replaced, or by `null` where `replace`
/// has nothing; all else byte for byte. `None` when it is no JSON in UTF-8: what a client makes of
/// such a thing, nobody knows.
pub fn readdressed(
    document: &[u8],
    name: &str,
    replace: impl Fn(&str) -> Option<String>,
) -> Option<Vec<u8>> {
    std::str::from_utf8(document).ok()?;
    serde_json::from_slice::<IgnoredAny>(document).ok()?;
    let mut written = Vec::with_capacity(document.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = memchr(b'"', &document[at..]) {
        let text = at + found;
        at = string_end(document, text);
        let colon = spaces_end(document, at);
        if document.get(colon) != Some(&b':') || !spells(&document[text..at], name) {
            continue;
        }
        let value = spaces_end(document, colon + 1);
        if document.get(value) != Some(&b'"') {
            continue;
        }
        at = string_end(document, value);
        let address = serde_json::from_slice::<String>(&document[value..at]).ok();
        let replaced = address.and_then(|address| replace(&address));
        written.extend_from_slice(&document[copied..value]);
        written.extend_from_slice(replaced.map_or(Value::Null, Value::from).to_string().as_bytes());
        copied = at;
    }
    written.extend_from_slice(&document[copied..]);
    Some(written)
}

/// Behind the closing quote of the string that begins at `start`.
fn string_end(document: &[u8], start: usize) -> usize {
    let mut string = JsonString::default();
    string.begin();
    string.skip(document, start + 1)
}

fn spaces_end(document: &[u8], start: usize) -> usize {
    let spaces = document[start..].iter().take_while(|byte| b" \t\r\n".contains(byte));
    start + spaces.count()
}

/// Whether a string in its quotes is this text, however it is escaped.
fn spells(string: &[u8], text: &str) -> bool {
    string[1..string.len() - 1] == *text.as_bytes()
        || string.contains(&b'\\')
            && serde_json::from_slice::<String>(string).is_ok_and(|read| read == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readdress(document: &str) -> Option<String> {
        let replace = |url: &str| url.strip_prefix("https://far").map(|path| format!("near{path}"));
        let written = readdressed(document.as_bytes(), "url", replace)?;
        Some(String::from_utf8(written).expect("UTF-8"))
    }

    #[test]
    fn only_the_addresses_are_other_bytes() {
        for (document, expected) in [
            (r#"{"url":"https://far/x","a":1.50e+3}"#, r#"{"url":"near/x","a":1.50e+3}"#),
            (
                "{ \"a\" : \"\\u00e9\\/\",\r\n\t\"url\" : \t\"https:\\/\\/far/x\" }\n",
                "{ \"a\" : \"\\u00e9\\/\",\r\n\t\"url\" : \t\"near/x\" }\n",
            ),
            (
                r#"{"data":[{"url":"https://far/1"},{"url":null},{"url":"https://far/\u0032"}]}"#,
                r#"{"data":[{"url":"near/1"},{"url":null},{"url":"near/2"}]}"#,
            ),
            (r#"{"url":"https://evil/x"}"#, r#"{"url":null}"#),
            (r#"{"\u0075rl":"https://evil/x"}"#, r#"{"\u0075rl":null}"#),
            (r#"{"url":"\ud800"}"#, r#"{"url":null}"#),
            (r#"{"url":"https://far/a","url":"b"}"#, r#"{"url":"near/a","url":null}"#),
            (r#"{"a":"url","b":"\":\"x\""}"#, r#"{"a":"url","b":"\":\"x\""}"#),
            (r#"{"a\"url":"https://far/x"}"#, r#"{"a\"url":"https://far/x"}"#),
            (r#"{"url":{"url":"https://far/x"}}"#, r#"{"url":{"url":"near/x"}}"#),
            (r#"["url","https://far/x"]"#, r#"["url","https://far/x"]"#),
        ] {
            assert_eq!(readdress(document).as_deref(), Some(expected), "{document}");
        }
    }

    #[test]
    fn what_is_no_document_in_utf_8_is_not_taken() {
        let wide: Vec<u8> = r#"{"url":"https://far"}"#.bytes().flat_map(|b| [b, 0]).collect();
        for document in [
            &b"{\"url\":\"https://far"[..],
            b"{\"url\":\"https://far\"} {}",
            b"\xef\xbb\xbf{\"url\":\"https://far\"}",
            b"{\"a\":\"\xff\"}",
            b"",
            &wide,
        ] {
            assert_eq!(readdressed(document, "url", |_| None), None, "{document:?}");
        }
    }
}
