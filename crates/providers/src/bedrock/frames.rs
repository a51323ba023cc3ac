//! Cuts `application/vnd.amazon.eventstream` into its messages as it passes, in constant memory.

use crc32fast::Hasher;

/// Total length, length of the headers, and a checksum of the two.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
/// What AWS allows the headers and the payload of one message to be, in bytes.
const HEADERS_CAP: usize = 128 * 1024;
const PAYLOAD_CAP: usize = 24 * 1024 * 1024;
/// The longest payload that is kept; a longer one is checked and left out.
const KEPT_CAP: usize = 1024 * 1024;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    /// A modelled or unmodelled failure, which ends the stream.
    Exception,
}

/// One message whose checksums are right.
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    /// Its event type, exception type or error code.
    pub(super) name: &'a str,
    /// Its payload; empty if that was over the cap.
    pub(super) payload: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Prelude,
    Headers,
    Payload,
    Checksum,
    /// A length or checksum was wrong: nothing after it can be told.
    Broken,
}

/// An incremental reader of messages.
pub(super) struct Frames {
    part: Part,
    /// Bytes of the part that have not come yet.
    left: usize,
    payload_length: usize,
    /// The prelude or the checksum, as far as it has come.
    fixed: Vec<u8>,
    headers: Vec<u8>,
    payload: Vec<u8>,
    crc: Hasher,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            part: Part::Prelude,
            left: PRELUDE,
            payload_length: 0,
            fixed: Vec::with_capacity(PRELUDE),
            headers: Vec::new(),
            payload: Vec::new(),
            crc: Hasher::new(),
        }
    }
}

impl Frames {
    /// Calls `each` with every message that ends in `chunk`, which may be cut anywhere.
    pub(super) fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(&Frame<'_>)) {
        while !chunk.is_empty() && self.part != Part::Broken {
            let (now, rest) = chunk.split_at(self.left.min(chunk.len()));
            match self.part {
                Part::Prelude | Part::Checksum => self.fixed.extend_from_slice(now),
                Part::Headers => self.headers.extend_from_slice(now),
                Part::Payload if self.payload_length <= KEPT_CAP => {
                    self.payload.extend_from_slice(now);
                }
                Part::Payload | Part::Broken => {}
            }
            if self.part != Part::Checksum {
                self.crc.update(now);
            }
            self.left -= now.len();
            chunk = rest;
            while self.left == 0 && self.part != Part::Broken {
                self.advance(&mut each);
            }
        }
    }

    /// The part is whole: goes on to the next.
    fn advance(&mut self, each: &mut impl FnMut(&Frame<'_>)) {
        match self.part {
            Part::Prelude => {
                (self.part, self.left) = match lengths(&self.fixed) {
                    Some((headers, payload)) => {
                        self.payload_length = payload;
                        (Part::Headers, headers)
                    }
                    None => (Part::Broken, 0),
                };
                self.fixed.clear();
            }
            Part::Headers => (self.part, self.left) = (Part::Payload, self.payload_length),
            Part::Payload => (self.part, self.left) = (Part::Checksum, CHECKSUM),
            Part::Checksum => {
                let crc = std::mem::replace(&mut self.crc, Hasher::new()).finalize();
                if crc.to_be_bytes() == *self.fixed {
                    if let Some((kind, name)) = meaning(&self.headers) {
                        each(&Frame { kind, name, payload: &self.payload });
                    }
                    (self.part, self.left) = (Part::Prelude, PRELUDE);
                } else {
                    self.part = Part::Broken;
                }
                self.fixed.clear();
                self.headers.clear();
                self.payload.clear();
            }
            Part::Broken => {}
        }
    }
}

/// The lengths of headers and payload that a prelude announces, if it can be true.
fn lengths(prelude: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| {
        let bytes = prelude.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    if crc32fast::hash(prelude.get(..8)?) != number(8)? {
        return None;
    }
    let total = usize::try_from(number(0)?).ok()?;
    let headers = usize::try_from(number(4)?).ok()?;
    let payload = total.checked_sub(PRELUDE + CHECKSUM)?.checked_sub(headers)?;
    (headers <= HEADERS_CAP && payload <= PAYLOAD_CAP).then_some((headers, payload))
}

/// What a message's headers say it is; `None` for one that is neither event nor failure.
fn meaning(mut headers: &[u8]) -> Option<(Kind, &str)> {
    let (mut kind, mut name) = (None, None);
    while let Some((field, value, rest)) = header(headers) {
        headers = rest;
        match (field, value) {
            (b":message-type", Some("event")) => kind = Some(Kind::Event),
            (b":message-type", Some("exception" | "error")) => kind = Some(Kind::Exception),
            (b":event-type" | b":exception-type" | b":error-code", Some(text)) => name = Some(text),
            _ => {}
        }
    }
    Some((kind?, name.unwrap_or_default()))
}

/// The first header: its name, its value if that is a text, and the headers after it.
fn header(bytes: &[u8]) -> Option<(&[u8], Option<&str>, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let (length, rest) = match kind {
        0 | 1 => (0, rest),
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        9 => (16, rest),
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    let text = (*kind == 7).then(|| std::str::from_utf8(value).ok()).flatten();
    Some((name, text, rest))
}

#[cfg(test)]
pub(super) mod samples {
    //! Messages, written as AWS writes them.

    /// A message with these text headers.
    pub(in super::super) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for (name, value) in headers {
            head.push(u8::try_from(name.len()).expect("short"));
            head.extend_from_slice(name.as_bytes());
            head.push(7);
            head.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        raw(&head, payload)
    }

    /// A message with these bytes for headers.
    pub(in super::super) fn raw(head: &[u8], payload: &[u8]) -> Vec<u8> {
        let number = |n: usize| u32::try_from(n).expect("short").to_be_bytes();
        let mut all = number(16 + head.len() + payload.len()).to_vec();
        all.extend_from_slice(&number(head.len()));
        all.extend_from_slice(&crc32fast::hash(&all).to_be_bytes());
        all.extend_from_slice(head);
        all.extend_from_slice(payload);
        all.extend_from_slice(&crc32fast::hash(&all).to_be_bytes());
        all
    }

    pub(in super::super) fn event(name: &str, payload: &str) -> Vec<u8> {
        let json = (":content-type", "application/json");
        message(&[(":message-type", "event"), (":event-type", name), json], payload.as_bytes())
    }

    pub(in super::super) fn exception(name: &str, payload: &str) -> Vec<u8> {
        message(&[(":message-type", "exception"), (":exception-type", name)], payload.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{event, exception, message, raw};
    use super::*;

    type Read = Vec<(Kind, String, Vec<u8>)>;

    fn read(stream: &[u8], step: usize) -> (Read, bool) {
        let mut frames = Frames::default();
        let mut all = Vec::new();
        for chunk in stream.chunks(step) {
            frames.push(chunk, |f| all.push((f.kind, f.name.to_owned(), f.payload.to_vec())));
        }
        (all, frames.part == Part::Broken)
    }

    #[test]
    fn messages_encoded_by_aws_are_read() {
        // `valid_with_all_headers_and_payload`, `valid_empty_payload` and `valid_no_headers` of
        // aws-smithy-eventstream: every type of value, and none that says what the message is.
        let hex = "000000960000007a8bb495fb0474727565000566616c736501046279746502320573686f7274034e20\
            03696e74040007a120046c6f6e67050000000ba43b740005627974657306000a736f6d65206279746573037374\
            72070008736f6d65207374720474696d6508000000012a05f200047575696409b79bc914de214e13b8b2bc47e8\
            5b7f0b736f6d65207061796c6f616401a05860\
            0000001f0000000f172dc2ab0b736f6d652d6865616465720301f4933c5cad\
            0000002400000000516356ad616e6f746865722074657374207061796c6f61648df80e65";
        let digit = |digit: u8| char::from(digit).to_digit(16).expect("hex");
        let byte =
            |pair: &[u8]| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("a byte");
        let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
        for step in [1, 5, bytes.len()] {
            assert_eq!(read(&bytes, step), (vec![], false));
        }
        // The text and the number of the first one's headers, by way of those before them.
        let (mut rest, mut texts) = (&bytes[PRELUDE..PRELUDE + 0x7a], vec![]);
        while let Some((name, text, after)) = header(rest) {
            texts.extend(text.map(|text| (String::from_utf8_lossy(name).into_owned(), text)));
            rest = after;
        }
        assert_eq!((texts, rest), (vec![("str".to_owned(), "some str")], &[][..]));
    }

    #[test]
    fn the_same_messages_are_found_however_the_stream_is_cut() {
        let stream = [
            event("messageStart", r#"{"role":"assistant"}"#),
            event("contentBlockDelta", ""),
            raw(&[], b"a message without headers"),
            message(&[(":message-type", "error"), (":error-code", "InternalError")], b""),
            exception("throttlingException", "{}"),
        ]
        .concat();
        let expected = [
            (Kind::Event, "messageStart", &br#"{"role":"assistant"}"#[..]),
            (Kind::Event, "contentBlockDelta", b""),
            (Kind::Exception, "InternalError", b""),
            (Kind::Exception, "throttlingException", b"{}"),
        ]
        .map(|(kind, name, payload)| (kind, name.to_owned(), payload.to_vec()));
        for step in 1..=stream.len() {
            assert_eq!(read(&stream, step), (expected.to_vec(), false), "step {step}");
        }
    }

    #[test]
    fn a_message_with_one_wrong_bit_is_not_read_nor_any_after_it() {
        let good = event("metadata", "{}");
        for at in 0..good.len() {
            let mut stream = good.clone();
            stream[at] ^= 1;
            // As many bytes as the longest message that a wrong length can announce here.
            stream.extend_from_slice(&good);
            let (frames, broken) = read(&stream, 7);
            assert!(frames.is_empty() && broken, "byte {at}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_not_believed_and_not_waited_for() {
        for (total, headers) in [
            (0_u32, 0_u32),
            (15, 0),
            (16, 1),
            (u32::MAX, 0),
            (u32::MAX, u32::MAX),
            (300_000, 200_000),
        ] {
            let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
            assert_eq!(read(&prelude, 5), (vec![], true), "{total} {headers}");
        }
    }

    #[test]
    fn a_long_payload_is_checked_but_not_kept() {
        let long = event("chunk", &"x".repeat(KEPT_CAP + 1));
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for chunk in [long, event("metadata", "{}")].concat().chunks(64 * 1024) {
            frames.push(chunk, |f| seen.push((f.name.to_owned(), f.payload.len())));
            assert!(frames.payload.capacity() <= 2 * KEPT_CAP);
        }
        assert_eq!(seen, [("chunk".to_owned(), 0), ("metadata".to_owned(), 2)]);
    }

    #[test]
    fn headers_that_end_early_are_no_event() {
        for head in [
            &b"\x0d:message-type\x07\x00\x05even"[..],
            b"\x05",
            b"\x01a",
            b"\x01a\x63",
            b"\x01a\x09",
        ] {
            assert_eq!(read(&raw(head, b"{}"), 3), (vec![], false), "{head:?}");
        }
    }
}
