//! Streams: every byte as it came, when it came.

use byok_testkit::fake_provider::{Answer, Gate};
use serde_json::{Value, json};

use crate::support::{chat, serving, streamed_chat};

/// A chat stream with everything that a line reader might trip over.
const STREAM: &str = "\u{feff}: welcome\n\nretry: 10\r\n\r\n\
    data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"delta\":{\"content\":\"h\\u00e9\"}}]}\n\n\
    event: odd\ndata:{\"choices\":[{\"delta\":{\"content\":\"\u{1F600}\u{2028}\"}}]}\r\n\r\n\
    data: two\ndata: lines\n\n\
    data: not json, \"usage\": \n\n\
    id: 7\n\n\n\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n";
const END: &str = "data: [DONE]\n\n: bye";

fn asking_for_usage() -> Value {
    let mut payload = streamed_chat();
    payload["stream_options"] = json!({"include_usage": true});
    payload
}

#[test]
fn a_stream_comes_back_byte_for_byte_however_it_is_cut() {
    let (provider, server) = serving();
    let whole = [STREAM, USAGE, END].concat();
    for step in [1, 2, 3, 5, 13, 64, 1000, whole.len()] {
        let answer = Answer::new(200, "text/event-stream; charset=utf-8", whole.clone());
        provider.answer_next(answer.chunked().in_pieces_of(step));
        let reply = server.chat("customer", &asking_for_usage()).send();
        assert_eq!(String::from_utf8_lossy(reply.answered()), whole, "step {step}");
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let row = server.row(&reply);
        assert_eq!(
            (&row["totalTokens"], &row["success"]),
            (&json!(18), &json!(true)),
            "step {step}"
        );
        assert_eq!(row["model"], "gpt-4o-mini");
    }
}

#[test]
fn the_usage_that_was_not_asked_for_is_hidden_however_the_stream_is_cut() {
    let (provider, server) = serving();
    let (whole, shown) = ([STREAM, USAGE, END].concat(), [STREAM, END].concat());
    for step in [1, 2, 3, 5, 13, 64, 1000, whole.len()] {
        let answer = Answer::new(200, "text/event-stream", whole.clone());
        provider.answer_next(answer.chunked().in_pieces_of(step));
        let reply = server.chat("customer", &streamed_chat()).send();
        assert_eq!(String::from_utf8_lossy(reply.answered()), shown, "step {step}");
        assert_eq!(server.row(&reply)["totalTokens"], 18, "step {step}");
    }
}

#[test]
fn usage_is_asked_for_in_the_callers_name_and_nothing_else_is_changed() {
    let (provider, server) = serving();
    let text = "{ \"model\":\"gpt-4o-mini\", \"stream\" : true,\n\"messages\":[],\"n\":1.0";
    for (sent, arrived, asked) in [
        (
            format!("{text}}} "),
            format!("{text},\"stream_options\":{{\"include_usage\":true}}}} "),
            false,
        ),
        (
            format!("{text},\"stream_options\":null}}"),
            format!("{text},\"stream_options\":{{\"include_usage\":true}}}}"),
            false,
        ),
        (
            format!("{text},\"stream_options\":{{\"include_usage\":false}}}}"),
            format!("{text},\"stream_options\":{{\"include_usage\":true}}}}"),
            false,
        ),
        (
            format!("{text},\"stream_options\": {{ \"include_usage\": true }} }}"),
            format!("{text},\"stream_options\": {{ \"include_usage\": true }} }}"),
            true,
        ),
    ] {
        provider.take_requests();
        let reply = server
            .post("/v1/chat/completions")
            .by("customer")
            .body("application/json", sent)
            .send();
        let seen = provider.take_requests().remove(0);
        assert_eq!(String::from_utf8_lossy(&seen.body), arrived);
        assert!(reply.text().ends_with("data: [DONE]\n\n"));
        assert_eq!(reply.text().contains("total_tokens"), asked, "{}", reply.text());
        assert_eq!(server.row(&reply)["totalTokens"], 18);
    }
    provider.take_requests();
    for body in
        [chat(), json!({"model": "gpt-4o-mini", "stream": false}), json!({"stream": "true"})]
    {
        server.chat("customer", &body).send().answered();
        assert_eq!(provider.take_requests()[0].json(), body);
    }
}

#[test]
fn an_event_reaches_the_caller_before_the_next_one_is_sent() {
    let (provider, server) = serving();
    let events: Vec<String> = (0..20)
        .map(|n| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{n}\"}}}}]}}\n\n"))
        .chain(["data: [DONE]\n\n".to_owned()])
        .collect();
    for payload in [streamed_chat(), asking_for_usage()] {
        let gates: Vec<Gate> = (0..20).map(|_| Gate::new()).collect();
        let mut answer = Answer::events(events.clone());
        let mut offset = 0;
        for (event, gate) in events.iter().zip(&gates) {
            offset += event.len() as u64;
            answer = answer.hold_at(offset, gate);
        }
        provider.answer_next(answer);
        let mut live = server.chat("customer", &payload).open();
        for (event, gate) in events.iter().zip(&gates) {
            // Only once this one has come through is the next one let go.
            assert_eq!(String::from_utf8_lossy(&live.until("\n\n")), *event);
            gate.open();
        }
        assert_eq!(live.rest().text(), "data: [DONE]\n\n");
    }
}

#[test]
fn a_stream_of_the_responses_api_keeps_its_usage_and_its_bytes() {
    let (provider, server) = serving();
    let payload = json!({"model": "gpt-4o-mini", "input": "Hi", "stream": true});
    let direct = server.post("/v1/responses").by("customer").json(&payload).send();
    let text = direct.text();
    assert!(text.contains("event: response.completed\n") && text.contains("\"input_tokens\":11"));
    for step in [1, 7, 100] {
        let answer = Answer::new(200, "text/event-stream", text.clone()).chunked();
        provider.answer_next(answer.in_pieces_of(step));
        let reply = server.envelope("responses", "customer", &payload).send();
        assert_eq!(String::from_utf8_lossy(reply.answered()), text, "step {step}");
        let row = server.row(&reply);
        assert_eq!(row["costUsd"], json!(0.00000585), "step {step}: {row}");
    }
    assert_eq!(provider.requests()[1].json(), payload);
}

#[test]
fn a_caller_who_reads_slowly_does_not_make_the_server_hold_the_stream() {
    let (provider, server) = serving();
    let event = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "x".repeat(4000)
    );
    let before = server.memory_now();
    let events = std::iter::repeat_n(event, 5_000).chain(["data: [DONE]\n\n".to_owned()]);
    provider.answer_next(Answer::events(events));
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.next().expect("it begins");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let grown = server.memory_now().saturating_sub(before);
    // 20 MB are there for the taking.
    assert!(grown < 12 << 20, "{} MB", grown >> 20);
    assert_eq!(provider.endings().len(), 1, "the provider waits, its answer unfinished");
    let (length, whole) = live.drain();
    assert!(whole && length > 20_000_000, "{length}");
}
