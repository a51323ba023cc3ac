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

/// Where the first quote or backslash is. Most strings are names and short values: two words are
/// looked at before a search begins.
fn find_mark(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for word in text.chunks_exact(8).take(2) {
        let word = u64::from_le_bytes(*word.first_chunk()?);
        let marks = zero_bytes(word ^ repeated(b'"')) | zero_bytes(word ^ repeated(b'\\'));
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'"', b'\\', &text[at..]).map(|found| at + found)
}

const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is zero, exact up to the first of them.
/// <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeated(1)) & !word & repeated(0x80)
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
            let Some(found) = find_mark(&bytes[at..]) else { return bytes.len() };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mark_is_found_wherever_it_stands() {
        for before in 0..40 {
            for (mark, filler) in [(b'"', b'a'), (b'\\', b'!'), (b'"', b'#'), (b'\\', b']')] {
                let mut text = vec![filler; before];
                text.extend([mark, b'"', filler]);
                assert_eq!(find_mark(&text), Some(before));
                assert_eq!(find_mark(&text[..before]), None);
            }
        }
    }
}
