//! What a provider does wrong, and that nothing of it harms the caller, the books or the server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use byok_testkit::fake_provider::{Answer, FakeProvider};
use serde_json::json;

use crate::support::{
    KEY, Launch, Live, Server, chat, failed, form, provider, serving, soon, streamed_chat,
};

/// A server that waits a third of a second where others wait a minute or two.
fn impatient() -> (FakeProvider, Server) {
    let provider = provider();
    let server = Launch::quickstart(&provider)
        .with("BYO_FIRST_BYTE_TIMEOUT_SECONDS", "0.3")
        .with("BYO_IDLE_TIMEOUT_SECONDS", "0.3")
        .start();
    server.connect("customer", KEY);
    (provider, server)
}

#[test]
fn a_provider_that_never_begins_to_answer_is_given_up() {
    let (provider, server) = impatient();
    for asked in [
        server.chat("customer", &chat()),
        server.chat("customer", &streamed_chat()),
        server.envelope("chat/completions", "customer", &chat()),
    ] {
        let left = provider.clients_left();
        provider.answer_next(Answer::json(200, &json!({})).stalled());
        let started = Instant::now();
        let reply = asked.send();
        assert_eq!(reply.refusal(), (504, "upstream_timeout".to_owned()));
        assert!((280..3000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
        failed(&server.row(&reply), 504, "provider_down");
        assert!(soon(Duration::from_secs(1), || provider.clients_left() == left + 1));
    }
    server.still_serves("customer");
}

#[test]
fn a_provider_that_falls_silent_amid_its_answer_breaks_the_answer_off() {
    let (provider, server) = impatient();
    let json = Answer::json(200, &json!({"choices": [], "filler": "x".repeat(5000)}));
    let mut cases = vec![
        ("a document", server.chat("customer", &chat()), json.clone().stall_at(3000)),
        (
            "a chunked document",
            server.chat("customer", &chat()),
            json.clone().chunked().stall_at(3000),
        ),
        (
            "an envelope",
            server.envelope("chat/completions", "customer", &chat()),
            json.stall_at(3000),
        ),
    ];
    for at in [0, 1, 200, 700] {
        let stream = Answer::chat_stream("gpt-4o-mini", true).stall_at(at);
        cases.push(("a stream", server.chat("customer", &streamed_chat()), stream));
    }
    for (name, asked, answer) in cases {
        let left = provider.clients_left();
        provider.answer_next(answer);
        let reply = asked.send();
        assert_eq!((reply.status, reply.whole), (200, false), "{name}: {}", reply.text());
        failed(&server.row(&reply), 200, "truncated");
        assert!(soon(Duration::from_secs(1), || provider.clients_left() == left + 1), "{name}");
    }
    server.still_serves("customer");
}

#[test]
fn an_answer_that_ends_before_its_end_never_looks_whole() {
    let (provider, server) = serving();
    let whole = server.chat("customer", &streamed_chat()).send().body;
    let usage = Answer::chat_stream("gpt-4o-mini", true);
    let length = {
        let mut payload = streamed_chat();
        payload["stream_options"] = json!({"include_usage": true});
        server.chat("customer", &payload).send().body.len() as u64
    };
    use byok_testkit::fake_provider::Cut::{Finish, Reset};
    for (index, at) in (0..length - 2).step_by(61).enumerate() {
        let cut = if index % 2 == 0 { Finish } else { Reset };
        provider.answer_next(usage.clone().cut_at(at, cut));
        let reply = server.chat("customer", &streamed_chat()).send();
        if reply.status == 502 {
            // Cut so soon that this could still be said.
            assert_eq!((at, reply.refusal().1.as_str()), (0, "upstream_unreachable"));
            failed(&server.row(&reply), 502, "truncated");
            continue;
        }
        assert_eq!((reply.status, reply.whole), (200, false), "cut at {at}: {}", reply.text());
        assert!(!reply.text().contains("total_tokens"), "{}", reply.text());
        assert!(whole.starts_with(&reply.body), "cut at {at}: {}", reply.text());
        failed(&server.row(&reply), 200, "truncated");
    }
    server.still_serves("customer");
}

#[test]
fn a_stream_without_its_last_event_is_broken_off_however_cleanly_it_ends() {
    let (provider, server) = serving();
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n";
    for answer in [Answer::events([begun]), Answer::events([begun]).until_close()] {
        provider.answer_next(answer);
        let reply = server.chat("customer", &streamed_chat()).send();
        assert_eq!((reply.status, reply.whole), (200, false));
        let shown = reply.text();
        assert!(shown.trim() == begun.trim(), "what the row counts was shown, but {shown:?}");
        let row = server.row(&reply);
        failed(&row, 200, "truncated");
        assert_eq!(row["usageEstimated"], true, "{row}");
    }
    // A document that ends with its connection is whole when it says so itself, as far as one can see.
    let document = Answer::json(
        200,
        &json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
    );
    provider.answer_next(document.until_close());
    let reply = server.chat("customer", &chat()).send();
    assert_eq!(server.row(&reply)["totalTokens"], 2);
    reply.answered();
}

#[test]
fn half_a_document_is_no_answer_however_cleanly_it_ends() {
    let (provider, server) = serving();
    let half = "{\"id\":\"c1\",\"choices\":[{\"mess";
    let long = format!("{{\"filler\":\"{}", "x".repeat(100_000));
    for body in [half, &long] {
        let answer = Answer::new(200, "application/json", body.to_owned());
        for answer in [answer.clone(), answer.clone().chunked(), answer.until_close()] {
            for asked in [
                server.chat("customer", &chat()),
                server.envelope("chat/completions", "customer", &chat()),
            ] {
                provider.answer_next(answer.clone());
                let reply = asked.send();
                let clean = reply.status == 200 && reply.whole;
                assert!(!clean, "{}", &reply.text()[..reply.text().len().min(300)]);
                let row = server.row(&reply);
                failed(&row, reply.status, "truncated");
            }
        }
    }
    server.still_serves("customer");
}

#[test]
fn a_provider_that_is_not_there_is_told_so_and_one_that_hangs_up_is_called_again() {
    let (provider, server) = serving();
    for _ in 0..5 {
        provider.answer_next(Answer::json(200, &json!({"choices": []})).then_close());
        server.chat("customer", &chat()).send().answered();
        std::thread::sleep(Duration::from_millis(20));
    }
    server.still_serves("customer");
    drop(provider);
    for asked in [
        server.chat("customer", &chat()),
        server.envelope("chat/completions", "customer", &streamed_chat()),
    ] {
        let reply = asked.send();
        assert_eq!(reply.refusal(), (502, "upstream_unreachable".to_owned()));
        failed(&server.row(&reply), 502, "provider_down");
        assert!(!reply.text().contains("127.0.0.1"), "{}", reply.text());
    }
    assert_eq!(server.get("/readyz").anonymous().send().status, 200);
}

#[test]
fn a_provider_that_answers_before_it_has_read_everything_is_heard() {
    let hasty = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base_url = format!("http://{}/v1", hasty.local_addr().expect("bound"));
    let provider = provider();
    let server = Launch::quickstart(&provider).with("BYO_OPENAI_BASE_URL", base_url).start();
    let answering = std::thread::spawn(move || {
        // First the question about the key, then the call; what is still being sent is let pass.
        for (status, body) in [("200 OK", "{}"), ("413 Too Large", "{\"error\":{\"code\":\"x\"}}")]
        {
            let (mut stream, _) = hasty.accept().expect("it dials");
            let mut read = [0; 1 << 16];
            assert!(stream.read(&mut read).expect("a request") > 0);
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).expect("it reads");
            while stream.read(&mut read).is_ok_and(|read| read > 0) {}
        }
    });
    server.connect("customer", KEY);
    let form = form::whole(&form::file("file", "a.bin", &vec![7; 8 << 20]));
    let asked = server.post("/v1/files").by("customer").body(form::TYPE, form);
    let stream = asked.dial();
    let mut sending = stream.try_clone().expect("a socket");
    let bytes = asked.bytes();
    // The server need not take a body that nobody wants any more.
    let sender = std::thread::spawn(move || drop(sending.write_all(&bytes)));
    let reply = Live::read(stream).rest();
    assert_eq!((reply.status, reply.text().as_str()), (413, "{\"error\":{\"code\":\"x\"}}"));
    failed(&server.call("customer"), 413, "request_rejected");
    sender.join().expect("no panic");
    answering.join().expect("no panic");
}
