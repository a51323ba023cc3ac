//! Amazon's event stream: binary frames, each with two checksums.

use bytes::{Buf, Bytes, BytesMut};

use super::{Garbled, RawEvent};

/// Two lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum of all before it.
const CHECKSUM: usize = 4;
/// The longest frame, in bytes, as Amazon has it.
const CAP: usize = 24 * 1024 * 1024;

const BROKEN: Garbled = Garbled("it sent a frame that is broken");

#[derive(Default)]
pub(super) struct Decoder {
    bytes: BytesMut,
}

impl Decoder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn next(&mut self) -> Result<Option<RawEvent>, Garbled> {
        if self.bytes.len() < PRELUDE {
            return Ok(None);
        }
        let mut prelude = &self.bytes[..PRELUDE];
        let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
        let sound = crc32fast::hash(&self.bytes[..PRELUDE - CHECKSUM]) == prelude.get_u32()
            && (PRELUDE + CHECKSUM..=CAP).contains(&total)
            && headers <= total - PRELUDE - CHECKSUM;
        if !sound {
            return Err(BROKEN);
        }
        if self.bytes.len() < total {
            return Ok(None);
        }
        let mut frame = self.bytes.split_to(total).freeze();
        let mut checksum = frame.split_off(total - CHECKSUM);
        if crc32fast::hash(&frame) != checksum.get_u32() {
            return Err(BROKEN);
        }
        frame.advance(PRELUDE);
        let payload = frame.split_off(headers);
        let Head { name, is_error } = Head::read(frame).ok_or(BROKEN)?;
        let data = if payload.is_empty() { b"{}".to_vec() } else { payload.to_vec() };
        Ok(Some(RawEvent { name, data, is_error }))
    }
}

/// What the headers of a frame say.
#[derive(Default)]
struct Head {
    name: Option<String>,
    is_error: bool,
}

impl Head {
    fn read(mut bytes: Bytes) -> Option<Self> {
        let mut head = Self::default();
        while bytes.has_remaining() {
            let length = usize::from(bytes.try_get_u8().ok()?);
            let name = take(&mut bytes, length)?;
            let value = match bytes.try_get_u8().ok()? {
                // True and false.
                0 | 1 => continue,
                kind @ 2..=5 => take(&mut bytes, 1 << (kind - 2))?,
                // Bytes and text.
                6 | 7 => {
                    let length = usize::from(bytes.try_get_u16().ok()?);
                    take(&mut bytes, length)?
                }
                // A moment, a UUID.
                8 => take(&mut bytes, 8)?,
                9 => take(&mut bytes, 16)?,
                _ => return None,
            };
            let text = || String::from_utf8_lossy(&value).into_owned();
            match &name[..] {
                b":message-type" => head.is_error = &value[..] != b"event",
                b":event-type" | b":exception-type" | b":error-code" => head.name = Some(text()),
                _ => {}
            }
        }
        Some(head)
    }
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
        let mut head = vec![1, b'x', 0, 1, b'n', 4, 0, 0, 0, 7];
        for (name, value) in headers {
            head.push(u8::try_from(name.len()).expect("short"));
            head.extend_from_slice(name.as_bytes());
            head.push(7);
            head.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        let total = PRELUDE + head.len() + payload.len() + CHECKSUM;
        let length = |length: usize| u32::try_from(length).expect("short").to_be_bytes();
        let mut frame = [length(total), length(head.len())].concat();
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame.extend_from_slice(&head);
        frame.extend_from_slice(payload.as_bytes());
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame
    }

    fn stream() -> Vec<u8> {
        let event = |name| [(":message-type", "event"), (":event-type", name)];
        let exception =
            [(":message-type", "exception"), (":exception-type", "throttlingException")];
        [
            frame(&event("contentBlockDelta"), r#"{"delta":{"text":"Hi"}}"#),
            frame(&event("messageStop"), ""),
            frame(&exception, r#"{"message":"Slow down"}"#),
        ]
        .concat()
    }

    #[test]
    fn frames_are_read_in_pieces_of_any_size() {
        let stream = stream();
        for size in [1, 2, 7, 13, stream.len()] {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            for piece in stream.chunks(size) {
                decoder.push(piece);
                while let Some(event) = decoder.next().expect("sound") {
                    let data = String::from_utf8(event.data).expect("UTF-8");
                    events.push((event.name.expect("a name"), data, event.is_error));
                }
            }
            let expected = [
                ("contentBlockDelta", r#"{"delta":{"text":"Hi"}}"#, false),
                ("messageStop", "{}", false),
                ("throttlingException", r#"{"message":"Slow down"}"#, true),
            ];
            let events: Vec<_> = events.iter().map(|(n, d, e)| (&n[..], &d[..], *e)).collect();
            assert_eq!(events, expected, "pieces of {size}");
            assert!(decoder.is_empty());
        }
    }

    #[test]
    fn no_changed_byte_passes() {
        let good = frame(&[(":message-type", "event")], "{}");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let mut decoder = Decoder::default();
            decoder.push(&bad);
            assert!(decoder.next().is_err(), "byte {at}");
        }
    }
}
