//! What a request asks for, found by searching its bytes.

use byok_testkit::wire::{self, ChunkDecoder, Framing};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to answer with.
#[derive(Debug)]
pub(crate) enum Wanted {
    Chat,
    Stream { events: Option<u32>, usage: bool },
    Models,
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wanted: Wanted,
    pub(crate) keeps_alive: bool,
}

/// The next request of a connection; `None` when there is none.
pub(crate) async fn read(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> std::io::Result<Option<Request>> {
    let head = loop {
        if let Some(length) = wire::head_length(buffer) {
            break length;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let framing = wire::framing(&buffer[..head]);
    let keeps_alive = wire::keeps_alive(&buffer[..head]);
    if wire::header_value(&buffer[..head], "expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut decoded = Vec::new();
    let end = match framing {
        Framing::None => head,
        Framing::Length(length) => {
            let end = head + usize::try_from(length).map_err(std::io::Error::other)?;
            while buffer.len() < end {
                more(stream, buffer).await?;
            }
            end
        }
        Framing::Chunked => {
            let mut decoder = ChunkDecoder::default();
            let mut at = head;
            loop {
                at += decoder
                    .decode(&buffer[at..], |run| decoded.extend_from_slice(run))
                    .map_err(std::io::Error::other)?;
                if decoder.is_done() {
                    break at;
                }
                more(stream, buffer).await?;
            }
        }
    };
    let body = if framing == Framing::Chunked { &decoded } else { &buffer[head..end] };
    let wanted = wanted(&buffer[..head], body);
    buffer.advance(end);
    Ok(Some(Request { wanted, keeps_alive }))
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> std::io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn wanted(head: &[u8], body: &[u8]) -> Wanted {
    let line = &head[..memchr::memchr(b'\r', head).unwrap_or(head.len())];
    if memmem::find(line, b"/chat/completions").is_some() {
        if !field(body, "stream").is_some_and(|value| value.starts_with(b"true")) {
            return Wanted::Chat;
        }
        let events = field(body, "max_tokens").and_then(number);
        let usage = field(body, "include_usage").is_some_and(|value| value.starts_with(b"true"));
        return Wanted::Stream { events, usage };
    }
    if memmem::find(line, b"/models").is_some() { Wanted::Models } else { Wanted::Unknown }
}

/// What follows `"name":`; good enough for the load tools' own requests, which hold no such text
/// in a prompt.
fn field<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let quoted = format!("\"{name}\"");
    let after = &body[memmem::find(body, quoted.as_bytes())? + quoted.len()..];
    after.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start)
}

fn number(value: &[u8]) -> Option<u32> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_is_wanted() {
        let head = b"POST /v1/chat/completions HTTP/1.1\r\n\r\n";
        let of = |body: &str| format!("{:?}", wanted(head, body.as_bytes()));
        assert_eq!(of(r#"{"model":"m"}"#), "Chat");
        assert_eq!(of(r#"{"stream":false}"#), "Chat");
        assert_eq!(of(r#"{"stream":true}"#), "Stream { events: None, usage: false }");
        assert_eq!(
            of(r#"{"max_tokens": 12, "stream": true,"stream_options":{"include_usage":true}}"#),
            "Stream { events: Some(12), usage: true }"
        );
        assert!(matches!(wanted(b"GET /v1/models HTTP/1.1\r\n\r\n", b""), Wanted::Models));
        assert!(matches!(wanted(b"GET /v1/other HTTP/1.1\r\n\r\n", b""), Wanted::Unknown));
    }
}
