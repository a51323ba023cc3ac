//! What a request asks for, found by searching its bytes.

use byok_testkit::wire::{self, ChunkDecoder, Framing};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answers::{self, Answer};

/// What to answer with.
#[derive(Debug)]
pub(crate) enum Wanted {
    Answer(&'static Answer),
    /// Timed events of a chat.
    Stream {
        events: Option<u32>,
        usage: bool,
    },
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
    let names = |part: &str| memmem::find(line, part.as_bytes()).is_some();
    let says = |name| field(body, name).is_some_and(|value| value.starts_with(b"true"));
    if names("/chat/completions") {
        if !says("stream") {
            return Wanted::Answer(&answers::CHAT);
        }
        let events = field(body, "max_tokens").and_then(number);
        return Wanted::Stream { events, usage: says("include_usage") };
    }
    Wanted::Answer(if names("/responses") {
        if says("stream") { &answers::RESPONSE_EVENTS } else { &answers::RESPONSE }
    } else if names("/messages") {
        if says("stream") { &answers::MESSAGE_EVENTS } else { &answers::MESSAGE }
    } else if names(":streamGenerateContent") {
        &answers::CONTENT_EVENTS
    } else if names(":generateContent") {
        &answers::CONTENT
    } else if names("/models") {
        &answers::MODELS
    } else {
        &answers::UNKNOWN
    })
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
        let stream = |body: &str| match wanted(head, body.as_bytes()) {
            Wanted::Stream { events, usage } => Some((events, usage)),
            Wanted::Answer(_) => None,
        };
        assert_eq!(stream(r#"{"model":"m"}"#), None);
        assert_eq!(stream(r#"{"stream":false}"#), None);
        assert_eq!(stream(r#"{"stream":true}"#), Some((None, false)));
        let asked = r#"{"max_tokens": 12, "stream": true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(stream(asked), Some((Some(12), true)));
    }

    #[test]
    fn each_path_has_an_answer_of_its_kind() {
        for (path, body, part) in [
            ("/v1/chat/completions", "{}", r#""object":"chat.completion""#),
            ("/v1/responses", "{}", r#""object":"response""#),
            ("/v1/responses", r#"{"stream":true}"#, "event: response.completed"),
            ("/v1/messages", "{}", r#""type":"message""#),
            ("/v1/messages", r#"{"stream":true}"#, "event: message_stop"),
            ("/v1beta/models/m:generateContent", "{}", "application/json"),
            ("/v1beta/models/m:streamGenerateContent", "{}", "text/event-stream"),
            ("/v1/models", "", r#""object":"list""#),
            ("/v1/other", "", "404 Not Found"),
        ] {
            let head = format!("POST {path} HTTP/1.1\r\n\r\n");
            let Wanted::Answer(answer) = wanted(head.as_bytes(), body.as_bytes()) else {
                panic!("a timed stream at {path}");
            };
            assert!(memmem::find(answer, part.as_bytes()).is_some(), "{path} {body}");
        }
    }
}
