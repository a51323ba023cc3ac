//! Recordings, which go in a form.

use std::fmt;

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use serde::Serialize;
use serde_json::Value;

use super::envelope::object;

/// A recording to be transcribed.
#[derive(Clone)]
pub struct Audio {
    file_name: String,
    bytes: Bytes,
}

impl Audio {
    /// The recording; providers tell its format by the file's name (`hello.wav`).
    pub fn new(file_name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { file_name: file_name.into(), bytes: bytes.into() }
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({:?}, {} bytes)", self.file_name, self.bytes.len())
    }
}

/// The fields of a form: members as texts, those of lists as `name[]` each.
pub(super) fn fields(payload: &impl Serialize) -> Result<Vec<(String, String)>, String> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut fields = Vec::new();
    for (name, value) in object(payload)? {
        match value {
            Value::Null => {}
            Value::Array(entries) => {
                fields.extend(entries.into_iter().map(|entry| (format!("{name}[]"), text(entry))));
            }
            other => fields.push((name, text(other))),
        }
    }
    Ok(fields)
}

/// The form; the server wants the customer before the file.
pub(super) fn form(ref_id: &str, fields: &[(String, String)], audio: &Audio) -> Form {
    let mut form = Form::new().text("refId", ref_id.to_owned());
    for (name, value) in fields {
        form = form.text(name.clone(), value.clone());
    }
    let length = audio.bytes.len() as u64;
    let part = Part::stream_with_length(audio.bytes.clone(), length);
    form.part("file", part.file_name(audio.file_name.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_become_fields_and_lists_several() {
        let payload = json!({"model": "m", "temperature": 0.5, "gone": null, "words": ["a", "b"]});
        let mut fields = fields(&payload).expect("an object");
        fields.sort();
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expected = [("model", "m"), ("temperature", "0.5"), ("words[]", "a"), ("words[]", "b")];
        assert_eq!(fields, expected);
    }
}
