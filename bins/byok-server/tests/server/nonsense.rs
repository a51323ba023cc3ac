//! Answers that are none: errors under status 200, redirects, bytes that are not HTTP.

use std::net::TcpListener;

use byok_testkit::fake_provider::{Answer, failures_with_status_200, malformed};
use serde_json::{Value, json};

use crate::support::{KEY, chat, failed, serving, streamed_chat};

#[test]
fn a_redirect_is_neither_followed_nor_shown() {
    let (provider, server) = serving();
    let canary = TcpListener::bind("127.0.0.1:0").expect("a free port");
    canary.set_nonblocking(true).expect("a socket");
    let elsewhere = format!("http://{}/v1/chat/completions", canary.local_addr().expect("bound"));
    let itself = format!("{}/chat/completions", provider.base_url());
    provider.take_requests();
    for status in [301, 302, 303, 307, 308, 300, 304] {
        for location in
            [elsewhere.as_str(), itself.as_str(), "/v1/models", "http://169.254.169.254/"]
        {
            provider.answer_next(Answer::redirect(status, location));
            let asked = match status % 2 {
                0 => server.chat("customer", &chat()),
                _ => server.envelope("chat/completions", "customer", &chat()),
            };
            let reply = asked.send();
            assert_eq!(reply.refusal(), (502, "upstream_redirect".to_owned()), "{status}");
            assert_eq!(reply.header("location"), None);
            assert!(!reply.text().contains(location), "{}", reply.text());
            failed(&server.row(&reply), 502, "provider_down");
            assert_eq!(provider.take_requests().len(), 1, "{status} {location}");
        }
    }
    provider.answer_at("/models", Answer::redirect(302, &elsewhere));
    let connected = server.connect_with("new", KEY, &json!({})).json();
    assert_eq!(connected["status"], "unverified", "{connected}");
    assert!(canary.accept().is_err(), "somebody went there");
    server.still_serves("customer");
}

#[test]
fn a_failure_under_status_200_is_a_failure_in_the_books() {
    let (provider, server) = serving();
    for (name, answer) in failures_with_status_200() {
        for streamed in [false, true] {
            let payload = if streamed { streamed_chat() } else { chat() };
            provider.answer_next(answer.clone());
            let reply = server.chat("customer", &payload).send();
            let row = server.row(&reply);
            assert_eq!(row["success"], false, "{name}: {row}");
            assert!(row["errorClass"].is_string(), "{name}: {row}");
            assert!(
                [&json!(0), &Value::Null].contains(&&row["costUsd"])
                    || row["usageEstimated"] == true,
                "{name}: {row}"
            );
            assert!([200, 502].contains(&reply.status), "{name}: {}", reply.status);

            provider.answer_next(answer.clone());
            let reply = server.envelope("chat/completions", "customer", &payload).send();
            assert_eq!(server.row(&reply)["success"], false, "{name}");
            // Half a document leaves the envelope open, which no parser takes for an answer.
            let told = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
            assert_ne!(told["success"], true, "{name}: {}", reply.text());
        }
        server.still_serves("customer");
    }
}

#[test]
fn what_is_not_http_is_told_from_an_answer() {
    let (provider, server) = serving();
    for (name, answer) in malformed() {
        for streamed in [false, true] {
            let payload = if streamed { streamed_chat() } else { chat() };
            provider.answer_next(answer.clone());
            let reply = server.chat("customer", &payload).send();
            if reply.whole && reply.status == 502 {
                assert_eq!(reply.refusal().1, "upstream_unreachable", "{name}");
            } else {
                assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            }
            let row = server.row(&reply);
            assert_eq!(row["success"], false, "{name}: {row}");
            provider.answer_next(answer.clone());
            let reply = server.envelope("chat/completions", "customer", &payload).send();
            assert!(!reply.whole || reply.json()["success"] != true, "{name}: {}", reply.text());
        }
        server.still_serves("customer");
    }
    assert_eq!(server.calls("customer").len(), malformed().len() * 5, "each call once");
}

#[test]
fn a_compressed_answer_passes_as_it_is_and_its_usage_is_unknown() {
    let (provider, server) = serving();
    let plain = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let gzipped = Answer::json(200, &plain).gzipped();
    for asked in
        [server.chat("customer", &chat()), server.envelope("chat/completions", "customer", &chat())]
    {
        provider.answer_next(gzipped.clone());
        let reply = asked.send();
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        assert!(reply.answered().starts_with(&[0x1f, 0x8b]));
        let row = server.row(&reply);
        assert_eq!((&row["totalTokens"], &row["costUsd"]), (&Value::Null, &Value::Null), "{row}");
    }
    // What the test provider calls gzip leaves the text readable; this is as opaque as real coding.
    let coded: Vec<u8> =
        b"\x1f\x8b".iter().copied().chain((0..4000).map(|n| n as u8 | 0x80)).collect();
    for asked in [
        server.chat("customer", &streamed_chat()),
        server.envelope("chat/completions", "customer", &streamed_chat()),
    ] {
        let answer = Answer::new(200, "text/event-stream", coded.clone());
        provider.answer_next(answer.header("content-encoding", "gzip"));
        let reply = asked.send();
        assert_eq!(reply.answered(), coded, "whole to its end");
        let row = server.row(&reply);
        assert_eq!((&row["success"], &row["totalTokens"]), (&json!(true), &Value::Null), "{row}");
    }
    assert!(
        provider.requests().iter().all(|seen| seen.header("accept-encoding") == Some("identity"))
    );
}
