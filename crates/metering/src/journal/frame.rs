//! How a record lies in a file: a head of fixed size, then the record as a MessagePack map (by the
//! names of its fields, so that a later version reads what an earlier one left).
//!
//! ```text
//! 0   length of the payload, u32 LE        8   sequence number, u64 LE
//! 4   CRC-32 of payload, length,           16  acknowledged through, u64 LE
//!     sequence and acknowledgement, LE     24  payload
//! ```
//! "Acknowledged through" is the highest sequence number whose caller had been told that it is
//! durable once this frame was written. It is what tells a torn tail, which nobody was promised,
//! from the loss of a record that somebody was. A frame without payload, a mark, only says that.

use byok_domain::CallRecord;
use crc32fast::Hasher;

/// Bytes before the payload.
pub(crate) const HEAD: usize = 24;
/// The largest payload in bytes; a longer length in a file is damage.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

/// A whole frame as read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) seq: u64,
    pub(crate) acked: u64,
    pub(crate) payload: &'a [u8],
}

/// A frame whose place in the sequence is not known yet, in a buffer that is used again.
#[derive(Default)]
pub(crate) struct FrameBuffer {
    bytes: Vec<u8>,
    payload_crc: Hasher,
}

impl FrameBuffer {
    pub(crate) const fn is_within_limit(&self) -> bool {
        self.bytes.len() <= HEAD + MAX_PAYLOAD
    }

    /// Takes the payload. The checksum's larger part is done here, outside any lock.
    pub(crate) fn fill(&mut self, record: &CallRecord) -> Result<(), rmp_serde::encode::Error> {
        self.bytes.clear();
        self.bytes.resize(HEAD, 0);
        rmp_serde::encode::write_named(&mut self.bytes, record)?;
        self.payload_crc = Hasher::new();
        self.payload_crc.update(&self.bytes[HEAD..]);
        Ok(())
    }

    /// Gives the frame its place; returns its bytes.
    pub(crate) fn place(&mut self, seq: u64, acked: u64) -> &[u8] {
        seal(&mut self.bytes, self.payload_crc.clone(), seq, acked);
        &self.bytes
    }
}

/// A mark: everything through `seq` was acknowledged.
pub(crate) fn mark(seq: u64) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    seal(&mut bytes, Hasher::new(), seq, seq);
    bytes
}

/// The size of the frame that `head` starts, or `None` when it cannot be the start of one.
pub(crate) fn size(head: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
    (length <= MAX_PAYLOAD).then_some(HEAD + length)
}

/// The frame at the start of `bytes`, if a whole and sound one is there.
pub(crate) fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let frame = bytes.get(..size(bytes)?)?;
    let (head, payload) = frame.split_first_chunk::<HEAD>()?;
    let mut crc = Hasher::new();
    crc.update(payload);
    (head[4..8] == checksum(crc, head).to_le_bytes()).then(|| Frame {
        seq: seq_of(head),
        acked: acked_of(head),
        payload,
    })
}

/// The sequence number that a head claims.
pub(crate) fn seq_of(head: &[u8; HEAD]) -> u64 {
    u64::from_le_bytes(*head[8..].first_chunk().expect("8 bytes of 16"))
}

fn acked_of(head: &[u8; HEAD]) -> u64 {
    u64::from_le_bytes(*head[16..].first_chunk().expect("8 bytes of 8"))
}

fn seal(frame: &mut [u8], payload_crc: Hasher, seq: u64, acked: u64) {
    let (head, payload) = frame.split_first_chunk_mut::<HEAD>().expect("a frame has a head");
    let length = u32::try_from(payload.len()).expect("payloads are limited");
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[8..16].copy_from_slice(&seq.to_le_bytes());
    head[16..].copy_from_slice(&acked.to_le_bytes());
    let crc = checksum(payload_crc, head);
    head[4..8].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(mut payload_crc: Hasher, head: &[u8; HEAD]) -> u32 {
    payload_crc.update(&head[..4]);
    payload_crc.update(&head[8..]);
    payload_crc.finalize()
}

#[cfg(test)]
mod tests {
    use byok_domain::call::{Attempt, CircuitChange, OpenUntil, QuotaWarning};
    use byok_domain::circuit::Cause;
    use byok_domain::routing::FallbackReason;
    use byok_domain::{Aftermath, Credits, ErrorClass, KeySource, Timestamp};

    use super::*;
    use crate::samples::record;

    fn frame() -> Vec<u8> {
        let mut buffer = FrameBuffer::default();
        buffer.fill(&record(77)).expect("fits");
        buffer.place(41, 40).to_vec()
    }

    #[test]
    fn a_frame_gives_back_the_record_and_its_place() {
        let bytes = frame();
        let frame = parse(&bytes).expect("whole");
        assert_eq!((frame.seq, frame.acked), (41, 40));
        let read: CallRecord = rmp_serde::from_slice(frame.payload).expect("a record");
        assert_eq!(read, record(77));
        assert_eq!(size(&bytes), Some(bytes.len()));
    }

    #[test]
    fn a_record_of_the_time_before_prices_were_kept_is_still_read() {
        let mut old = rmp_serde::to_vec_named(&record(3)).expect("plain data");
        assert!(!old.windows(2).any(|pair| pair == b"up"), "what is unknown is left out");
        let read: CallRecord = rmp_serde::from_slice(&old).expect("a record");
        assert_eq!((read.unit_prices, read.answered), (None, None));
        let priced = CallRecord {
            unit_prices: Some(r#"{"input":2.5}"#.into()),
            answered: Some("m".into()),
            ..record(3)
        };
        old = rmp_serde::to_vec_named(&priced).expect("plain data");
        assert_eq!(rmp_serde::from_slice::<CallRecord>(&old).expect("a record"), priced);
    }

    #[test]
    fn a_record_of_the_time_before_credits_is_still_read_and_one_with_all_that_follows_too() {
        let plain = rmp_serde::to_vec_named(&record(3)).expect("plain data");
        assert!(!plain.windows(4).any(|four| four == b"then"), "nothing that follows is left out");
        let read: CallRecord = rmp_serde::from_slice(&plain).expect("a record");
        assert!(read.aftermath.is_empty());
        let key = byok_domain::ProviderKeyId::new("pk_1");
        let open = OpenUntil { until: Timestamp::from_millis(9), cause: Cause::ProviderDown };
        let aftermath = Aftermath {
            held: Some(Credits::new(7)),
            credits: Some(Credits::new(3)),
            fallback: Some(FallbackReason::ProviderDown),
            attempts: vec![Attempt {
                key: Some(key.clone()),
                source: KeySource::Byok,
                class: ErrorClass::ProviderDown,
                status: 503,
            }],
            circuits: vec![
                CircuitChange { key: key.clone(), open: Some(open) },
                CircuitChange { key, open: None },
            ],
            quota: QuotaWarning::of("tokens", 10, 1, None),
        };
        let full = CallRecord { aftermath, ..record(3) };
        let bytes = rmp_serde::to_vec_named(&full).expect("plain data");
        assert_eq!(rmp_serde::from_slice::<CallRecord>(&bytes).expect("a record"), full);
    }

    #[test]
    fn a_buffer_used_again_keeps_nothing_of_the_last_record() {
        let mut buffer = FrameBuffer::default();
        let long = CallRecord { operation: "x".repeat(2000).into(), ..record(1) };
        buffer.fill(&long).expect("fits");
        buffer.place(1, 0);
        buffer.fill(&record(77)).expect("fits");
        assert_eq!(buffer.place(41, 40), frame());
    }

    #[test]
    fn any_flipped_bit_and_any_missing_end_is_noticed() {
        let bytes = frame();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&flipped), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]), None, "{len} bytes");
        }
        assert_eq!(parse(&[0; 4096]), None, "zeros are no mark");
        assert_eq!(parse(&[0xff; 4096]), None);
    }
}
