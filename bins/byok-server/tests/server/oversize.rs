//! More than fits: bodies over the limit, answers of a hundred megabytes. Nothing of that size is held.

use std::io::Write;
use std::time::Duration;

use byok_testkit::fake_provider::Answer;
use serde_json::json;

use crate::support::{
    KEY, Launch, Live, chat, failed, flood, form, is, provider, refused, serving, streamed_chat,
};

#[test]
fn a_body_over_the_limit_is_refused_unread_however_it_is_announced() {
    let provider = provider();
    let server = Launch::quickstart(&provider).with("BYO_MAX_BODY", "1MiB").start();
    server.connect("customer", KEY);
    provider.take_requests();
    let before = server.peak_memory();
    let paths = [
        ("/v1/chat/completions", "application/json"),
        ("/v1/files", form::TYPE),
        ("/v1/audio/transcriptions", form::TYPE),
        ("/v1/brand/new", "application/octet-stream"),
        ("/proxy/openai/chat/completions", "application/json"),
        ("/proxy/openai/audio/transcriptions", form::TYPE),
        ("/keys/connect", "application/json"),
    ];
    for (path, content_type) in paths {
        let head = server.post(path).by("customer").header("content-type", content_type).head();
        // A gigabyte announced, none of it sent: the refusal does not wait for it.
        let announced = format!("{head}content-length: 1073741824\r\n\r\n");
        let answer = String::from_utf8_lossy(&server.raw(announced.as_bytes())).into_owned();
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.contains("\"body_too_large\""),
            "{path}: {answer}"
        );

        // Chunked, and with no end in sight: 64 MB are offered.
        let start = match content_type {
            form::TYPE => [form::field("refId", "customer"), form::file("file", "a", b"")].concat(),
            _ => b"{\"refId\":\"customer\",\"a\":\"".to_vec(),
        };
        let (status, taken) = flood(&server, &head, &start, 64 << 20);
        assert_eq!(status, Some(413), "{path}");
        assert!(taken < 16 << 20, "{path} took {taken} bytes");
    }
    let grown = server.peak_memory().saturating_sub(before);
    // Of half a gigabyte that was offered; the allocator keeps a part of what passed.
    assert!(grown < 80 << 20, "memory grew by {} MB", grown >> 20);
    assert!(provider.requests().iter().all(|seen| seen.body.len() <= 1 << 20));
    server.still_serves("customer");
    // At the limit it still passes.
    let mut payload = chat();
    let rest = (1 << 20) - payload.to_string().len() - ",\"pad\":\"\"".len();
    payload["pad"] = "x".repeat(rest).into();
    assert_eq!(payload.to_string().len(), 1 << 20);
    server.chat("customer", &payload).send().answered();
    payload["pad"] = "x".repeat(rest + 1).into();
    assert_eq!(refused(&server.chat("customer", &payload)), is(413, "body_too_large"));
}

#[test]
fn a_hundred_megabytes_in_one_line_pass_without_being_held() {
    let (provider, server) = serving();
    let before = server.memory_now();
    let length = 100 << 20;
    for (name, answer, asked) in [
        ("event", Answer::long_event(length), server.chat("customer", &streamed_chat())),
        ("document", Answer::long_json(length), server.chat("customer", &chat())),
        (
            "envelope",
            Answer::long_json(length),
            server.envelope("chat/completions", "customer", &chat()),
        ),
    ] {
        provider.answer_next(answer);
        let live = asked.open();
        let (passed, whole) = live.drain();
        assert!(whole && passed > length, "{name}: {passed}");
        let grown = server.peak_memory().saturating_sub(before);
        assert!(grown < 64 << 20, "{name}: memory grew by {} MB", grown >> 20);
    }
    let row = &server.calls("customer")[0];
    assert_eq!(row["totalTokens"], 18, "the usage at its very end was read: {row}");
    server.still_serves("customer");
}

#[test]
fn a_refusal_of_a_hundred_megabytes_is_cut_short() {
    let (provider, server) = serving();
    let before = server.memory_now();
    for status in [400, 401, 500] {
        provider.answer_next(Answer::new(status, "text/html", "<html>").fill(b'x', 100 << 20));
        let reply = server.chat("customer", &chat()).send();
        assert!(reply.whole && reply.status == status, "{}", reply.status);
        assert!(reply.body.len() <= 1 << 20, "{}", reply.body.len());
    }
    provider.answer_next(Answer::new(200, "text/html", "<html>").fill(b'x', 100 << 20));
    assert!(server.envelope("responses", "customer", &chat()).send().body.len() <= 2 << 20);
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < 64 << 20, "memory grew by {} MB", grown >> 20);
    server.still_serves("customer");
}

#[test]
fn an_upload_waits_for_a_provider_that_does_not_read_and_not_for_ever() {
    let provider = provider();
    let server =
        Launch::quickstart(&provider).with("BYO_FIRST_BYTE_TIMEOUT_SECONDS", "1.5").start();
    server.connect("customer", KEY);
    // Dropped connections have it dial again, with the small receive buffer of a slow reader.
    provider.answer_next(Answer::json(200, &json!({})).then_close());
    server.chat("customer", &chat()).send();
    provider.read_slowly(Some(1));
    let before = server.memory_now();
    let head = server.post("/v1/files").by("customer").header("content-type", form::TYPE).head();
    let mut stream = server.get("/").dial();
    stream.set_write_timeout(Some(Duration::from_millis(700))).expect("a time above zero");
    let length = 30 << 20;
    let begin = form::file("file", "a.bin", b"");
    let head = format!("{head}content-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &begin].concat()).expect("it reads");
    let mut taken = 0;
    while taken < length && stream.write_all(&[7; 1 << 16]).is_ok() {
        taken += 1 << 16;
    }
    // What lies between is in the buffers of sockets.
    assert!(taken < 20 << 20, "{} MB were taken", taken >> 20);
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < 16 << 20, "memory grew by {} MB", grown >> 20);
    let reply = Live::read(stream).rest();
    assert_eq!(reply.refusal(), is(504, "upstream_timeout"));
    failed(&server.row(&reply), 504, "provider_down");
    provider.read_slowly(None);
    server.still_serves("customer");
}
