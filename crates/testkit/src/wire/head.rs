//! The head of a message: where it ends, what it says about its body.

use memchr::{memchr, memmem};

/// How the body after a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Neither length nor transfer coding: a request has no body, an answer ends with its connection.
    None,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// Bytes of the head at the start of `buffer`, its blank line included; `None` until that is there.
pub fn head_length(buffer: &[u8]) -> Option<usize> {
    memmem::find(buffer, b"\r\n\r\n").map(|at| at + 4)
}

/// The lines of a head after its first as (name, value), spelt and ordered as they arrived.
pub fn header_lines(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(head).skip(1).filter_map(|line| {
        let colon = memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// The first value of a header, its name compared without case.
pub fn header_value<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    header_lines(head).find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
}

/// What the head says about its body; a transfer coding wins over a length, as RFC 9112 has it.
pub fn framing(head: &[u8]) -> Framing {
    let mut found = Framing::None;
    for (name, value) in header_lines(head) {
        // Most headers are told apart by their length alone.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                found = length.map_or(found, Framing::Length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => return Framing::Chunked,
            _ => {}
        }
    }
    found
}

/// Whether the sender of this head keeps the connection for another message.
pub fn keeps_alive(head: &[u8]) -> bool {
    let first = lines(head).next().unwrap_or_default();
    let connection = header_value(head, "connection").unwrap_or_default();
    if connection.eq_ignore_ascii_case(b"close") {
        return false;
    }
    let old = memmem::find(first, b"HTTP/1.0").is_some();
    !old || connection.eq_ignore_ascii_case(b"keep-alive")
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        (!line.is_empty()).then_some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_its_blank_line() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(head_length(b"GET / HTTP/1.1\r\n\r\nbody"), Some(18));
    }

    #[test]
    fn framing_is_read_whatever_the_spelling() {
        let cases: [(&[u8], Framing); 5] = [
            (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None),
            (b"POST / HTTP/1.1\r\ncontent-LENGTH:12\r\n\r\n", Framing::Length(12)),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked),
            (
                b"POST / HTTP/1.1\r\nContent-Length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
                Framing::Chunked,
            ),
            (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", Framing::None),
        ];
        for (head, expected) in cases {
            assert_eq!(framing(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn connections_are_kept_as_the_version_says_unless_a_header_says_otherwise() {
        assert!(keeps_alive(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!keeps_alive(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert!(!keeps_alive(b"GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps_alive(b"GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n"));
    }
}
