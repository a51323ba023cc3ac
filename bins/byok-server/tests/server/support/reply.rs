//! An answer, as it came.

use byok_testkit::wire::{header_lines, header_value};

use super::Request;
use serde_json::{Value, json};

/// An answer read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The whole head, byte for byte.
    pub(crate) head: Vec<u8>,
    /// The body, chunked coding taken off.
    pub(crate) body: Vec<u8>,
    /// Whether the framing says that this is all of it.
    pub(crate) whole: bool,
}

impl Reply {
    pub(super) fn new(head: Vec<u8>, body: Vec<u8>, whole: bool) -> Self {
        let status = String::from_utf8_lossy(&head[9..12]).parse().expect("a status line");
        Self { status, head, body, whole }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header_value(&self.head, name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The names of its headers, in lower case and in order.
    pub(crate) fn header_names(&self) -> Vec<String> {
        let name = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
        let mut names: Vec<String> = header_lines(&self.head).map(|(n, _)| name(n)).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Status and code of a refusal of the server's own; also asserts that it has the form of one.
    /// On the drop-in routes message and code stand where the provider's SDK reads them, too.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let json = self.json();
        let error = &json["error"];
        let code = error.as_str().or(error["code"].as_str());
        let code = code.unwrap_or_else(|| panic!("no refusal: {json}"));
        assert!(self.whole, "{json}");
        assert!(json["message"].as_str().is_some_and(|text| text.contains(' ')), "{json}");
        assert!(error.is_string() || error["message"] == json["message"], "{json}");
        assert_eq!(json["requestId"].as_str(), self.header("x-request-id"), "{json}");
        (self.status, code.to_owned())
    }

    /// The body, if it is the whole answer to a call that went well; panics if not.
    pub(crate) fn answered(&self) -> &[u8] {
        assert_eq!((self.status, self.whole), (200, true), "{}", self.text());
        &self.body
    }
}

/// A refusal of the server's own, as [`Reply::refusal`] tells it.
pub(crate) fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Sends what is to be refused.
pub(crate) fn refused(asked: &Request) -> (u16, String) {
    asked.send().refusal()
}

/// Asserts that a row tells of this failure.
pub(crate) fn failed(row: &Value, status: u16, class: &str) {
    assert_eq!((&row["statusCode"], &row["errorClass"]), (&json!(status), &json!(class)), "{row}");
    assert_eq!(row["success"], false, "{row}");
}
