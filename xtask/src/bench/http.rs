//! One request on a connection of its own: all that setting a server up takes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

pub(super) fn get(address: SocketAddr, path: &str, headers: &[String]) -> io::Result<Answer> {
    exchange(address, "GET", path, headers, "")
}

pub(super) fn post(
    address: SocketAddr,
    path: &str,
    headers: &[String],
    body: &Value,
) -> io::Result<Answer> {
    exchange(address, "POST", path, headers, &body.to_string())
}

pub(super) fn put(
    address: SocketAddr,
    path: &str,
    headers: &[String],
    body: &Value,
) -> io::Result<Answer> {
    exchange(address, "PUT", path, headers, &body.to_string())
}

/// As JSON when the status is a success, else an error that shows the answer.
pub(super) fn json(what: &str, answer: io::Result<Answer>) -> Result<Value, String> {
    let answer = answer.map_err(|e| format!("{what}: {e}"))?;
    if !(200..300).contains(&answer.status) {
        return Err(format!("{what}: {} {}", answer.status, answer.body));
    }
    serde_json::from_str(&answer.body).map_err(|e| format!("{what}: {e} in {}", answer.body))
}

fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        let length = body.len();
        request
            .push_str(&format!("content-type: application/json\r\ncontent-length: {length}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other(format!("not an HTTP answer: {answer:?}")))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.get(9..12)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let body = if chunked { dechunk(body)? } else { body.to_owned() };
    Some(Answer { status, body })
}

fn dechunk(mut coded: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = coded.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        coded = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_either_framing() {
        let plain =
            parse("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi").expect("an answer");
        assert_eq!((plain.status, plain.body.as_str()), (201, "hi"));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).expect("an answer").body, "hello");
        assert!(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhe").is_none());
        assert!(parse("nonsense").is_none());
    }
}
