//! HTTP that is none, or is meant to be read in two ways: the provider sees the requests that were
//! let in, and no other.

use std::io::{Read, Write};

use crate::support::{chat, serving};

#[test]
fn a_request_that_two_readers_would_read_differently_is_refused_or_read_in_one_way() {
    let (provider, server) = serving();
    let key = &server.keys.secret;
    let inner = format!(
        "GET /v1/smuggled HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-byo-ref-id: customer\r\n\r\n"
    );
    let body = chat().to_string();
    let head = |framing: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             x-byo-ref-id: customer\r\ncontent-type: application/json\r\n{framing}\r\n"
        )
    };
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = body.len();
    for (name, request) in [
        (
            "length and chunked",
            format!(
                "{}{chunk}{inner}",
                head(&format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"))
            ),
        ),
        (
            "chunked and length",
            format!(
                "{}{chunk}{inner}",
                head("transfer-encoding: chunked\r\ncontent-length: 4\r\n")
            ),
        ),
        (
            "two lengths",
            format!(
                "{}{body}{inner}",
                head(&format!("content-length: {length}\r\ncontent-length: {}\r\n", length + 1))
            ),
        ),
        (
            "a length with a sign",
            format!("{}{body}{inner}", head(&format!("content-length: +{length}\r\n"))),
        ),
        (
            "a length in hex",
            format!("{}{body}{inner}", head(&format!("content-length: 0x{length:x}\r\n"))),
        ),
        ("a negative length", format!("{}{body}{inner}", head("content-length: -1\r\n"))),
        (
            "a list of lengths",
            format!("{}{body}{inner}", head(&format!("content-length: {length}, {length}\r\n"))),
        ),
        ("an unknown coding", format!("{}{chunk}{inner}", head("transfer-encoding: xchunked\r\n"))),
        (
            "a coding in disguise",
            format!(
                "{}{chunk}{inner}",
                head("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")
            ),
        ),
        (
            "a space before the colon",
            format!("{}{chunk}{inner}", head("transfer-encoding : chunked\r\n")),
        ),
        (
            "a folded header",
            format!("{}{chunk}{inner}", head("transfer-encoding:\r\n chunked\r\n")),
        ),
        ("a vertical tab", format!("{}{chunk}{inner}", head("transfer-encoding: \x0bchunked\r\n"))),
        ("a NUL", format!("{}{body}{inner}", head("x-a: a\0b\r\n"))),
        (
            "a lone carriage return",
            format!("{}{body}{inner}", head("x-a: a\rtransfer-encoding: chunked\r\n")),
        ),
        ("a bad chunk size", format!("{}{body}{inner}", head("transfer-encoding: chunked\r\n"))),
        (
            "an endless chunk size",
            format!(
                "{}{}\r\n{body}{inner}",
                head("transfer-encoding: chunked\r\n"),
                "f".repeat(40)
            ),
        ),
        (
            "a chunk without its end",
            format!(
                "{}{length:x}\r\n{body}0\r\n\r\n{inner}",
                head("transfer-encoding: chunked\r\n")
            ),
        ),
        (
            "chunks in HTTP/1.0",
            format!(
                "{}{chunk}{inner}",
                head("transfer-encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0")
            ),
        ),
        ("no length at all", format!("{}{body}", head(""))),
    ] {
        provider.take_requests();
        let answer = server.raw(request.as_bytes());
        let seen = provider.take_requests();
        // Whatever was made of it: the call as it stood, or none. The request inside it is one of
        // its own only where the framing says so for everybody.
        for seen in &seen {
            let call = seen.path() == "/v1/chat/completions" && seen.body == body.as_bytes();
            let next = seen.path() == "/v1/smuggled"
                && ["length and chunked", "chunked and length"].contains(&name);
            assert!(
                call || next,
                "{name}: {} {:?}",
                seen.target,
                String::from_utf8_lossy(&seen.body)
            );
            assert_eq!(
                seen.headers()
                    .iter()
                    .filter(|(n, _)| n.eq_ignore_ascii_case("content-length"))
                    .count()
                    + seen
                        .headers()
                        .iter()
                        .filter(|(n, _)| n.eq_ignore_ascii_case("transfer-encoding"))
                        .count(),
                usize::from(call),
                "{name}"
            );
        }
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{name}");
    }
    server.still_serves("customer");
}

#[test]
fn too_much_head_is_refused() {
    let (provider, server) = serving();
    provider.take_requests();
    let key = &server.keys.secret;
    for lines in ["x-a: b\r\n".repeat(5000), format!("x-a: {}\r\n", "b".repeat(1 << 20))] {
        let request = format!(
            "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-byo-ref-id: customer\r\n{lines}\r\n"
        );
        let answer = String::from_utf8_lossy(&server.raw(request.as_bytes())).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:.80}");
    }
    let long = format!("/v1/models/{}", "a".repeat(200_000));
    let reply = server.raw(format!("GET {long} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{reply:.80}");
    assert_eq!(provider.requests().len(), 0);
    server.still_serves("customer");
}

#[test]
fn what_speaks_no_http_is_sent_away() {
    let (_provider, server) = serving();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-client\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\xff\xfe: a\r\n\r\n",
    ] {
        let mut stream = server.get("/").dial();
        stream.write_all(bytes).expect("it reads");
        // Some of it may be the beginning of a request; that is all it will ever be.
        stream.shutdown(std::net::Shutdown::Write).expect("a socket");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty()
                || answer.starts_with(b"HTTP/1.1 4")
                || !answer.starts_with(b"HTTP/1.1 2"),
            "{bytes:?}"
        );
    }
    server.still_serves("customer");
}

#[test]
fn calls_follow_one_another_on_a_connection() {
    let (provider, server) = serving();
    provider.take_requests();
    let key = &server.keys.secret;
    let body = chat().to_string();
    let one = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-byo-ref-id: customer\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let missing =
        format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
    let last = one.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    // A refusal in between, whose body nobody had to read, does not end the connection.
    let answers = server.raw([one.as_str(), &one, &missing, &one, &last].concat().as_bytes());
    let answers = String::from_utf8_lossy(&answers).into_owned();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 400 ").count(), 1, "{answers}");
    assert_eq!(provider.requests().len(), 4);
    let connections: std::collections::HashSet<u64> =
        provider.requests().iter().map(|seen| seen.connection).collect();
    assert!(connections.len() <= 2, "the provider's connection is kept: {connections:?}");
}
