//! Taking `Transfer-Encoding: chunked` off again, fed with whatever a read happened to return.

/// The bytes are not chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not chunked coding")]
pub struct BadChunk;

/// Undoes chunked coding piece by piece; one decoder a message.
#[derive(Clone, Debug, Default)]
pub struct ChunkDecoder {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    Trailer { empty: bool },
    TrailerLineFeed { empty: bool },
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

impl ChunkDecoder {
    /// Whether the last chunk and its trailer have been read.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Reads `input`, hands each run of content to `sink`, and answers how many bytes it used:
    /// fewer than there are only when the message ended before them.
    ///
    /// # Errors
    /// [`BadChunk`] when the bytes are not chunked coding.
    pub fn decode(&mut self, input: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < input.len() {
            if let State::Data { left } = self.state {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - at);
                sink(&input[at..at + take]);
                at += take;
                let left = left - take as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
                continue;
            }
            if self.is_done() {
                break;
            }
            self.state = self.state.after(input[at])?;
            at += 1;
        }
        Ok(at)
    }
}

impl State {
    fn after(self, byte: u8) -> Result<Self, BadChunk> {
        Ok(match (self, byte) {
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { digits: 0, .. }, _) => return Err(BadChunk),
            (Self::Size { size, .. } | Self::Extension { size }, b'\r') => {
                Self::SizeLineFeed { size }
            }
            (Self::Size { size, .. }, b';' | b' ') | (Self::Extension { size }, _) => {
                Self::Extension { size }
            }
            (Self::SizeLineFeed { size: 0 }, b'\n') => Self::Trailer { empty: true },
            (Self::SizeLineFeed { size }, b'\n') => Self::Data { left: size },
            (Self::DataReturn, b'\r') => Self::DataLineFeed,
            (Self::DataLineFeed, b'\n') => Self::default(),
            (Self::Trailer { empty }, b'\r') => Self::TrailerLineFeed { empty },
            (Self::Trailer { .. }, _) => Self::Trailer { empty: false },
            (Self::TrailerLineFeed { empty: true }, b'\n') => Self::Done,
            (Self::TrailerLineFeed { empty: false }, b'\n') => Self::Trailer { empty: true },
            _ => return Err(BadChunk),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"5;x=y\r\nhello\r\nA\r\n, worlds!!\r\n0\r\nTrailer: 1\r\n\r\n";

    #[test]
    fn content_comes_out_whole_wherever_the_reads_were_cut() {
        for cut in 0..MESSAGE.len() {
            let mut decoder = ChunkDecoder::default();
            let mut content = Vec::new();
            for part in [&MESSAGE[..cut], &MESSAGE[cut..]] {
                let used = decoder.decode(part, |run| content.extend_from_slice(run));
                assert_eq!(used, Ok(part.len()));
            }
            assert_eq!(content, b"hello, worlds!!", "cut at {cut}");
            assert!(decoder.is_done(), "cut at {cut}");
        }
    }

    #[test]
    fn bytes_after_the_message_are_left_alone() {
        let mut decoder = ChunkDecoder::default();
        assert_eq!(decoder.decode(b"0\r\n\r\nGET /", |_| {}), Ok(5));
        assert!(decoder.is_done());
    }

    #[test]
    fn what_is_not_chunked_coding_is_refused() {
        for bad in [&b"x\r\n"[..], b"\r\n", b"3\r\nabcd", b"1ffffffffffffffff\r\n", b"-1\r\n"] {
            let mut decoder = ChunkDecoder::default();
            assert_eq!(decoder.decode(bad, |_| {}), Err(BadChunk), "{bad:?}");
        }
    }
}
