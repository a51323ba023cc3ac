//! Whether what is put between other fields is one JSON value, as it passes.

use std::error::Error;
use std::fmt;

/// What passed would be read as something else than one value.
#[derive(Debug)]
pub(super) struct NotOneValue;

impl fmt::Display for NotOneValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is not one JSON value")
    }
}

impl Error for NotOneValue {}

/// Sees that a document closes what it opens, and that nothing follows it: then whatever stands
/// around it is read as it was meant. That it is JSON beyond that is its reader's business.
#[derive(Debug, Default)]
pub(super) struct OneValue {
    state: State,
    /// Brackets open.
    depth: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing but space has come.
    #[default]
    Before,
    /// Within a number or a word at the top.
    Bare,
    /// Within brackets, outside of strings.
    Inside,
    /// Within a string.
    Text,
    /// Behind a backslash.
    Escaped,
    /// The value is over.
    After,
}

impl OneValue {
    /// Takes the next bytes, cut anywhere.
    ///
    /// # Errors
    /// [`NotOneValue`] once the value has ended and something follows.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), NotOneValue> {
        for byte in bytes {
            self.state = self.after(*byte).ok_or(NotOneValue)?;
        }
        Ok(())
    }

    /// Whether nothing has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.state == State::Before
    }

    /// Notes the end.
    ///
    /// # Errors
    /// [`NotOneValue`] if the value is not over.
    pub(super) fn end(&self) -> Result<(), NotOneValue> {
        match self.state {
            State::Before | State::Bare | State::After => Ok(()),
            State::Inside | State::Text | State::Escaped => Err(NotOneValue),
        }
    }

    fn after(&mut self, byte: u8) -> Option<State> {
        let space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        match (self.state, byte) {
            (State::Escaped, _) => Some(State::Text),
            (State::Text, b'\\') => Some(State::Escaped),
            (State::Text, b'"') if self.depth == 0 => Some(State::After),
            (State::Text, b'"') => Some(State::Inside),
            (State::Text, _) => Some(State::Text),
            (State::Before | State::After, _) if space => Some(self.state),
            (State::Bare, _) if space => Some(State::After),
            (State::After, _) => None,
            (State::Before | State::Inside, b'"') => Some(State::Text),
            (State::Before | State::Inside, b'{' | b'[') => {
                self.depth = self.depth.checked_add(1)?;
                Some(State::Inside)
            }
            (State::Inside, b'}' | b']') => {
                self.depth -= 1;
                Some(if self.depth == 0 { State::After } else { State::Inside })
            }
            (State::Inside, _) => Some(State::Inside),
            (
                State::Before | State::Bare,
                b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E',
            ) => Some(State::Bare),
            (State::Before | State::Bare, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(text: &str, step: usize) -> bool {
        let mut value = OneValue::default();
        text.as_bytes().chunks(step).all(|chunk| value.push(chunk).is_ok()) && value.end().is_ok()
    }

    #[test]
    fn one_value_passes_however_it_is_cut_and_nothing_else_does() {
        for (text, one) in [
            ("", true),
            (" \r\n", true),
            (r#"{"a":[1,{"b":"}],\"\\"}],"c":null}"#, true),
            (" [1, 2]\n", true),
            (r#""text, \" and more""#, true),
            ("-1.5E+3", true),
            ("null ", true),
            (r#"{"id":"c1"},"keySource":"credits""#, false),
            (r#"1,"keySource":"credits""#, false),
            (r#"1 ,"keySource":"credits""#, false),
            (r#"","keySource":"credits"#, false),
            (r#"{}},"a":"#, false),
            (r#"{]},"a":{"#, false),
            ("{}{}", false),
            ("}", false),
            (":1", false),
            (r#"{"a":1"#, false),
            (r#"{"a":"x}"#, false),
            (r#""\""#, false),
        ] {
            for step in 1..=text.len().max(1) {
                assert_eq!(is_one(text, step), one, "{text} by {step}");
            }
        }
    }
}
