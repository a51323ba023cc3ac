//! Server-sent events, read and filtered as they pass.

use byok_domain::{ErrorClass, Opening};
use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2, memmem, memrchr};

/// What a stream has begun with: the error that it told, or whether it told content.
pub(crate) fn opening(error: Option<ErrorClass>, content: bool) -> Opening {
    match (error, content) {
        (Some(class), _) => Opening::Failed(class),
        (None, true) => Opening::Content,
        (None, false) => Opening::Preamble,
    }
}

/// The longest line that is read; a longer one passes unread.
const LINE_CAP: usize = 1024 * 1024;

/// Cuts a byte stream into lines, ended by `\n`, `\r\n` or `\r`, wherever the chunks are cut.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// The current line is over the cap: skip to its end.
    overlong: bool,
}

impl Lines {
    /// Calls `line` with each line that ends in `chunk`, without its end. Lines over the cap are
    /// left out.
    pub(crate) fn push(&mut self, chunk: &[u8], mut line: impl FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some(at) = memchr(b'\n', rest) {
            let (head, tail) = (&rest[..at], &rest[at + 1..]);
            if self.overlong {
                self.overlong = false;
            } else if self.partial.is_empty() {
                each_return(head, &mut line);
            } else {
                self.partial.extend_from_slice(head);
                each_return(&self.partial, &mut line);
            }
            self.partial.clear();
            rest = tail;
        }
        if self.overlong || rest.is_empty() {
            return;
        }
        if self.partial.len() + rest.len() > LINE_CAP {
            self.overlong = true;
            self.partial = Vec::new();
        } else {
            // Where the last chunk ended, at a `\r` perhaps: what is before it was searched then.
            let from = self.partial.len().saturating_sub(1);
            self.partial.extend_from_slice(rest);
            self.flush_returns(from, &mut line);
        }
    }

    /// A stream that ends its lines with a lone `\r` would otherwise never show a line.
    fn flush_returns(&mut self, from: usize, line: &mut impl FnMut(&[u8])) {
        // The last `\r` may be the first half of `\r\n`: it waits for the next chunk.
        let searchable = self.partial.len().saturating_sub(1);
        if let Some(last) = memrchr(b'\r', &self.partial[from..searchable]) {
            each_return(&self.partial[..from + last], line);
            self.partial.drain(..=from + last);
        }
    }

    /// The line that the stream broke off in.
    pub(crate) fn finish(&mut self, line: impl FnMut(&[u8])) {
        let mut line = line;
        let partial = std::mem::take(&mut self.partial);
        each_return(&partial, &mut line);
    }
}

fn each_return(text: &[u8], line: &mut impl FnMut(&[u8])) {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if memchr(b'\r', text).is_none() {
        line(text);
        return;
    }
    text.split(|b| *b == b'\r').for_each(line);
}

/// The payload of a `data:` line.
pub(crate) fn data(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let data = line.strip_prefix(b"data:")?;
    Some(data.strip_prefix(b" ").unwrap_or(data))
}

/// Takes the usage chunk out of a chat stream whose caller did not ask for it.
///
/// Everything else passes as it came, except that an event is passed on when it is whole: the chunk
/// to hide can be told from the others only then. An event over the cap passes unread.
#[derive(Default)]
pub struct HideUsageChunk {
    held: BytesMut,
    ends: EventEnds,
    passing_overlong: bool,
}

impl HideUsageChunk {
    /// Takes the next bytes, answers those that may go on.
    pub fn push(&mut self, mut chunk: Bytes) -> Bytes {
        let (mut first, mut last) = (None, 0);
        while let Some(end) = self.ends.next(&chunk[last..]) {
            last += end;
            first = first.or(Some(last));
        }
        let Some(first) = first else { return self.hold(chunk) };
        let overlong = std::mem::take(&mut self.passing_overlong);
        let rest = chunk.split_off(last);
        let unread = chunk.split_to(if overlong { first } else { 0 });
        let events = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        self.held.extend_from_slice(&rest);
        let shown = without_usage_chunk(&events);
        if unread.is_empty() { shown } else { [unread, shown].concat().into() }
    }

    /// Takes bytes in which no event ends.
    fn hold(&mut self, chunk: Bytes) -> Bytes {
        if self.passing_overlong {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        self.passing_overlong = self.held.len() > LINE_CAP;
        if self.passing_overlong { self.held.split().freeze() } else { Bytes::new() }
    }

    /// What was held back when the stream ended.
    pub fn finish(&mut self) -> Bytes {
        let rest = self.held.split().freeze();
        if is_usage_chunk(&rest) { Bytes::new() } else { rest }
    }
}

/// Finds where events end: behind blank lines, whatever ends their lines and wherever the chunks
/// are cut.
#[derive(Default)]
struct EventEnds {
    /// Whether something stands on the line that is being read.
    on_line: bool,
    /// What the last byte of the last chunk has ended, if it was a `\r`: the next one may be a
    /// `\n` that belongs to it.
    returned: Option<Returned>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Returned {
    Line,
    Event,
}

impl EventEnds {
    /// Where in `bytes`, which go on where the last call stopped, the next event ends.
    fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        let returned = self.returned.take_if(|_| !bytes.is_empty());
        let mut at = usize::from(returned.is_some() && bytes[0] == b'\n');
        if returned == Some(Returned::Event) {
            return Some(at);
        }
        while let Some(length) = memchr2(b'\n', b'\r', &bytes[at..]) {
            let is_blank = length == 0 && !self.on_line;
            self.on_line = false;
            at += length + 1;
            if bytes[at - 1] == b'\r' {
                match bytes.get(at) {
                    None => {
                        self.returned =
                            Some(if is_blank { Returned::Event } else { Returned::Line });
                        return None;
                    }
                    Some(next) => at += usize::from(*next == b'\n'),
                }
            }
            if is_blank {
                return Some(at);
            }
        }
        self.on_line |= at < bytes.len();
        None
    }
}

fn without_usage_chunk(events: &Bytes) -> Bytes {
    // The chunk to hide has an empty list of choices; without one in sight nothing is cut.
    if memmem::find(events, b"\"choices\"").is_none()
        || memmem::find(events, b"\"usage\"").is_none()
    {
        return events.clone();
    }
    let mut ends = EventEnds::default();
    let mut rest = &events[..];
    let mut kept = BytesMut::new();
    let mut cut = false;
    while !rest.is_empty() {
        let end = ends.next(rest).unwrap_or(rest.len());
        let (event, tail) = rest.split_at(end);
        if is_usage_chunk(event) {
            cut = true;
        } else {
            kept.extend_from_slice(event);
        }
        rest = tail;
    }
    if cut { kept.freeze() } else { events.clone() }
}

/// Whether an event is the extra chunk: no choices, and a usage that is not null. (The first chunk
/// of some hosts has no choices either, but no usage.)
fn is_usage_chunk(event: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Chunk {
        choices: Vec<serde::de::IgnoredAny>,
        usage: Option<serde::de::IgnoredAny>,
    }
    if memmem::find(event, b"\"usage\"").is_none() {
        return false;
    }
    let mut hidden = false;
    let mut lines = Lines::default();
    let mut look = |line: &[u8]| {
        if let Some(data) = data(line)
            && let Ok(chunk) = serde_json::from_slice::<Chunk>(data)
        {
            hidden |= chunk.choices.is_empty() && chunk.usage.is_some();
        }
    };
    lines.push(event, &mut look);
    lines.finish(&mut look);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, step: usize) -> Vec<String> {
        let mut out = Vec::new();
        let mut lines = Lines::default();
        let mut take = |line: &[u8]| {
            if !line.is_empty() {
                out.push(String::from_utf8(line.to_vec()).expect("text"));
            }
        };
        for chunk in text.as_bytes().chunks(step) {
            lines.push(chunk, &mut take);
        }
        lines.finish(&mut take);
        out
    }

    #[test]
    fn lines_are_the_same_for_every_ending_and_every_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["data: a", "event: b", "data: [DONE]"].join(&format!("{end}{end}"));
            for step in 1..=text.len() {
                assert_eq!(
                    lines(&text, step),
                    ["data: a", "event: b", "data: [DONE]"],
                    "{end:?} step {step}"
                );
            }
        }
    }

    #[test]
    fn a_line_over_the_cap_is_skipped_and_the_next_is_read() {
        let text = format!("data: {}\ndata: b\n", "x".repeat(2 * LINE_CAP));
        assert_eq!(lines(&text, 65_536), ["data: b"]);
    }

    const PLAIN: &str = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\"\"}}],\"usage\":null}\n\n\
        : comment\n\n";
    const EXTRA: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";

    #[test]
    fn only_the_usage_chunk_is_hidden_wherever_the_stream_is_cut() {
        for newline in ["\n", "\r\n"] {
            let whole = format!("{PLAIN}{EXTRA}data: [DONE]\n\n").replace('\n', newline);
            let expected = format!("{PLAIN}data: [DONE]\n\n").replace('\n', newline);
            for step in 1..=whole.len() {
                let mut filter = HideUsageChunk::default();
                let mut seen = BytesMut::new();
                for chunk in whole.as_bytes().chunks(step) {
                    seen.extend_from_slice(&filter.push(Bytes::copy_from_slice(chunk)));
                }
                seen.extend_from_slice(&filter.finish());
                assert_eq!(seen, expected.as_bytes(), "step {step}");
            }
        }
    }

    #[test]
    fn events_pass_when_they_are_whole_whatever_ends_their_lines() {
        for end in ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\r\n\n"] {
            let mut filter = HideUsageChunk::default();
            let event = format!("data: {{\"choices\":[{{}}]}}{end}");
            let passed: usize = (0..3).map(|_| filter.push(Bytes::from(event.clone())).len()).sum();
            // Behind a `\r` a `\n` may still come: that event waits for the next byte.
            let waits = usize::from(end.ends_with('\r'));
            assert_eq!(passed, (3 - waits) * event.len(), "{end:?}");
            let extra = format!("{}{end}", EXTRA.trim_end());
            let whole = format!("{event}{extra}data: [DONE]{end}");
            for step in 1..=whole.len() {
                let mut filter = HideUsageChunk::default();
                let mut seen = Vec::new();
                for chunk in whole.as_bytes().chunks(step) {
                    seen.extend_from_slice(&filter.push(Bytes::copy_from_slice(chunk)));
                }
                seen.extend_from_slice(&filter.finish());
                let seen = String::from_utf8(seen).expect("text");
                let lines: Vec<_> = seen.split(['\r', '\n']).filter(|l| !l.is_empty()).collect();
                assert_eq!(lines, ["data: {\"choices\":[{}]}", "data: [DONE]"], "{end:?} {step}");
            }
        }
    }

    #[test]
    fn the_usage_chunk_after_an_event_over_the_cap_is_hidden_wherever_that_one_is_cut() {
        let long = "x".repeat(LINE_CAP + 10);
        for cut in 0..=2 {
            let mut filter = HideUsageChunk::default();
            let mut seen = 0;
            for piece in [&long, &"\n\n"[..cut], &"\n\n"[cut..], EXTRA, "data: [DONE]\n\n"] {
                seen += filter.push(Bytes::copy_from_slice(piece.as_bytes())).len();
            }
            seen += filter.finish().len();
            assert_eq!(seen, long.len() + 2 + "data: [DONE]\n\n".len(), "{cut}");
        }
    }

    #[test]
    fn a_long_line_in_small_pieces_is_read_in_linear_time() {
        let begun = std::time::Instant::now();
        let text = "x".repeat(LINE_CAP);
        let mut read = Lines::default();
        let mut filter = HideUsageChunk::default();
        for piece in text.as_bytes().chunks(4) {
            read.push(piece, |_| panic!("no line has ended"));
            assert!(filter.push(Bytes::from_static(b"xxxx")).is_empty());
        }
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }

    #[test]
    fn an_event_over_the_cap_passes_whole() {
        let text = format!("data: {}\n\n{EXTRA}data: [DONE]\n\n", "x".repeat(3 * LINE_CAP));
        let mut filter = HideUsageChunk::default();
        let mut seen = 0;
        for chunk in text.as_bytes().chunks(100_000) {
            seen += filter.push(Bytes::copy_from_slice(chunk)).len();
        }
        seen += filter.finish().len();
        assert_eq!(seen, text.len() - EXTRA.len());
    }
}
