//! The uploaded files that a payload names, wherever in it they stand.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::provider::{ObjectRef, PayloadError};

/// Each file once, in order of its id.
///
/// # Errors
/// [`PayloadError::NotAnObject`] when the payload has to be read for them and cannot be.
pub(super) fn named_in(body: &[u8]) -> Result<Vec<ObjectRef>, PayloadError> {
    // Most payloads name none; a name can also be spelt with escapes.
    if memmem::find(body, b"file_id").is_none() && memmem::find(body, b"\\u00").is_none() {
        return Ok(Vec::new());
    }
    let mut ids = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    Within(&mut ids)
        .deserialize(&mut reader)
        .map_err(|error| PayloadError::NotAnObject(error.to_string()))?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids.into_iter().map(|id| ObjectRef { kind: "file", id }).collect())
}

/// Reads a value for the files named in it and keeps nothing else.
struct Within<'i>(&'i mut Vec<String>);

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

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Within(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if name != "file_id" {
                members.next_value_seed(Within(self.0))?;
            } else if let Value::String(id) = members.next_value()? {
                self.0.push(id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(body: &str) -> Option<Vec<String>> {
        let found = named_in(body.as_bytes()).ok()?;
        assert!(found.iter().all(|object| object.kind == "file"));
        Some(found.into_iter().map(|object| object.id).collect())
    }

    #[test]
    fn files_are_found_at_any_depth_once_each() {
        for (body, expected) in [
            (r#"{"messages":[{"content":"no files, 1.5e3, \"file\""}]}"#, &[][..]),
            (
                r#"{"a":[{"source":{"type":"file","file_id":"f_2"}},{"file_id":"f_1"}]}"#,
                &["f_1", "f_2"],
            ),
            (r#"{"requests":[{"params":{"x":{"file_id":"f"}}},{"y":{"file_id":"f"}}]}"#, &["f"]),
            (r#"{"x":{"file\u005fid":"\u0066_1"},"n":[1,-2,0.5,null,true]}"#, &["f_1"]),
            (r#"{"x":{"file_id":7},"text":"file_id"}"#, &[]),
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
