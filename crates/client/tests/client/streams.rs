//! Answers event by event.

use std::time::Duration;

use byok_client::{Byok, Error, KeySource};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::script::{Reply, Script, json as answered, refusal};

const SSE: &str = "text/event-stream; charset=utf-8";
const FRAMES: &str = "application/vnd.amazon.eventstream";

/// A stream in chunks, each of these bytes.
fn stream(content_type: &str, pieces: &[&[u8]]) -> Vec<u8> {
    let mut answer = begun(content_type, pieces);
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// A stream that does not end.
fn begun(content_type: &str, pieces: &[&[u8]]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-request-id: req-1\r\nx-byo-provider: openai\r\nx-byo-key-source: byok\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for piece in pieces {
        answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        answer.extend_from_slice(piece);
        answer.extend_from_slice(b"\r\n");
    }
    answer
}

const CHAT: [&[u8]; 4] = [
    b"data: {\"n\":1}\n\nda",
    b"ta: {\"n\":2}\n\n",
    b": ping\n\ndata: {\"n\":3,\"error\":null}\n\n",
    b"data: [DONE]\n\n",
];

/// The data of all events, and the error at the end, if there is one.
async fn read(byok: &Byok) -> (Vec<Value>, Option<Error>) {
    let mut events = match byok.openai("c").chat().completions().stream(json!({})).await {
        Ok(events) => events,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut data = Vec::new();
    loop {
        match events.next().await {
            Some(Ok(event)) => data.push(event.data),
            Some(Err(error)) => {
                assert!(events.next().await.is_none(), "an error is the last value");
                return (data, Some(error));
            }
            None => return (data, None),
        }
    }
}

#[tokio::test]
async fn events_come_parsed_and_the_stream_ends_cleanly() {
    let script = Script::of([Reply::Bytes(stream(SSE, &CHAT))]).await;
    let (data, error) = read(&script.client()).await;
    assert_eq!(data, [json!({"n": 1}), json!({"n": 2}), json!({"n": 3, "error": null})]);
    assert!(error.is_none(), "{error:?}");
    assert!(script.only_request().body.contains("\"stream\":true"));
}

#[tokio::test]
async fn events_have_their_names_and_the_callers_type() {
    #[derive(Debug, Deserialize)]
    struct Delta {
        delta: String,
    }
    let body =
        b"event: response.output_text.delta\ndata: {\"delta\":\"Hi\"}\n\nevent: x\ndata: {}\n\n";
    let script = Script::of([Reply::Bytes(stream(SSE, &[body]))]).await;
    let responses = script.client().openai("c").responses();
    let mut events = responses.stream_as::<Delta>(json!({})).await.expect("a stream");
    let receipt = events.receipt();
    assert_eq!(
        (receipt.request_id.as_deref(), receipt.key_source),
        (Some("req-1"), KeySource::Byok)
    );
    let event = events.next().await.expect("an event").expect("an event");
    assert_eq!(event.name.as_deref(), Some("response.output_text.delta"));
    assert_eq!(event.data.delta, "Hi");
    assert!(matches!(events.next().await, Some(Err(Error::Provider(_)))));
}

#[tokio::test]
async fn an_error_in_the_middle_is_an_error() {
    for (event, message) in [
        ("data: {\"error\":{\"message\":\"Out of breath.\"}}\n\n", "Out of breath."),
        ("event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"Busy.\"}}\n\n", "Busy."),
        ("data: {\"type\":\"error\",\"message\":\"Gone.\"}\n\n", "Gone."),
        ("data: {\"object\":\"error\",\"message\":\"Odd.\"}\n\n", "Odd."),
        (
            "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"Lost.\"}}}\n\n",
            "Lost.",
        ),
        (
            "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"Boom.\"}}\n\n",
            "Boom.",
        ),
        ("data: <html>\n\n", "it sent an event that is no JSON"),
    ] {
        let pieces = [b"data: {\"n\":1}\n\n", event.as_bytes(), b"data: {\"n\":2}\n\n"];
        let script = Script::of([Reply::Bytes(stream(SSE, &pieces))]).await;
        let (data, error) = read(&script.client()).await;
        assert_eq!(data, [json!({"n": 1})]);
        let error = error.expect(message);
        assert!(matches!(error, Error::Provider(_)), "{error:?}");
        assert_eq!((error.message(), error.request_id()), (message, Some("req-1")));
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_anywhere_never_ends_cleanly() {
    let whole = stream(SSE, &CHAT[..3]);
    let head = begun(SSE, &[]).len();
    let cut = (0..whole.len()).map(|end| Reply::Bytes(whole[..end].to_vec()));
    let script = Script::of(cut).await;
    let byok = script.client();
    for end in 0..whole.len() {
        let (data, error) = read(&byok).await;
        let error = error.unwrap_or_else(|| panic!("cut at {end} it ended after {data:?}"));
        assert!(matches!(error, Error::Network(_)), "{end}: {error:?}");
        assert!(end >= head || data.is_empty());
    }
    // Where an end is an end, an event that is not whole shows it.
    let plain = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"n\":1}\n\ndata: {\"n\"";
    let script = Script::of([Reply::Bytes(plain.to_vec())]).await;
    let (data, error) = read(&script.client()).await;
    assert_eq!(data, [json!({"n": 1})]);
    assert!(matches!(error, Some(Error::Network(_))), "{error:?}");
}

#[tokio::test]
async fn what_is_no_stream_and_stalls_runs_out_of_time_too() {
    let (left, gone) = oneshot::channel();
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req-1\r\ncontent-length: 900\r\n\r\n{";
    let script = Script::of([Reply::Stall(head.to_vec(), left)]).await;
    let limit = Duration::from_millis(300);
    let byok = script.builder().call_timeout(limit).build().expect("a client");
    let (data, error) = read(&byok).await;
    assert!(data.is_empty());
    assert!(matches!(error, Some(Error::Timeout(_))), "{error:?}");
    gone.await.expect("the client has left");
}

#[tokio::test]
async fn a_stream_where_an_answer_was_expected_says_so_and_is_not_to_be_repeated() {
    let script = Script::of([Reply::Bytes(stream(SSE, &CHAT))]).await;
    let byok = script.client();
    let chat = byok.openai("c").chat();
    let error = chat.completions().create(json!({"stream": true})).await;
    let error = error.expect_err("no document");
    assert!(error.message().contains("stream") && !error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_stalls_runs_out_of_time() {
    let (left, gone) = oneshot::channel();
    let script = Script::of([Reply::Stall(begun(SSE, &CHAT[..2]), left)]).await;
    let limit = Duration::from_millis(300);
    let byok = script.builder().call_timeout(limit).build().expect("a client");
    let (data, error) = read(&byok).await;
    assert_eq!(data.len(), 2);
    let error = error.expect("a timeout");
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    assert_eq!(error.request_id(), Some("req-1"));
    gone.await.expect("the client has left");
}

#[tokio::test]
async fn dropping_a_stream_ends_the_call() {
    let (left, gone) = oneshot::channel();
    let script = Script::of([Reply::Stall(begun(SSE, &CHAT[..1]), left)]).await;
    let mut events = script.client().openai("c").responses().stream(json!({})).await.expect("one");
    events.next().await.expect("an event").expect("an event");
    drop(events);
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("soon").expect("it left");
}

#[tokio::test]
async fn what_a_stream_cost_is_known_when_it_has_ended() {
    let row = json!({
        "id": "req-1", "projectId": "proj_1", "refId": "c", "provider": "openai", "model": "m",
        "operation": "responses", "keyId": null, "source": "credits", "statusCode": 200,
        "success": true, "errorClass": null, "streamed": true, "inputTokens": 1,
        "outputTokens": 2, "totalTokens": 3, "cacheReadTokens": null, "cacheWriteTokens": null,
        "reasoningTokens": null, "costUsd": 0.5, "creditsCharged": 7, "latencyMs": 5,
        "firstByteMs": 4, "fallbackReason": "no_key", "createdAt": "2026-01-31T12:00:00.000Z",
        "unitPrices": {"input": 1.5}, "attempts": [],
    });
    let script = Script::of([
        Reply::Bytes(stream(SSE, &CHAT)),
        refusal("404 Not Found", &[]),
        answered(&row.to_string()),
    ])
    .await;
    let mut events = script.client().openai("c").responses().stream(json!({})).await.expect("one");
    while let Some(event) = events.next().await {
        event.expect("an event");
    }
    let receipt = events.settle().await.expect("a receipt");
    assert_eq!(receipt.usage.expect("tokens").total_tokens, 3);
    assert_eq!(receipt.cost_usd.expect("a cost").to_string(), "0.5");
    assert_eq!(receipt.key_source, KeySource::Credits);
    // The log was behind, and asked again.
    let lines: Vec<String> = script.requests().iter().map(|r| r.line().to_owned()).collect();
    assert_eq!(lines[1..], ["GET /logs/req-1", "GET /logs/req-1"]);
}

fn frame(kind: &str, name: &str, payload: &str) -> Vec<u8> {
    let mut head = Vec::new();
    let name_header = format!(":{kind}-type");
    for (name, value) in [(":message-type", kind), (name_header.as_str(), name)] {
        head.push(u8::try_from(name.len()).expect("short"));
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = |length: usize| u32::try_from(length).expect("short").to_be_bytes();
    let mut frame = [length(16 + head.len() + payload.len()), length(head.len())].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

#[tokio::test]
async fn frames_of_bedrock_are_events_of_the_same_shape() {
    let delta = frame("event", "contentBlockDelta", r#"{"delta":{"text":"Hi"}}"#);
    let stop = frame("event", "messageStop", r#"{"stopReason":"end_turn"}"#);
    let (one, other) = delta.split_at(20);
    let throttled = frame("exception", "throttlingException", r#"{"message":"Slow down."}"#);
    let script = Script::of([
        Reply::Bytes(stream(FRAMES, &[one, other, &stop])),
        Reply::Bytes(stream(FRAMES, &[&delta, &throttled])),
        Reply::Bytes(stream(FRAMES, &[&delta, one])),
        Reply::Bytes(stream(FRAMES, &[b"data: {}\n\nno frame at all"])),
    ])
    .await;
    let converse = script.client().bedrock("c").converse();

    let mut events = converse.stream(json!({})).await.expect("a stream");
    let event = events.next().await.expect("an event").expect("an event");
    assert_eq!(
        (event.name.as_deref(), &event.data["delta"]["text"]),
        (Some("contentBlockDelta"), &json!("Hi"))
    );
    let event = events.next().await.expect("an event").expect("an event");
    assert_eq!(event.name.as_deref(), Some("messageStop"));
    assert!(events.next().await.is_none());

    let mut events = converse.stream(json!({})).await.expect("a stream");
    events.next().await.expect("an event").expect("an event");
    let error = events.next().await.expect("an error").expect_err("an error");
    let Error::Provider(told) = &error else { panic!("{error:?}") };
    assert_eq!(
        (told.message.as_str(), told.kind.as_deref()),
        ("Slow down.", Some("throttlingException"))
    );

    let mut events = converse.stream(json!({})).await.expect("a stream");
    events.next().await.expect("an event").expect("an event");
    assert!(matches!(events.next().await, Some(Err(Error::Network(_)))));

    let mut events = converse.stream(json!({})).await.expect("a stream");
    assert!(matches!(events.next().await, Some(Err(Error::Provider(_)))));
}
