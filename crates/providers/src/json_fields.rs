//! Picks top-level fields out of a JSON document as it passes, in constant memory.

use crate::json_bytes::{JsonString, next_structural};

/// The longest value that is kept; a longer one counts as absent.
const VALUE_CAP: usize = 64 * 1024;
/// The longest field name that can be one of ours.
const NAME_CAP: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the document's first bracket.
    Start,
    /// In the top-level object, where a name may come.
    Name,
    /// Inside a name's quotes.
    InName,
    /// Between a name and the end of its value.
    Value,
    /// The object is closed, or the document is no object.
    Over,
}

/// An incremental scanner for the fields `wanted` of the top-level object.
///
/// It checks no grammar: on a well-formed document it finds the right bytes, on any other it finds
/// something or nothing and never fails.
pub(crate) struct JsonFields {
    wanted: &'static [&'static str],
    found: Vec<Option<Vec<u8>>>,
    state: State,
    name: Vec<u8>,
    /// Which wanted field the current value belongs to.
    current: Option<usize>,
    /// Brackets open inside the current value.
    depth: u32,
    string: JsonString,
}

impl JsonFields {
    pub(crate) fn new(wanted: &'static [&'static str]) -> Self {
        Self {
            wanted,
            found: vec![None; wanted.len()],
            state: State::Start,
            name: Vec::new(),
            current: None,
            depth: 0,
            string: JsonString::default(),
        }
    }

    /// The raw JSON of a wanted field, if its value was seen whole.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let index = self.wanted.iter().position(|w| *w == name)?;
        if self.current == Some(index) {
            return None;
        }
        self.found[index].as_deref().filter(|value| !value.is_empty())
    }

    /// Whether an object has begun and its end has not come.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Name | State::InName | State::Value)
    }

    /// Takes the next bytes, cut anywhere.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Start => self.start(bytes),
                State::Name => self.before_name(bytes),
                State::InName => self.in_name(bytes),
                State::Value => self.value(bytes),
                State::Over => return,
            };
        }
    }

    fn start<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|b| !b.is_ascii_whitespace()) else { return &[] };
        self.state = if bytes[at] == b'{' { State::Name } else { State::Over };
        &bytes[at + 1..]
    }

    fn before_name<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|byte| matches!(byte, b'"' | b'}')) else {
            return &[];
        };
        if bytes[at] == b'"' {
            self.name.clear();
            self.string.begin();
            self.state = State::InName;
        } else {
            self.state = State::Over;
        }
        &bytes[at + 1..]
    }

    fn in_name<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = self.string.skip(bytes, 0);
        let text = &bytes[..end - usize::from(!self.string.is_open())];
        let room = NAME_CAP - self.name.len();
        self.name.extend_from_slice(&text[..text.len().min(room)]);
        if !self.string.is_open() {
            let name = &self.name;
            self.current = self.wanted.iter().position(|w| w.as_bytes() == name.as_slice());
            if let Some(index) = self.current {
                self.found[index] = Some(Vec::new());
            }
            self.state = State::Value;
        }
        &bytes[end..]
    }

    /// Runs to the comma or bracket that ends the value, keeping it when it is wanted.
    fn value<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut at = 0;
        while at < bytes.len() {
            if self.string.is_open() {
                at = self.string.skip(bytes, at);
                continue;
            }
            let Some(next) = next_structural(&bytes[at..]) else {
                break;
            };
            at += next;
            match bytes[at] {
                b'"' => self.string.begin(),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                b',' if self.depth == 0 => return self.end_value(bytes, at, State::Name),
                b'}' => return self.end_value(bytes, at, State::Over),
                _ => {}
            }
            at += 1;
        }
        self.keep(bytes);
        &[]
    }

    fn end_value<'a>(&mut self, bytes: &'a [u8], at: usize, next: State) -> &'a [u8] {
        self.keep(&bytes[..at]);
        if let Some(value) = self.current.take().and_then(|index| self.found[index].as_mut()) {
            let colon = value.iter().position(|b| *b == b':').map_or(0, |colon| colon + 1);
            value.drain(..colon);
        }
        self.state = next;
        &bytes[at + 1..]
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Some(index) = self.current else { return };
        let Some(value) = self.found[index].as_mut() else { return };
        if value.len() + bytes.len() > VALUE_CAP {
            self.found[index] = None;
            self.current = None;
        } else {
            value.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#" {"id":"a,\"}b","x":{"usage":{"no":1},"s":"}]"},"l":[1,{"model":2},"]"],
        "usage" : {"prompt_tokens": 3, "d": {"t": [1,2]}}, "model":"gpt-4.1\\","e\"":1,"n":null,"last":-1.5e3}"#;

    fn scan(document: &str, step: usize) -> JsonFields {
        let mut fields = JsonFields::new(&["id", "usage", "model", "last", "missing"]);
        for chunk in document.as_bytes().chunks(step) {
            fields.push(chunk);
        }
        fields
    }

    #[test]
    fn finds_the_same_top_level_fields_however_the_document_is_cut() {
        let expected: serde_json::Value = serde_json::from_str(DOCUMENT).expect("valid");
        for step in 1..=DOCUMENT.len() {
            let fields = scan(DOCUMENT, step);
            assert!(fields.state == State::Over, "step {step}");
            for name in ["id", "usage", "model", "last"] {
                let raw = fields.get(name).unwrap_or_else(|| panic!("{name} at step {step}"));
                let value: serde_json::Value = serde_json::from_slice(raw).expect("raw is JSON");
                assert_eq!(value, expected[name], "{name} at step {step}");
            }
            assert!(fields.get("missing").is_none());
        }
    }

    #[test]
    fn a_document_that_is_no_object_or_is_cut_off_yields_nothing_false() {
        for document in ["", "[1,2]", "null", "<html>", r#"{"usage":{"a":1"#, r#"{"usage""#, "{"] {
            assert!(scan(document, 3).get("usage").is_none(), "{document}");
        }
    }

    #[test]
    fn a_value_over_the_cap_counts_as_absent_and_the_rest_is_still_found() {
        let document = format!(r#"{{"usage":"{}","model":"m"}}"#, "x".repeat(VALUE_CAP));
        let fields = scan(&document, 4096);
        assert!(fields.get("usage").is_none());
        assert_eq!(fields.get("model"), Some(&b"\"m\""[..]));
    }
}
