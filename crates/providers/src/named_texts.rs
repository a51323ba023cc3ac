//! The texts that stand in a payload under certain names, alone or in a list, wherever in it.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::provider::PayloadError;

/// Each text once, in order.
///
/// # Errors
/// [`PayloadError::NotAnObject`] when the payload has to be read for them and cannot be.
pub(crate) fn named_texts(
    body: &[u8],
    names: &'static [&'static str],
) -> Result<Vec<String>, PayloadError> {
    // Most payloads have none; a name can also be spelt with escapes.
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    if !names.iter().any(|name| has(name)) && !escapes_ascii(body) {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    Within { names, texts: &mut texts }
        .deserialize(&mut reader)
        .map_err(|error| PayloadError::NotAnObject(error.to_string()))?;
    texts.sort_unstable();
    texts.dedup();
    Ok(texts)
}

/// Whether a letter or an underscore is spelt as an escape. Writers do that to others (`\u003c`,
/// `\u00e9`), and never to these.
fn escapes_ascii(body: &[u8]) -> bool {
    let mut escapes = memmem::find_iter(body, b"\\u00");
    escapes.any(|at| matches!(body.get(at + 4), Some(b'4'..=b'7')))
}

/// Reads a value for the texts in it and keeps nothing else.
struct Within<'i> {
    names: &'static [&'static str],
    texts: &'i mut Vec<String>,
}

impl Within<'_> {
    fn deeper(&mut self) -> Within<'_> {
        Within { names: self.names, texts: self.texts }
    }
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.deeper())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if !self.names.contains(&name.as_ref()) {
                members.next_value_seed(self.deeper())?;
                continue;
            }
            let texts = match members.next_value()? {
                Value::Array(texts) => texts,
                one => vec![one],
            };
            self.texts.extend(texts.into_iter().filter_map(|text| match text {
                Value::String(text) => Some(text),
                _ => None,
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(body: &str) -> Option<Vec<String>> {
        named_texts(body.as_bytes(), &["file_id"]).ok()
    }

    #[test]
    fn texts_are_found_at_any_depth_once_each() {
        for (body, expected) in [
            (r#"{"messages":[{"content":"no files, 1.5e3, \"file\""}]}"#, &[][..]),
            (
                r#"{"a":[{"source":{"type":"file","file_id":"f_2"}},{"file_id":"f_1"}]}"#,
                &["f_1", "f_2"],
            ),
            (r#"{"requests":[{"params":{"x":{"file_id":"f"}}},{"y":{"file_id":"f"}}]}"#, &["f"]),
            (r#"{"x":{"file\u005fid":"\u0066_1"},"n":[1,-2,0.5,null,true]}"#, &["f_1"]),
            (r#"{"\u0066ile_id":"f"}"#, &["f"]),
            (r#"{"text":"caf\u00e9 \u2026 \u003cb\u003e","file\u00ff":"f"}"#, &[]),
            (r#"{"x":{"file_id":7},"text":"file_id"}"#, &[]),
            (r#"{"x":{"file_id":["f_2",7,"f_1"]}}"#, &["f_1", "f_2"]),
        ] {
            assert_eq!(ids(body).expect("JSON"), expected, "{body}");
        }
    }

    #[test]
    fn a_payload_too_deep_to_be_searched_is_refused_only_when_it_has_to_be() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(ids(&deep(r#"{"file_id":"f"}"#)), None);
        assert_eq!(ids(&deep("1")), Some(Vec::new()));
    }
}
