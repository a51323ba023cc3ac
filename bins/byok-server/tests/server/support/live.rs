//! An answer that is being read.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use byok_testkit::wire::{ChunkDecoder, Framing, framing, head_length};
use socket2::SockRef;

use super::Reply;

/// An answer whose head is here.
pub(crate) struct Live {
    stream: TcpStream,
    head: Vec<u8>,
    framing: Framing,
    decoder: ChunkDecoder,
    /// Read from the socket and not yet taken apart.
    raw: Vec<u8>,
    /// Content so far, in bytes.
    length: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    Whole,
    Broken,
}

impl Live {
    /// Reads a head; panics when the connection ends before it does.
    pub(crate) fn read(stream: TcpStream) -> Self {
        Self::try_read(stream).expect("an answer with a head")
    }

    /// Reads a head; `None` when the connection ends without one.
    pub(crate) fn try_read(mut stream: TcpStream) -> Option<Self> {
        let mut raw = Vec::new();
        let length = loop {
            if let Some(length) = head_length(&raw) {
                // `100 Continue` and its kin are not the answer.
                if !raw.starts_with(b"HTTP/1.1 1") {
                    break length;
                }
                raw.drain(..length);
                continue;
            }
            let mut piece = [0; 16 << 10];
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(read) => raw.extend_from_slice(&piece[..read]),
            }
        };
        let rest = raw.split_off(length);
        let framing = framing(&raw);
        let mut live = Self {
            stream,
            head: raw,
            framing,
            decoder: ChunkDecoder::default(),
            raw: rest,
            length: 0,
            state: State::Flowing,
        };
        if framing == Framing::Length(0) || matches!(live.status(), 204 | 304) {
            live.state = State::Whole;
        }
        Some(live)
    }

    pub(crate) fn status(&self) -> u16 {
        String::from_utf8_lossy(&self.head[9..12]).parse().expect("a status line")
    }

    /// The next piece of content; `None` when there is no more, whether whole or broken.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = vec![0; 256 << 10];
        while self.state == State::Flowing {
            let raw = if self.raw.is_empty() {
                match self.stream.read(&mut piece) {
                    Ok(0) => {
                        let until_close = self.framing == Framing::None;
                        self.state = if until_close { State::Whole } else { State::Broken };
                        break;
                    }
                    Err(_) => {
                        self.state = State::Broken;
                        break;
                    }
                    Ok(read) => piece[..read].to_vec(),
                }
            } else {
                std::mem::take(&mut self.raw)
            };
            let content = self.content(raw);
            self.length += content.len() as u64;
            if !content.is_empty() {
                return Some(content);
            }
        }
        None
    }

    fn content(&mut self, raw: Vec<u8>) -> Vec<u8> {
        match self.framing {
            Framing::None => raw,
            Framing::Length(length) => {
                let content = self.length + raw.len() as u64;
                assert!(content <= length, "the body is longer than it said");
                if content == length {
                    self.state = State::Whole;
                }
                raw
            }
            Framing::Chunked => {
                let mut content = Vec::new();
                let used = self.decoder.decode(&raw, |run| content.extend_from_slice(run));
                assert_eq!(used, Ok(raw.len()), "chunked coding, and nothing after it");
                if self.decoder.is_done() {
                    self.state = State::Whole;
                }
                content
            }
        }
    }

    /// Reads until the content so far ends in `end`; panics when the answer ends before that.
    pub(crate) fn until(&mut self, end: &str) -> Vec<u8> {
        let mut content = Vec::new();
        while !content.ends_with(end.as_bytes()) {
            let piece = self.next();
            let piece = piece
                .unwrap_or_else(|| panic!("no {end:?} in {:?}", String::from_utf8_lossy(&content)));
            content.extend_from_slice(&piece);
        }
        content
    }

    /// Reads all there is.
    pub(crate) fn rest(mut self) -> Reply {
        let mut body = Vec::new();
        while let Some(piece) = self.next() {
            body.extend_from_slice(&piece);
        }
        Reply::new(self.head.clone(), body, self.state == State::Whole)
    }

    /// Reads all there is and keeps nothing: how many bytes, and whether that was all.
    pub(crate) fn drain(mut self) -> (u64, bool) {
        while self.next().is_some() {}
        (self.length, self.state == State::Whole)
    }

    /// Leaves as a closed program does: FIN, and whatever still comes is answered by RST.
    pub(crate) fn leave(self) {
        drop(self);
    }

    /// Leaves by RST.
    pub(crate) fn reset(self) {
        let linger = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        linger.expect("a socket");
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) fn close_sending_side(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
    }
}
