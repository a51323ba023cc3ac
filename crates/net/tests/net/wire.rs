//! What goes on the wire and what comes off it.

use byok_net::{SendBody, SendError};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::support::{Fake, fetch, get, post, soon, text, trusted, upstream};

/// An upstream that reports each request and answers `ok`.
async fn recorder() -> (Fake, mpsc::UnboundedReceiver<(String, Vec<u8>)>) {
    let (tell, told) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut wire| {
        let tell = tell.clone();
        async move {
            while let Some(request) = wire.request().await {
                let _ = tell.send(request);
                wire.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    (fake, told)
}

#[tokio::test]
async fn the_request_line_is_in_origin_form_below_the_prefix_with_one_host() {
    let (fake, mut told) = recorder().await;
    let base = trusted(&format!("http://{}/openai/", fake.address));
    let mut request = get(&base, "/v1/models?limit=2");
    request.headers_mut().insert(header::HOST, "elsewhere.example".parse().expect("a value"));
    let answer = upstream().send(&base, request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let (head, _) = told.recv().await.expect("one request");
    assert!(head.starts_with("GET /openai/v1/models?limit=2 HTTP/1.1\r\n"), "{head}");
    let hosts: Vec<_> = head.lines().filter(|line| line.starts_with("host:")).collect();
    assert_eq!(hosts, [format!("host: {}", fake.address)]);
}

#[tokio::test]
async fn the_base_decides_the_destination_whatever_the_request_says() {
    let (fake, mut told) = recorder().await;
    let request = Request::get("http://192.0.2.1:9/v1/x").body(SendBody::Empty);
    let answer = upstream().send(&fake.base(), request.expect("a request")).await;
    assert!(answer.is_ok());
    let (head, _) = told.recv().await.expect("one request");
    assert!(head.contains(&format!("host: {}\r\n", fake.address)), "{head}");
}

#[tokio::test]
async fn framing_and_hop_by_hop_headers_of_the_caller_are_not_sent() {
    let (fake, mut told) = recorder().await;
    let base = fake.base();
    let mut request = post(&base, "/v1/x", SendBody::Full(Bytes::from_static(b"hello")));
    for (name, value) in [
        ("content-length", "9999"),
        ("transfer-encoding", "gzip, chunked"),
        ("connection", "close, x-private"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAA"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "keep-alive"),
        ("expect", "100-continue"),
        ("x-kept", "yes"),
    ] {
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    upstream().send(&base, request).await.expect("an answer");
    let (head, body) = told.recv().await.expect("one request");
    let mut lines: Vec<_> = head.lines().skip(1).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    let host = format!("host: {}", fake.address);
    assert_eq!(lines, ["content-length: 5", &host, "x-kept: yes"]);
    assert_eq!(body, b"hello");
}

#[tokio::test]
async fn a_post_without_a_body_says_so_and_a_stream_is_chunked() {
    let (fake, mut told) = recorder().await;
    let (base, upstream) = (fake.base(), upstream());
    upstream.send(&base, post(&base, "/a", SendBody::Empty)).await.expect("an answer");
    assert!(told.recv().await.expect("a request").0.contains("content-length: 0\r\n"));

    let pieces = ["one", "two"].map(|piece| Ok(http_body::Frame::data(Bytes::from(piece))));
    let stream = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
    let body = SendBody::stream::<_>(BodyExt::map_err(stream, |never: std::io::Error| never));
    upstream.send(&base, post(&base, "/b", body)).await.expect("an answer");
    let (head, body) = told.recv().await.expect("a request");
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert_eq!(body, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
}

#[tokio::test]
async fn hop_by_hop_headers_of_the_answer_are_removed() {
    let fake = Fake::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 7\r\nkeep-alive: x\r\n\
         connection: x-hop\r\nx-hop: 1\r\nx-kept: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    )
    .await;
    let base = fake.base();
    let answer = upstream().send(&base, get(&base, "/")).await.expect("an answer");
    let names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["x-kept"]);
    assert_eq!(text(answer).await.expect("a body"), "ok");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let canary = Fake::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        let target = canary.address;
        let fake = Fake::start(move |mut wire| async move {
            wire.head().await;
            let head = format!("HTTP/1.1 {status} Go\r\nlocation: http://{target}/\r\n");
            wire.write(&format!("{head}content-length: 0\r\n\r\n")).await;
        })
        .await;
        let base = fake.base();
        let answer = upstream().send(&base, get(&base, "/")).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn an_answer_cut_anywhere_is_an_error_and_never_a_clean_end() {
    const WHOLE: [&str; 2] = [
        "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n",
    ];
    let upstream = upstream();
    for whole in WHOLE {
        for cut in 0..whole.len() {
            let fake = Fake::start(move |mut wire| async move {
                wire.head().await;
                wire.write(&whole[..cut]).await;
            })
            .await;
            let base = fake.base();
            match soon("an end", upstream.send(&base, get(&base, "/"))).await {
                Ok(answer) => assert!(text(answer).await.is_err(), "cut at {cut} of {whole:?}"),
                Err(SendError::Broken(_)) => {}
                Err(other) => panic!("cut at {cut} of {whole:?}: {other:?}"),
            }
        }
        assert!(fetch(&upstream, &Fake::answering(whole).await.base()).await.is_ok());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_malformed() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
    for answer in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n", &huge, &many]
    {
        let answer: &'static str = answer.to_owned().leak();
        let fake = Fake::answering(answer).await;
        let base = fake.base();
        let sent = soon("an end", upstream().send(&base, get(&base, "/"))).await;
        assert!(matches!(sent, Err(SendError::Malformed(_))), "{:.40}", answer);
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let fake = Fake::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    assert_eq!(fetch(&upstream(), &fake.base()).await.expect("an answer"), "ok");
}

#[tokio::test]
async fn a_request_body_that_fails_is_the_callers_fault_and_ends_the_connection() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut wire| {
        let tell = tell.clone();
        async move {
            wire.closed().await;
            let _ = tell.send(());
        }
    })
    .await;
    let base = fake.base();
    let pieces = [
        Ok(http_body::Frame::data(Bytes::from_static(b"some"))),
        Err(std::io::Error::other("the client went away")),
    ];
    let stream = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
    let sent = upstream().send(&base, post(&base, "/", SendBody::stream(stream))).await;
    assert!(matches!(sent, Err(SendError::RequestBody(_))));
    soon("the close", told.recv()).await;
}
