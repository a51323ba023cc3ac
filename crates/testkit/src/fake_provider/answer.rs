//! What to answer, said in terms of the message or of the very bytes.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::gate::Gate;
use super::gzip::gzip;

/// One answer: a correct one to begin with, then bent by the methods that follow.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) head: Head,
    pub(super) body: Vec<Piece>,
    pub(super) delimited: Delimited,
    pub(super) before_head: Vec<Mark>,
    /// What happens at an offset of the body, sorted by it.
    pub(super) marks: Vec<(u64, Mark)>,
    pub(super) between_pieces: Duration,
    pub(super) wire_cut: Option<(u64, Cut)>,
    pub(super) close_after: bool,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// TCP FIN: the peer reads an end of file.
    Finish,
    /// TCP RST: the peer reads "connection reset".
    Reset,
}

#[derive(Clone, Debug)]
pub(super) enum Head {
    Lines {
        status: u16,
        headers: Vec<(String, String)>,
    },
    /// There is none: the body's bytes are the whole message.
    Raw,
}

/// One write, and under chunked coding one chunk.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// So many times the same byte, made while it is sent.
    Fill {
        byte: u8,
        length: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimited {
    Length,
    Chunked,
    ByClose,
    /// By whatever the given headers say.
    AsGiven,
}

#[derive(Clone, Debug)]
pub(super) enum Mark {
    Pause(Duration),
    Hold(Gate),
    Stall,
    Cut(Cut),
}

impl Answer {
    /// A body under its content type, delimited by its length.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            head: Head::Lines {
                status,
                headers: vec![("content-type".to_owned(), content_type.to_owned())],
            },
            body: vec![Piece::Bytes(body.into())],
            delimited: Delimited::Length,
            before_head: Vec::new(),
            marks: Vec::new(),
            between_pieces: Duration::ZERO,
            wire_cut: None,
            close_after: false,
        }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// An event stream, chunked, each of `events` a chunk and a write of its own, sent as it is
    /// (`data: …\n\n`).
    pub fn events<E: Into<Bytes>>(events: impl IntoIterator<Item = E>) -> Self {
        let mut answer = Self::new(200, "text/event-stream", Bytes::new());
        answer.body = events.into_iter().map(|event| Piece::Bytes(event.into())).collect();
        answer.delimited = Delimited::Chunked;
        answer
    }

    /// An error in OpenAI's shape; `code` may be empty for `null`.
    pub fn error(status: u16, kind: &str, code: &str, message: &str) -> Self {
        let code = if code.is_empty() { Value::Null } else { code.into() };
        Self::json(
            status,
            &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}),
        )
    }

    /// These bytes and nothing else, head and framing included; then FIN, unless
    /// [`keep_open`](Self::keep_open) follows. Offsets of the body count from its first byte.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        let mut answer = Self::new(0, "", bytes);
        answer.head = Head::Raw;
        answer.delimited = Delimited::AsGiven;
        answer.close_after = true;
        answer
    }

    /// Adds a header; one that frames the body (`content-length`, `transfer-encoding`) is sent as
    /// it is, true or not, and nothing else frames the body then.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if ["content-length", "transfer-encoding"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
            self.delimited = Delimited::AsGiven;
        }
        if let Head::Lines { headers, .. } = &mut self.head {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sends the body under chunked coding.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.delimited = Delimited::Chunked;
        self
    }

    /// Sends the body without length or coding: it ends when the connection does.
    #[must_use]
    pub fn until_close(mut self) -> Self {
        self.delimited = Delimited::ByClose;
        self.close_after = true;
        self
    }

    /// Cuts the body into pieces of `length` bytes: each is a write, and a chunk under chunked
    /// coding.
    #[must_use]
    pub fn in_pieces_of(self, length: usize) -> Self {
        let total = self.known_body().len();
        self.split_at((1..).map(|n| n * length).take_while(|at| *at < total))
    }

    /// Cuts the body at these ascending offsets.
    #[must_use]
    pub fn split_at(mut self, offsets: impl IntoIterator<Item = usize>) -> Self {
        let whole = self.known_body();
        let mut from = 0;
        self.body = offsets
            .into_iter()
            .chain([whole.len()])
            .map(|to| Piece::Bytes(whole.slice(std::mem::replace(&mut from, to)..to)))
            .collect();
        self
    }

    /// Puts `length` times `byte` at the end of the body, without holding them in memory.
    #[must_use]
    pub fn fill(mut self, byte: u8, length: u64) -> Self {
        self.body.push(Piece::Fill { byte, length });
        self
    }

    /// Puts these bytes at the end of the body, as a piece of their own.
    #[must_use]
    pub fn then(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body.push(Piece::Bytes(bytes.into()));
        self
    }

    /// Recodes the body with gzip and says so.
    #[must_use]
    pub fn gzipped(mut self) -> Self {
        self.body = vec![Piece::Bytes(gzip(&self.known_body()).into())];
        self.header("content-encoding", "gzip")
    }

    /// Waits before the first byte.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.before_head.push(Mark::Pause(pause));
        self
    }

    /// Waits at the gate before the first byte.
    #[must_use]
    pub fn held(mut self, gate: &Gate) -> Self {
        self.before_head.push(Mark::Hold(gate.clone()));
        self
    }

    /// Never sends a byte, until the client leaves.
    #[must_use]
    pub fn stalled(mut self) -> Self {
        self.before_head.push(Mark::Stall);
        self
    }

    /// Waits between the pieces of the body.
    #[must_use]
    pub fn spaced(mut self, pause: Duration) -> Self {
        self.between_pieces = pause;
        self
    }

    /// Waits after `offset` bytes of the body.
    #[must_use]
    pub fn pause_at(self, offset: u64, pause: Duration) -> Self {
        self.mark(offset, Mark::Pause(pause))
    }

    /// Waits at the gate after `offset` bytes of the body.
    #[must_use]
    pub fn hold_at(self, offset: u64, gate: &Gate) -> Self {
        self.mark(offset, Mark::Hold(gate.clone()))
    }

    /// Sends nothing more after `offset` bytes of the body, until the client leaves.
    #[must_use]
    pub fn stall_at(self, offset: u64) -> Self {
        self.mark(offset, Mark::Stall)
    }

    /// Cuts the connection after `offset` bytes of the body. A chunk that the cut falls into has
    /// announced its full length.
    #[must_use]
    pub fn cut_at(self, offset: u64, cut: Cut) -> Self {
        self.mark(offset, Mark::Cut(cut))
    }

    /// Cuts the connection after `offset` bytes of everything: head, framing, body.
    #[must_use]
    pub fn cut_wire_at(mut self, offset: u64, cut: Cut) -> Self {
        self.wire_cut = Some((offset, cut));
        self
    }

    /// Closes the connection after the answer without having said so.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.close_after = true;
        self
    }

    /// Keeps the connection after a [`raw`](Self::raw) answer.
    #[must_use]
    pub fn keep_open(mut self) -> Self {
        self.close_after = false;
        self
    }

    fn mark(mut self, offset: u64, mark: Mark) -> Self {
        self.marks.push((offset, mark));
        self.marks.sort_by_key(|(offset, _)| *offset);
        self
    }

    /// The body in one run; fills are for bodies that nothing recuts.
    fn known_body(&self) -> Bytes {
        let mut whole = Vec::new();
        for piece in &self.body {
            match piece {
                Piece::Bytes(bytes) => whole.extend_from_slice(bytes),
                Piece::Fill { .. } => panic!("a filled body cannot be cut or recoded"),
            }
        }
        whole.into()
    }
}
