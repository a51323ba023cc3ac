//! What the scanners of passing JSON share: its structure, and its strings wherever they are cut.

use memchr::memchr2;

/// The bytes that open, close or separate values.
const STRUCTURAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < b"\"{}[],".len() {
        table[b"\"{}[],"[at] as usize] = true;
        at += 1;
    }
    table
};

/// Where the first byte that means something is: most are of numbers, of names of values, spaces.
pub(crate) fn next_structural(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| STRUCTURAL[usize::from(*byte)])
}

/// Where in a string the bytes stand.
#[derive(Default)]
pub(crate) struct JsonString {
    open: bool,
    escaped: bool,
}

impl JsonString {
    /// The opening quote has passed.
    pub(crate) fn begin(&mut self) {
        self.open = true;
    }

    /// Whether the closing quote has not passed yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Skips to behind the closing quote, or to the end of `bytes`; returns where that is.
    pub(crate) fn skip(&mut self, bytes: &[u8], mut at: usize) -> usize {
        if self.escaped {
            self.escaped = false;
            at += 1;
        }
        while at < bytes.len() {
            let Some(found) = memchr2(b'"', b'\\', &bytes[at..]) else { return bytes.len() };
            at += found + 1;
            if bytes[at - 1] == b'"' {
                self.open = false;
                return at;
            }
            if at == bytes.len() {
                self.escaped = true;
                return at;
            }
            at += 1;
        }
        at
    }
}
