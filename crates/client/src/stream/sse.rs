//! Server-sent events, as the HTML standard has them.

use bytes::{Buf, BytesMut};

use super::{Garbled, RawEvent};

/// The longest event, in bytes: images come in base64.
const CAP: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Decoder {
    bytes: BytesMut,
    /// How much of `bytes` is known to hold no end of a line.
    searched: usize,
    begun: bool,
    name: Option<String>,
    data: Option<Vec<u8>>,
}

impl Decoder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing waits for its end but the event that says there is none any more.
    pub(super) fn is_empty(&self) -> bool {
        let rest = self.bytes.as_ref();
        let over = |data: &[u8]| data == b"[DONE]";
        match &self.data {
            None => rest.trim_ascii().is_empty() || over(value(rest.trim_ascii()).1),
            Some(data) => over(data) && rest.trim_ascii().is_empty(),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<RawEvent>, Garbled> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                let name = self.name.take();
                if let Some(data) = self.data.take() {
                    return Ok(Some(RawEvent { name, data, is_error: false }));
                }
                continue;
            }
            match value(&line) {
                (b"data", value) => match &mut self.data {
                    Some(data) => {
                        data.push(b'\n');
                        data.extend_from_slice(value);
                    }
                    none => *none = Some(value.to_vec()),
                },
                (b"event", value) => self.name = Some(String::from_utf8_lossy(value).into_owned()),
                // Comments, and what tells how to come back.
                _ => {}
            }
        }
        if self.bytes.len() + self.data.as_ref().map_or(0, Vec::len) > CAP {
            return Err(Garbled("it sent an event without an end"));
        }
        Ok(None)
    }

    /// The next whole line, without its end: `\n`, `\r\n` or `\r`.
    fn line(&mut self) -> Option<BytesMut> {
        if !self.begun {
            const MARK: &[u8] = b"\xef\xbb\xbf";
            if self.bytes.len() < MARK.len() && MARK.starts_with(&self.bytes) {
                return None;
            }
            if self.bytes.starts_with(MARK) {
                self.bytes.advance(MARK.len());
            }
            self.begun = true;
        }
        let unseen = &self.bytes[self.searched..];
        let Some(end) = unseen.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.bytes.len();
            return None;
        };
        let end = self.searched + end;
        let length = match (self.bytes[end], self.bytes.get(end + 1)) {
            (b'\r', None) => {
                // A `\n` may belong to it.
                self.searched = end;
                return None;
            }
            (b'\r', Some(b'\n')) => 2,
            _ => 1,
        };
        self.searched = 0;
        let line = self.bytes.split_to(end);
        self.bytes.advance(length);
        Some(line)
    }
}

/// A line's field and value.
fn value(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream that comes in pieces of `size` bytes, and whether nothing is left.
    fn read(stream: &[u8], size: usize) -> (Vec<(Option<String>, String)>, bool) {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in stream.chunks(size) {
            decoder.push(piece);
            while let Some(event) = decoder.next().expect("sound") {
                events.push((event.name, String::from_utf8(event.data).expect("UTF-8")));
            }
        }
        (events, decoder.is_empty())
    }

    #[test]
    fn every_spelling_of_the_standard_is_read_in_pieces_of_any_size() {
        let stream = "\u{feff}: hi\n\ndata: {\"a\":\ndata:  1}\n\nevent: ping\r\ndata:{}\r\n\r\n\
                      id: 7\rretry: 10\rdata: ü\r\revent: lost\n\ndata\n\n"
            .as_bytes();
        let expected = [(None, "{\"a\":\n 1}"), (Some("ping"), "{}"), (None, "ü"), (None, "")];
        for size in 1..=stream.len() {
            let (events, whole) = read(stream, size);
            let events: Vec<_> = events.iter().map(|(n, d)| (n.as_deref(), d.as_str())).collect();
            assert_eq!(events, expected, "pieces of {size}");
            assert!(whole);
        }
    }

    #[test]
    fn an_event_that_was_cut_is_noticed_wherever_it_was() {
        let event = b"data: {\"a\": 1}\n\n";
        for end in 1..event.len() {
            assert!(!read(&event[..end], 3).1, "{:?}", std::str::from_utf8(&event[..end]));
        }
        for whole in
            ["", "data: 1\n\n", "data: 1\n\n\n", ": bye\n", "data: [DONE]", "data: [DONE]\n"]
        {
            assert!(read(whole.as_bytes(), 3).1, "{whole:?}");
        }
    }
}
