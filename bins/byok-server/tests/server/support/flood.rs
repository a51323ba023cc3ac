//! A body that does not end.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Server;

/// Sends `head`, then `start` and up to `most` bytes more, chunked, for as long as the server
/// takes them. Answers the status, if any came, and how many bytes were taken.
pub(crate) fn flood(
    server: &Server,
    head: &str,
    start: &[u8],
    most: usize,
) -> (Option<u16>, usize) {
    let mut stream = server.get("/").dial();
    let head = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", start.len());
    let mut taken = 0;
    let chunk = [b"\r\n10000\r\n".as_slice(), &[b'x'; 1 << 16]].concat();
    let sent = stream.write_all(&[head.as_bytes(), start].concat()).is_ok();
    while sent && taken < most && !has_answer(&stream) && stream.write_all(&chunk).is_ok() {
        taken += 1 << 16;
    }
    let mut answer = [0; 12];
    let status = stream
        .read_exact(&mut answer)
        .ok()
        .and_then(|()| String::from_utf8_lossy(&answer[9..]).parse().ok());
    (status, taken)
}

fn has_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let seen = stream.peek(&mut [0]).is_ok_and(|read| read > 0);
    stream.set_nonblocking(false).expect("a socket");
    seen
}
