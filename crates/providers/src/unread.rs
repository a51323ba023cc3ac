//! The reader of answers that tell nothing: audio, file contents, what is compressed.

use byok_domain::{AnswerReader, Findings, Seen};

/// Reads nothing, and takes any end for one.
pub struct Unread;

impl AnswerReader for Unread {
    fn read(&mut self, _chunk: &[u8]) -> Seen {
        Seen::More
    }

    fn finish(&mut self) -> Findings {
        Findings { complete: true, ..Findings::default() }
    }
}
