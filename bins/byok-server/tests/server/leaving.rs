//! Callers who leave before their answer is over: the provider's work is stopped, and one row says so.

use std::io::Write;
use std::time::Duration;

use byok_testkit::fake_provider::{Answer, FakeProvider, Gate};
use serde_json::{Value, json};

use crate::support::{Live, Server, chat, form, serving, soon, streamed_chat};

/// A stream that goes on for ever after `events` events.
fn endless(events: usize) -> Answer {
    let event =
        "data: {\"model\":\"gpt-4o-mini\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let length = event.len() * events;
    Answer::events(std::iter::repeat_n(event, events + 1)).stall_at(length as u64)
}

/// Asserts that the provider is let go within a second.
fn let_go(provider: &FakeProvider, left: usize) {
    let gone = soon(Duration::from_secs(1), || provider.clients_left() == left + 1);
    assert!(gone, "the provider goes on: {:?}", provider.endings());
}

fn one_row(server: &Server, ref_id: &str) -> Value {
    let row = server.call(ref_id);
    assert_eq!(
        (&row["success"], &row["errorClass"]),
        (&json!(false), &json!("client_closed")),
        "{row}"
    );
    row
}

#[test]
fn whoever_leaves_because_the_stream_told_an_error_is_not_who_ended_it() {
    let (provider, server) = serving();
    let error = "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n";
    let begun = "data: {\"model\":\"gpt-4o-mini\",\"choices\":[]}\n\n";
    let told = (begun.len() + error.len()) as u64;
    provider.answer_next(Answer::events([begun, error, begun]).stall_at(told));
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.until("}}\n\n");
    live.leave();
    let row = server.call("customer");
    assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("provider_down")));
}

#[test]
fn whoever_leaves_a_stream_ends_it_at_the_provider_and_pays_for_what_came() {
    let (provider, server) = serving();
    for (name, leave) in [("fin", Live::leave as fn(Live)), ("reset", Live::reset)] {
        for (kind, asks_usage) in [("hidden", false), ("asked", true)] {
            let ref_id = format!("{name}-{kind}");
            server.connect(&ref_id, crate::support::KEY);
            let left = provider.clients_left();
            provider.answer_next(endless(20));
            let mut payload = streamed_chat();
            if asks_usage {
                payload["stream_options"] = json!({"include_usage": true});
            }
            let mut live = server.chat(&ref_id, &payload).open();
            let mut seen = 0;
            while seen < 20 {
                seen += live.next().expect("events").windows(2).filter(|w| w == b"\n\n").count();
            }
            leave(live);
            let_go(&provider, left);
            let row = one_row(&server, &ref_id);
            assert_eq!(
                (&row["statusCode"], &row["streamed"]),
                (&json!(200), &json!(true)),
                "{row}"
            );
            assert_eq!(
                (&row["usageEstimated"], &row["outputTokens"]),
                (&json!(true), &json!(20)),
                "{row}"
            );
            assert!(row["costUsd"].as_f64().is_some_and(|cost| cost > 0.0), "{row}");
        }
    }
    server.still_serves("customer");
}

#[test]
fn what_the_provider_had_said_of_usage_counts_for_whoever_left() {
    let (provider, server) = serving();
    let gate = Gate::new();
    let events = [
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":2}}\n\n",
        "data: {\"choices\":[]}\n\n",
    ];
    provider.answer_next(Answer::events(events).hold_at(events[0].len() as u64, &gate));
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.until("\n\n");
    live.leave();
    let row = one_row(&server, "customer");
    assert_eq!((&row["totalTokens"], &row["usageEstimated"]), (&json!(42), &json!(false)), "{row}");
    gate.open();
}

/// Sets something for the project that all calls here are made in.
fn set(server: &Server, settings: &Value) {
    let reply = server.patch(&format!("/projects/{}", server.keys.project)).json(settings).send();
    assert_eq!(reply.status, 200, "{settings}");
}

#[test]
fn a_project_may_have_answers_read_on_for_their_true_usage() {
    let (provider, server) = serving();
    server.connect("before", crate::support::KEY);
    server.still_serves("before");
    set(&server, &json!({"clientGone": "drain"}));
    for (name, leave) in [("fin", Live::leave as fn(Live)), ("reset", Live::reset)] {
        for kind in ["stream", "envelope", "document"] {
            let ref_id = format!("{name}-{kind}");
            server.connect(&ref_id, crate::support::KEY);
            let left = provider.clients_left();
            let gate = Gate::new();
            let (answer, asked) = match kind {
                "stream" => (chat_stream(), server.chat(&ref_id, &streamed_chat())),
                "envelope" => {
                    (chat_stream(), server.envelope("chat/completions", &ref_id, &streamed_chat()))
                }
                _ => (Answer::long_json(1 << 20), server.chat(&ref_id, &chat())),
            };
            provider.answer_next(answer.hold_at(500, &gate));
            let mut live = asked.open();
            live.next().unwrap_or_else(|| panic!("{ref_id} begins"));
            leave(live);
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(server.calls(&ref_id), Vec::<Value>::new(), "{ref_id}");
            gate.open();
            let row = one_row(&server, &ref_id);
            assert_eq!(
                (&row["usageEstimated"], &row["statusCode"]),
                (&json!(false), &json!(200)),
                "{row}"
            );
            assert!(row["totalTokens"].as_u64().is_some_and(|tokens| tokens > 0), "{row}");
            assert!(row["costUsd"].as_f64().is_some_and(|cost| cost > 0.0), "{row}");
            assert_eq!(provider.clients_left(), left, "{ref_id}: {:?}", provider.endings());
        }
    }
    // The setting is the project's, and taken back at once.
    set(&server, &json!({"clientGone": "cancel"}));
    let left = provider.clients_left();
    provider.answer_next(endless(3));
    let mut live = server.chat("before", &streamed_chat()).open();
    live.next().expect("it begins");
    live.leave();
    let_go(&provider, left);
}

/// A chat stream that ends with its usage.
fn chat_stream() -> Answer {
    Answer::chat_stream("gpt-4o-mini", true)
}

#[test]
fn an_answer_is_not_read_on_without_end() {
    let (provider, server) = serving();
    set(&server, &json!({"clientGone": "drain"}));
    let left = provider.clients_left();
    provider.answer_next(endless(300_000));
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.next().expect("it begins");
    live.leave();
    let gone = soon(Duration::from_secs(20), || provider.clients_left() == left + 1);
    assert!(gone, "the provider goes on: {:?}", provider.endings());
    let row = one_row(&server, "customer");
    assert_eq!(row["usageEstimated"], true, "{row}");
}

#[test]
fn a_project_may_leave_streams_as_they_are_and_their_tokens_unknown() {
    let (provider, server) = serving();
    set(&server, &json!({"includeUsage": false}));
    let reply = server.chat("customer", &streamed_chat()).send();
    assert!(String::from_utf8_lossy(reply.answered()).ends_with("data: [DONE]\n\n"));
    let sent = provider.requests();
    let sent: Value = serde_json::from_slice(&sent.last().expect("a call").body).expect("JSON");
    assert_eq!(sent, streamed_chat());
    let row = server.row(&reply);
    assert_eq!(
        (&row["success"], &row["totalTokens"], &row["costUsd"]),
        (&json!(true), &Value::Null, &Value::Null),
        "{row}"
    );
    // A caller that asks for itself is answered as ever.
    let mut asking = streamed_chat();
    asking["stream_options"] = json!({"include_usage": true});
    let reply = server.chat("customer", &asking).send();
    assert!(server.row(&reply)["totalTokens"].as_u64().is_some_and(|tokens| tokens > 0));
    set(&server, &json!({"includeUsage": true}));
    let reply = server.chat("customer", &streamed_chat()).send();
    assert!(server.row(&reply)["totalTokens"].as_u64().is_some_and(|tokens| tokens > 0));
}

#[test]
fn whoever_leaves_before_the_answer_begins_ends_it_too() {
    let (provider, server) = serving();
    for (ref_id, payload) in [("document", chat()), ("stream", streamed_chat())] {
        server.connect(ref_id, crate::support::KEY);
        let left = provider.clients_left();
        let before = provider.requests().len();
        provider.answer_next(Answer::json(200, &json!({})).stalled());
        let stream = server.chat(ref_id, &payload).begin();
        assert!(soon(Duration::from_secs(5), || provider.requests().len() > before));
        drop(stream);
        let_go(&provider, left);
        let row = one_row(&server, ref_id);
        assert_eq!((&row["totalTokens"], &row["costUsd"]), (&Value::Null, &Value::Null), "{row}");
        assert_eq!(row["firstByteMs"], Value::Null, "{row}");
    }
    server.still_serves("customer");
}

#[test]
fn whoever_leaves_in_the_middle_of_a_document_ends_it_too() {
    let (provider, server) = serving();
    for (ref_id, envelope) in [("relayed", false), ("enveloped", true)] {
        server.connect(ref_id, crate::support::KEY);
        let left = provider.clients_left();
        provider.answer_next(Answer::long_json(1 << 20).stall_at(600_000));
        let asked = if envelope {
            server.envelope("chat/completions", ref_id, &chat())
        } else {
            server.chat(ref_id, &chat())
        };
        let mut live = asked.open();
        live.next().expect("it begins");
        live.leave();
        let_go(&provider, left);
        one_row(&server, ref_id);
    }
    server.still_serves("customer");
}

#[test]
fn whoever_leaves_an_upload_unfinished_ends_it_too() {
    let (provider, server) = serving();
    let file = form::whole(&form::file("file", "a.wav", &vec![7; 1 << 20]));
    let head = server.post("/v1/files").by("customer").header("content-type", form::TYPE).head();
    let mut stream = server.get("/").dial();
    let head = format!("{head}content-length: {}\r\n\r\n", file.len());
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(&file[..file.len() / 2]).expect("it reads");
    std::thread::sleep(Duration::from_millis(100));
    drop(stream);
    let broken = soon(Duration::from_secs(1), || !provider.broken_requests().is_empty());
    assert!(broken, "the provider goes on waiting");
    let part = &provider.broken_requests()[0].body;
    assert!(file.starts_with(part) && !part.is_empty(), "{}", part.len());
    one_row(&server, "customer");
    // A body that never became a whole document never left.
    let before = provider.requests().len();
    let mut stream = server.get("/").dial();
    let head = server
        .post("/v1/chat/completions")
        .by("other")
        .header("content-type", "application/json")
        .head();
    stream
        .write_all(format!("{head}content-length: 100\r\n\r\n{{\"model\"").as_bytes())
        .expect("it reads");
    drop(stream);
    server.still_serves("customer");
    assert_eq!(provider.requests().len(), before + 1);
    assert_eq!(server.calls("other").len(), 0);
}

#[test]
fn a_caller_who_has_said_all_it_will_say_gets_its_answer_or_is_gone() {
    let (provider, server) = serving();
    provider
        .answer_next(Answer::chat_stream("gpt-4o-mini", true).spaced(Duration::from_millis(20)));
    let live = server.chat("customer", &streamed_chat()).open();
    live.close_sending_side();
    let reply = live.rest();
    let row = server.call("customer");
    // Both are HTTP; what must not be is half an answer that counts as a whole one.
    assert_eq!(row["success"], reply.whole, "{row}");
}

#[test]
fn thirty_who_leave_anywhere_are_thirty_rows() {
    let (provider, server) = serving();
    let events = 1000;
    for turn in 0..30_u32 {
        provider.answer_next(endless(events));
        let mut live = server.chat("customer", &streamed_chat()).open();
        let mut read = 0;
        while read < turn as usize * 2000 {
            read += live.next().expect("there are 70 kB of it").len();
        }
        if turn % 2 == 0 { live.leave() } else { live.reset() }
    }
    assert!(
        soon(Duration::from_secs(2), || provider.clients_left() == 30),
        "{:?}",
        provider.endings()
    );
    assert!(soon(Duration::from_secs(5), || server.calls("customer").len() >= 30));
    let rows = server.calls("customer");
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row["errorClass"] == "client_closed"), "{rows:?}");
    assert!(
        soon(Duration::from_secs(1), || provider.open_connections() <= 2),
        "{}",
        provider.open_connections()
    );
    server.still_serves("customer");
}
