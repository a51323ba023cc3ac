//! Reads usage and failures from Bedrock's event streams as they pass.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byok_domain::usage::ServiceTier;
use byok_domain::{AnswerReader, ErrorClass, Findings, Opening, Seen, Usage};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::classify::of_exception;
use super::frames::{Frame, Frames, Kind};
use super::usage::{self, Tally};
use crate::sse::opening;

/// The events of `ConverseStream`, or of `InvokeModelWithResponseStream`: their names tell which.
#[derive(Default)]
pub(super) struct Stream {
    frames: Frames,
    state: State,
    /// How a stream of an unknown path ends is not known: any end is one.
    lenient: bool,
}

#[derive(Default)]
struct State {
    /// What the model itself reports.
    told: Tally,
    /// Whether it has reported that only as its message began.
    preliminary: bool,
    /// What AWS counted, in the last chunk of an invocation.
    counted: Option<Usage>,
    tier: Option<ServiceTier>,
    error: Option<ErrorClass>,
    events: u64,
    ended: bool,
    /// Where a chunk is decoded; kept for the next one.
    decoded: Vec<u8>,
}

impl Stream {
    pub(super) fn new(lenient: bool) -> Self {
        Self { lenient, ..Self::default() }
    }
}

impl AnswerReader for Stream {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        let state = &mut self.state;
        let before = state.ended;
        self.frames.push(chunk, |frame| state.frame(frame));
        if state.ended && !before { Seen::End } else { Seen::More }
    }

    fn opening(&self) -> Opening {
        opening(self.state.error, self.state.events > 0 || self.state.ended)
    }

    fn finish(&mut self) -> Findings {
        let state = &self.state;
        let mut usage = state.told.usage().or(state.counted);
        if let (Some(usage), Some(tier)) = (&mut usage, state.tier) {
            usage.tier = tier;
        }
        Findings {
            usage,
            preliminary: state.preliminary,
            error: state.error,
            events: state.events,
            complete: self.lenient || state.ended,
            ..Findings::default()
        }
    }
}

impl State {
    fn frame(&mut self, frame: &Frame<'_>) {
        match (frame.kind, frame.name) {
            (Kind::Exception, name) => {
                self.error = Some(of_exception(name, frame.payload));
                self.ended = true;
            }
            (Kind::Event, "metadata") => self.metadata(frame.payload),
            (Kind::Event, "chunk") => self.chunk(frame.payload),
            (Kind::Event, "contentBlockDelta") => self.events += 1,
            (Kind::Event, _) => {}
        }
    }

    /// The last event of a Converse stream.
    fn metadata(&mut self, payload: &[u8]) {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Metadata<'a> {
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
            #[serde(borrow)]
            service_tier: Option<&'a RawValue>,
        }
        self.ended = true;
        let Ok(metadata) = serde_json::from_slice::<Metadata<'_>>(payload) else { return };
        if let Some(usage) = metadata.usage {
            self.told = Tally::default();
            self.told.take(usage.get().as_bytes());
        }
        self.tier = metadata.service_tier.and_then(|raw| usage::tier(raw.get().as_bytes()));
    }

    /// A piece of the model's own stream, in base64.
    fn chunk(&mut self, payload: &[u8]) {
        #[derive(Deserialize)]
        struct Chunk<'a> {
            #[serde(borrow)]
            bytes: &'a str,
        }
        self.events += 1;
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(payload) else { return };
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        if STANDARD.decode_vec(chunk.bytes, &mut decoded).is_ok() {
            self.piece(&decoded);
        }
        self.decoded = decoded;
    }

    fn piece(&mut self, json: &[u8]) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Piece<'a> {
            #[serde(rename = "type", borrow)]
            kind: Option<&'a str>,
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<Nested<'a>>,
            #[serde(borrow)]
            metadata: Option<Nested<'a>>,
            #[serde(rename = "amazon-bedrock-invocationMetrics", borrow)]
            metrics: Option<&'a RawValue>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Nested<'a> {
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
        }
        // Most pieces carry a token and nothing else: they are told apart without being parsed.
        let telling: [&[u8]; 3] = [b"\"usage\"", b"invocationMetrics\"", b"\"message_stop\""];
        if !telling.iter().any(|words| memmem::find(json, words).is_some()) {
            return;
        }
        let Ok(piece) = serde_json::from_slice::<Piece<'_>>(json) else { return };
        let message = piece.message.and_then(|message| message.usage);
        let metadata = piece.metadata.and_then(|metadata| metadata.usage);
        if message.is_some() {
            self.preliminary = true;
        }
        if metadata.is_some() || piece.usage.is_some() || piece.metrics.is_some() {
            self.preliminary = false;
        }
        for told in [message, metadata, piece.usage].into_iter().flatten() {
            self.take(told.get().as_bytes());
        }
        if let Some(metrics) = piece.metrics {
            self.counted = usage::object(metrics.get().as_bytes());
            self.ended = true;
        }
        self.ended |= piece.kind == Some("message_stop");
    }

    fn take(&mut self, object: &[u8]) {
        self.told.take(object);
        // OpenAI's open models count in their own words.
        if self.told == Tally::default() {
            self.counted = usage::object(object).or(self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::samples::{event, exception};
    use super::*;

    fn read(stream: &[u8], step: usize) -> (Findings, bool) {
        let mut reader = Stream::new(false);
        let mut end = false;
        for chunk in stream.chunks(step) {
            end |= reader.read(chunk) == Seen::End;
        }
        (reader.finish(), end)
    }

    fn chunk(json: &str) -> Vec<u8> {
        let bytes = STANDARD.encode(json);
        event("chunk", &format!(r#"{{"bytes":"{bytes}","p":"abcdefgh"}}"#))
    }

    fn converse() -> Vec<u8> {
        [
            event("messageStart", r#"{"p":"abc","role":"assistant"}"#),
            event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"hi"}}"#),
            event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
            event("messageStop", r#"{"stopReason":"end_turn"}"#),
            event(
                "metadata",
                r#"{"usage":{"inputTokens":10,"outputTokens":42,"totalTokens":52,"cacheReadInputTokens":300,"cacheWriteInputTokens":200,"cacheDetails":[{"ttl":"1h","inputTokens":50},{"ttl":"5m","inputTokens":150}]},"metrics":{"latencyMs":800},"serviceTier":{"type":"flex"}}"#,
            ),
        ]
        .concat()
    }

    fn claude() -> Vec<u8> {
        [
            chunk(
                r#"{"type":"message_start","message":{"id":"m1","model":"claude","usage":{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":1}}}"#,
            ),
            chunk(r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#),
            chunk(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42}}"#),
            chunk(
                r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":10,"outputTokenCount":42,"invocationLatency":900,"firstByteLatency":300,"cacheReadInputTokenCount":300,"cacheWriteInputTokenCount":200}}"#,
            ),
        ]
        .concat()
    }

    #[test]
    fn both_kinds_of_stream_tell_usage_and_end_however_they_are_cut() {
        for (stream, tier, events) in
            [(converse(), ServiceTier::Flex, 1), (claude(), ServiceTier::Standard, 4)]
        {
            for step in 1..=stream.len() {
                let (found, end) = read(&stream, step);
                let expected = Usage {
                    input: 10,
                    cache_read: 300,
                    cache_write: 150,
                    cache_write_1h: 50,
                    output: 42,
                    tier,
                    ..Usage::default()
                };
                assert_eq!(found.usage, Some(expected), "step {step}");
                assert!(end && found.complete && found.error.is_none());
                assert_eq!(found.events, events);
            }
        }
    }

    #[test]
    fn a_stream_that_ends_at_any_byte_before_its_end_is_incomplete() {
        for stream in [converse(), claude()] {
            for end in 0..stream.len() {
                let (found, seen) = read(&stream[..end], 61);
                assert!(!seen && !found.complete, "{end} of {}", stream.len());
            }
        }
    }

    #[test]
    fn a_wrong_bit_ends_the_reading() {
        let mut stream = converse();
        let at = stream.len() - 100;
        stream[at] ^= 0x20;
        let (found, end) = read(&stream, 33);
        assert!(!end && !found.complete && found.usage.is_none());
    }

    #[test]
    fn the_end_is_seen_in_the_chunk_that_carries_it() {
        let stream = converse();
        let mut reader = Stream::new(false);
        assert_eq!(reader.read(&stream[..stream.len() - 1]), Seen::More);
        assert_eq!(reader.read(&stream[stream.len() - 1..]), Seen::End);
        assert_eq!(reader.read(b"more"), Seen::More);
    }

    #[test]
    fn exceptions_inside_a_stream_are_found_and_what_came_before_is_kept() {
        let begun = chunk(
            r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1}}}"#,
        );
        for (name, class) in [
            ("throttlingException", ErrorClass::RateLimited),
            ("modelStreamErrorException", ErrorClass::ProviderDown),
            ("modelTimeoutException", ErrorClass::ProviderDown),
            ("validationException", ErrorClass::RequestRejected),
        ] {
            let stream = [begun.clone(), exception(name, r#"{"message":"no"}"#)].concat();
            let (found, _) = read(&stream, 11);
            assert_eq!(found.error, Some(class), "{name}");
            assert_eq!(found.usage.map(|usage| usage.input), Some(10));
        }
    }

    #[test]
    fn other_families_are_read_from_their_own_words_or_awss_count() {
        let metrics =
            r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":5,"outputTokenCount":6}"#;
        for (what, pieces, expected) in [
            (
                "Nova",
                vec![
                    r#"{"contentBlockDelta":{"delta":{"text":"a"}}}"#.to_owned(),
                    format!(
                        r#"{{"metadata":{{"usage":{{"inputTokens":3,"outputTokens":4,"cacheReadInputTokenCount":0}}}},{metrics}}}"#
                    ),
                ],
                Some((3, 4)),
            ),
            (
                "Llama",
                vec![format!(
                    r#"{{"generation":"","prompt_token_count":null,"stop_reason":"stop",{metrics}}}"#
                )],
                Some((5, 6)),
            ),
            (
                "OpenAI's open models",
                vec![format!(
                    r#"{{"choices":[],"usage":{{"prompt_tokens":8,"completion_tokens":3}},{metrics}}}"#
                )],
                Some((5, 6)),
            ),
            (
                "doubled",
                vec![
                    r#"{"type":"message_delta","usage":{"input_tokens":5,"output_tokens":6}}"#
                        .to_owned(),
                    r#"{"type":"message_delta","usage":{"input_tokens":5,"output_tokens":6}}"#
                        .to_owned(),
                    r#"{"type":"message_stop"}"#.to_owned(),
                ],
                Some((5, 6)),
            ),
            (
                "nonsense",
                vec![
                    r#"{"type":"message_stop","usage":{"input_tokens":-5,"output_tokens":1e99}}"#
                        .to_owned(),
                ],
                None,
            ),
        ] {
            let stream: Vec<u8> = pieces.iter().flat_map(|piece| chunk(piece)).collect();
            let (found, end) = read(&stream, 40);
            assert_eq!(found.usage.map(|usage| (usage.input, usage.output)), expected, "{what}");
            assert!(end && found.complete, "{what}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_passed_over() {
        let stream = [
            event("chunk", r#"{"bytes":"%%%"}"#),
            event("chunk", "not JSON"),
            event("metadata", "not JSON"),
        ]
        .concat();
        let (found, _) = read(&stream, 13);
        assert_eq!((found.usage, found.error, found.complete), (None, None, true));
    }
}
