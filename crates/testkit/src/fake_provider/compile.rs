//! From an answer to what the connection does: writes, waits and cuts in their order.

use bytes::Bytes;

use super::answer::{Answer, Cut, Delimited, Head, Mark, Piece};

/// One thing to do on the wire.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Send(Bytes),
    Fill { byte: u8, length: u64 },
    Wait(Mark),
    Close(Cut),
}

impl Answer {
    /// The answer as steps; `to_head` leaves the body out, as an answer to HEAD must.
    pub(super) fn steps(&self, to_head: bool) -> Vec<Step> {
        let mut steps: Vec<Step> = self.before_head.iter().cloned().map(Step::from).collect();
        steps.extend(self.head_bytes().map(Step::Send));
        if !to_head {
            self.push_body(&mut steps);
        }
        if self.close_after {
            steps.push(Step::Close(Cut::Finish));
        }
        match self.wire_cut {
            Some((offset, cut)) => cut_wire(steps, offset, cut),
            None => steps,
        }
    }

    fn head_bytes(&self) -> Option<Bytes> {
        let Head::Lines { status, headers } = &self.head else { return None };
        let reason = http::StatusCode::from_u16(*status).ok();
        let reason = reason.and_then(|s| s.canonical_reason()).unwrap_or("Unnamed");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.delimited {
            Delimited::Length => {
                let length: u64 = self.body.iter().map(Piece::length).sum();
                head.push_str(&format!("content-length: {length}\r\n"));
            }
            Delimited::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
            Delimited::ByClose | Delimited::AsGiven => {}
        }
        head.push_str("\r\n");
        Some(head.into())
    }

    fn push_body(&self, steps: &mut Vec<Step>) {
        let chunked = self.delimited == Delimited::Chunked;
        let mut marks = self.marks.iter().peekable();
        let mut offset = 0;
        for (index, piece) in self.body.iter().enumerate() {
            let length = piece.length();
            if length == 0 {
                continue;
            }
            if index > 0 && !self.between_pieces.is_zero() {
                steps.push(Step::Wait(Mark::Pause(self.between_pieces)));
            }
            while let Some((_, mark)) = marks.next_if(|(at, _)| *at <= offset) {
                steps.push(mark.clone().into());
            }
            let mut prefix = if chunked { format!("{length:x}\r\n") } else { String::new() };
            let mut sent = 0;
            while let Some((at, mark)) = marks.next_if(|(at, _)| *at < offset + length) {
                piece.push(steps, std::mem::take(&mut prefix), sent..at - offset, "");
                sent = at - offset;
                steps.push(mark.clone().into());
            }
            let suffix = if chunked { "\r\n" } else { "" };
            piece.push(steps, prefix, sent..length, suffix);
            offset += length;
        }
        steps.extend(marks.map(|(_, mark)| mark.clone().into()));
        if chunked {
            steps.push(Step::Send(Bytes::from_static(b"0\r\n\r\n")));
        }
    }
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Fill { length, .. } => *length,
        }
    }

    /// The part of the piece in `range`, between a prefix and a suffix, in as few writes as it
    /// can be: a receiver should see the pieces the test asked for, not those of the framing.
    fn push(
        &self,
        steps: &mut Vec<Step>,
        prefix: String,
        range: std::ops::Range<u64>,
        suffix: &'static str,
    ) {
        match self {
            Self::Bytes(bytes) => {
                let index = |at| usize::try_from(at).expect("it is within a slice");
                let part = bytes.slice(index(range.start)..index(range.end));
                let write = if prefix.is_empty() && suffix.is_empty() {
                    part
                } else {
                    [prefix.as_bytes(), &part, suffix.as_bytes()].concat().into()
                };
                steps.push(Step::Send(write));
            }
            Self::Fill { byte, .. } => {
                steps.push(Step::Send(prefix.into()));
                steps.push(Step::Fill { byte: *byte, length: range.end - range.start });
                steps.push(Step::Send(Bytes::from_static(suffix.as_bytes())));
            }
        }
    }
}

impl From<Mark> for Step {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Cut(cut) => Self::Close(cut),
            wait => Self::Wait(wait),
        }
    }
}

fn cut_wire(steps: Vec<Step>, offset: u64, cut: Cut) -> Vec<Step> {
    let mut left = offset;
    let mut kept = Vec::new();
    for step in steps {
        let length = match &step {
            Step::Send(bytes) => bytes.len() as u64,
            Step::Fill { length, .. } => *length,
            Step::Wait(_) | Step::Close(_) => 0,
        };
        if length < left || (length == 0 && left > 0) {
            left -= length;
            kept.push(step);
            continue;
        }
        match step {
            Step::Send(bytes) => {
                kept.push(Step::Send(bytes.slice(..usize::try_from(left).unwrap_or(bytes.len()))));
            }
            Step::Fill { byte, .. } => kept.push(Step::Fill { byte, length: left }),
            Step::Wait(_) | Step::Close(_) => {}
        }
        break;
    }
    kept.push(Step::Close(cut));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps in short: bytes as text, waits as `|`, cuts as `!`.
    fn short(answer: &Answer) -> String {
        let mut text = String::new();
        for step in answer.steps(false) {
            match step {
                Step::Send(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                Step::Fill { byte, length } => {
                    text.push_str(&format!("<{length}x{}>", char::from(byte)));
                }
                Step::Wait(_) => text.push('|'),
                Step::Close(_) => text.push('!'),
            }
        }
        text.split_once("\r\n\r\n").map_or(text.clone(), |(_, body)| body.to_owned())
    }

    #[test]
    fn marks_and_cuts_fall_where_the_test_put_them() {
        let hello = || Answer::new(200, "text/plain", "hello world");
        let cases = [
            (hello(), "hello world"),
            (hello().stall_at(0), "|hello world"),
            (hello().stall_at(5), "hello| world"),
            (hello().stall_at(11), "hello world|"),
            (hello().chunked(), "b\r\nhello world\r\n0\r\n\r\n"),
            (hello().chunked().in_pieces_of(6), "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"),
            (
                hello().chunked().split_at([6]).stall_at(6),
                "6\r\nhello \r\n|5\r\nworld\r\n0\r\n\r\n",
            ),
            (hello().chunked().stall_at(2), "b\r\nhe|llo world\r\n0\r\n\r\n"),
            (hello().chunked().stall_at(11), "b\r\nhello world\r\n|0\r\n\r\n"),
            (hello().stall_at(7).pause_at(2, std::time::Duration::ZERO), "he|llo w|orld"),
            (hello().fill(b'x', 9).then("."), "hello world<9xx>."),
            (hello().fill(b'x', 9).stall_at(14), "hello world<3xx>|<6xx>"),
            (hello().until_close(), "hello world!"),
            (hello().split_at([2, 4]).spaced(std::time::Duration::from_secs(1)), "he|ll|o world"),
            (Answer::raw("\r\n\r\nnonsense"), "nonsense!"),
            (Answer::raw("\r\n\r\nnonsense").cut_wire_at(7, Cut::Reset), "non!"),
        ];
        for (answer, expected) in cases {
            assert_eq!(short(&answer), expected);
        }
    }

    #[test]
    fn a_wire_cut_keeps_exactly_that_many_bytes() {
        let answer = Answer::events(["data: 1\n\n", "data: 2\n\n"]);
        let whole: usize = sent(&answer);
        for offset in 0..whole {
            assert_eq!(sent(&answer.clone().cut_wire_at(offset as u64, Cut::Finish)), offset);
        }
    }

    fn sent(answer: &Answer) -> usize {
        let length = |step: &Step| if let Step::Send(bytes) = step { bytes.len() } else { 0 };
        answer.steps(false).iter().map(length).sum()
    }
}
