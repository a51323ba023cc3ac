//! A request as it arrived, nothing tidied up.

use bytes::Bytes;
use serde_json::Value;

use crate::wire::{Framing, header_lines, header_value};

/// What one client sent.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection it came on, counted from 1: equal numbers mean a reused connection.
    pub connection: u64,
    /// The method, as spelt.
    pub method: String,
    /// The request target as it stood on the wire, query and all.
    pub target: String,
    /// The whole head, byte for byte, its blank line included.
    pub head: Bytes,
    /// How the body was delimited.
    pub framing: Framing,
    /// The body, with chunked coding taken off.
    pub body: Bytes,
}

impl Seen {
    pub(super) fn new(connection: u64, head: Bytes, framing: Framing) -> Self {
        let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        Self { connection, method, target, head, framing, body: Bytes::new() }
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The headers as (name, value), spelt and ordered as they arrived.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        header_lines(&self.head).map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The first header of that name, compared without case; `None` too if it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_value(&self.head, name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
