//! The provider against a client that is a bare socket: what it writes is what counts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::wire::{self, ChunkDecoder, Framing};

const SOON: Duration = Duration::from_secs(5);

fn provider() -> FakeProvider {
    FakeProvider::start().expect("a loopback port is free")
}

fn connect(provider: &FakeProvider) -> TcpStream {
    let stream = TcpStream::connect(provider.address()).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a time-out above zero");
    stream
}

fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nauthorization: Bearer sk-one\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends bytes on a connection of its own and reads until the other side closes.
fn exchange(provider: &FakeProvider, bytes: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(provider);
    stream.write_all(bytes.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map(|_| answer)
}

/// Sends a request that closes after its answer; the status and the body without its framing.
fn ask(provider: &FakeProvider, request: &str) -> (u16, Vec<u8>) {
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let answer = exchange(provider, &request).expect("it answers");
    let length = wire::head_length(&answer).expect("it has a head");
    let (head, rest) = answer.split_at(length);
    let status = String::from_utf8_lossy(&head[9..12]).parse().expect("a status");
    let body = match wire::framing(head) {
        Framing::Chunked => {
            let mut body = Vec::new();
            let mut decoder = ChunkDecoder::default();
            decoder.decode(rest, |run| body.extend_from_slice(run)).expect("chunked coding");
            assert!(decoder.is_done());
            body
        }
        Framing::Length(length) => {
            assert_eq!(length, rest.len() as u64);
            rest.to_vec()
        }
        Framing::None => rest.to_vec(),
    };
    (status, body)
}

fn eventually(provider: &FakeProvider, condition: impl Fn(&FakeProvider) -> bool) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(provider.eventually(SOON, condition))
}

#[test]
fn every_default_answer_has_the_shape_its_sdk_reads() {
    let provider = provider();
    let json = |path: &str, body: &Value| {
        let (status, body) = ask(&provider, &post(path, body));
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice::<Value>(&body).expect("it is JSON")
    };
    let chat = json("/v1/chat/completions", &json!({"model": "gpt-x", "messages": []}));
    assert_eq!(chat["usage"]["total_tokens"], PROMPT_TOKENS + COMPLETION_TOKENS);
    assert_eq!(chat["model"], "gpt-x");
    let answer = json("/v1/responses", &json!({"model": "gpt-x"}));
    assert_eq!(answer["usage"]["output_tokens"], COMPLETION_TOKENS);
    let vectors =
        json("/v1/embeddings", &json!({"input": ["a", "b"], "encoding_format": "base64"}));
    assert_eq!(vectors["data"][1]["embedding"], "AAAAAAAAAD8AAAC/AACAPw==");
    let (_, models) = ask(&provider, "GET /v1/models HTTP/1.1\r\n\r\n");
    assert!(String::from_utf8_lossy(&models).contains("gpt-4o-mini"));
    let form =
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n";
    let request = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (_, text) = ask(&provider, &request);
    let text: Value = serde_json::from_slice(&text).expect("it is JSON");
    assert_eq!(text["usage"], json!({"type": "duration", "seconds": 9}));
    let first = json("/v1/files", &json!({}))["id"].clone();
    assert_ne!(first, json("/v1/files", &json!({}))["id"]);
    assert_eq!(ask(&provider, "GET /v1/nowhere HTTP/1.1\r\n\r\n").0, 404);
}

#[test]
fn a_stream_carries_usage_only_when_it_was_asked_for() {
    let provider = provider();
    for (include, nulls, usages) in [(false, 0, 0), (true, 4, 1)] {
        let body = json!({"stream": true, "stream_options": {"include_usage": include}});
        let (_, stream) = ask(&provider, &post("/v1/chat/completions", &body));
        let stream = String::from_utf8(stream).expect("UTF-8");
        assert!(stream.ends_with("data: [DONE]\n\n"));
        assert_eq!(stream.matches(r#""usage":null"#).count(), nulls);
        assert_eq!(stream.matches("total_tokens").count(), usages);
    }
    let (_, stream) = ask(&provider, &post("/v1/responses", &json!({"stream": true})));
    let stream = String::from_utf8(stream).expect("UTF-8");
    assert!(stream.contains("event: response.completed\ndata: {"));
}

#[test]
fn requests_are_kept_as_they_arrived() {
    let provider = provider();
    let head = "POST /v1/chat/completions?a=%2F&b HTTP/1.1\r\nHOST: x\r\nX-Odd:  two\r\nx-odd: three\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    exchange(&provider, &format!("{head}2\r\n{{}}\r\n0\r\n\r\nGET /x HTTP/1.0\r\n\r\n"))
        .expect("it answers both");
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    let first = &requests[0];
    assert_eq!(first.head, head);
    assert_eq!((first.method.as_str(), first.path()), ("POST", "/v1/chat/completions"));
    assert_eq!(first.target, "/v1/chat/completions?a=%2F&b");
    assert_eq!(first.framing, Framing::Chunked);
    assert_eq!(first.body, "{}");
    assert_eq!(first.headers()[1], ("X-Odd".to_owned(), "two".to_owned()));
    assert_eq!(first.connection, requests[1].connection);
}

#[test]
fn keys_are_checked_once_they_are_named() {
    let provider = provider();
    let request = post("/v1/chat/completions", &json!({}));
    assert_eq!(ask(&provider, &request).0, 200);
    provider.accept_only(["sk-two"]);
    let (status, body) = ask(&provider, &request);
    assert_eq!(status, 401);
    assert!(String::from_utf8_lossy(&body).contains("invalid_api_key"));
    assert_eq!(ask(&provider, &request.replace("sk-one", "sk-two")).0, 200);
    provider.answer_next(Answer::rate_limited(2));
    assert_eq!(ask(&provider, &request).0, 429);
    provider.behave();
    assert_eq!(ask(&provider, &request).0, 200);
}

#[test]
fn the_latest_rule_for_a_path_answers() {
    let provider = provider();
    provider.answer_at("", Answer::overloaded());
    provider.answer_at("/chat/completions", Answer::redirect(307, "http://127.0.0.1/"));
    provider.answer_with("/embeddings", echoing_authorization);
    assert_eq!(ask(&provider, &post("/v1/chat/completions?x", &json!({}))).0, 307);
    assert_eq!(ask(&provider, "GET /v1/models HTTP/1.1\r\n\r\n").0, 503);
    let (_, echoed) = ask(&provider, &post("/v1/embeddings", &json!({})));
    assert!(String::from_utf8_lossy(&echoed).contains("Bearer sk-one"));
}

#[test]
fn a_cut_is_the_one_that_was_asked_for() {
    let provider = provider();
    let request = post("/v1/chat/completions", &json!({"stream": true}));
    provider.answer_at("", Answer::new(200, "text/plain", "0123456789").cut_at(4, Cut::Finish));
    let answer = exchange(&provider, &request).expect("a FIN is a clean end to a socket");
    assert!(answer.ends_with(b"\r\n\r\n0123"));
    provider.answer_at("", Answer::new(200, "text/plain", "0123456789").cut_at(4, Cut::Reset));
    let error = exchange(&provider, &request).expect_err("an RST is an error");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(provider.endings(), [Ending::Cut(Cut::Finish), Ending::Cut(Cut::Reset)]);
}

#[test]
fn what_was_sent_before_a_reset_still_arrives() {
    let provider = provider();
    provider.answer_at("", Answer::new(200, "text/plain", "0123456789").cut_at(4, Cut::Reset));
    for _ in 0..50 {
        let mut stream = connect(&provider);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it reads");
        let mut answer = Vec::new();
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte) {
            answer.push(byte[0]);
        }
        assert!(answer.ends_with(b"0123"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn a_client_that_leaves_mid_answer_is_noticed() {
    let provider = provider();
    provider.answer_at("", Answer::new(200, "text/plain", "0123456789").stall_at(4));
    let mut stream = connect(&provider);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it reads");
    let mut seen = Vec::new();
    while !seen.ends_with(b"0123") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("it sends"), 1);
        seen.push(byte[0]);
    }
    assert_eq!((provider.open_connections(), provider.clients_left()), (1, 0));
    drop(stream);
    assert!(eventually(&provider, |p| p.clients_left() == 1 && p.open_connections() == 0));
    assert_eq!(provider.endings(), [Ending::ClientLeft { after_bytes: seen.len() as u64 }]);
}

#[test]
fn an_answer_waits_at_its_gate() {
    let provider = provider();
    let gate = Gate::new();
    provider.answer_at("", Answer::new(200, "text/plain", "0123456789").hold_at(4, &gate));
    let mut stream = connect(&provider);
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").expect("it reads");
    assert!(eventually(&provider, |p| p.requests().len() == 1));
    assert!(provider.endings().is_empty());
    gate.open();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it ends");
    assert!(answer.ends_with("0123456789"));
}

#[test]
fn a_request_that_breaks_off_is_kept_apart() {
    let provider = provider();
    let mut stream = connect(&provider);
    stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n123").expect("it reads");
    drop(stream);
    assert!(eventually(&provider, |p| p.broken_requests().len() == 1));
    assert_eq!(provider.broken_requests()[0].body, "123");
    assert!(provider.requests().is_empty());
}

#[test]
fn a_hundred_megabytes_on_one_line_are_sent_to_the_last_byte() {
    let provider = provider();
    provider.answer_at("/long", Answer::long_json(100 << 20));
    let (status, body) = ask(&provider, "GET /long HTTP/1.1\r\n\r\n");
    assert_eq!(status, 200);
    assert!(body.len() > 100 << 20);
    assert!(body.ends_with(b"}}"));
}

#[test]
fn a_slow_reader_holds_its_sender_back() {
    let provider = provider();
    provider.read_slowly(Some(64 << 10));
    let mut stream = connect(&provider);
    stream.set_nonblocking(true).expect("a socket");
    stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n").expect("it fits");
    let block = vec![0; 64 << 10];
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < Duration::from_millis(300) {
        sent += stream.write(&block).unwrap_or(0);
    }
    assert!(sent < 20 << 20, "{sent} bytes were taken in 300 ms");
}

#[test]
fn dropping_it_closes_the_port_and_every_connection() {
    let provider = provider();
    let address = provider.address();
    let mut stream = connect(&provider);
    stream.write_all(b"GET /v1/models HTTP/1.1\r\n\r\n").expect("it reads");
    assert!(eventually(&provider, |p| p.endings().len() == 1));
    drop(provider);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an end of file");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn every_table_of_faults_is_served_as_written() {
    let provider = provider();
    for (name, answer) in malformed() {
        provider.answer_next(answer);
        let got = exchange(&provider, "GET / HTTP/1.1\r\n\r\n").expect("it closes cleanly");
        assert_eq!(got.is_empty(), name == "a closed connection", "{name}");
    }
    for (name, answer) in failures_with_status_200() {
        provider.answer_next(answer);
        assert_eq!(ask(&provider, "GET / HTTP/1.1\r\n\r\n").0, 200, "{name}");
    }
}
