//! Calls to Cohere, by the envelope, the drop-in routes and the OpenAI-compatible ones.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::rig::{GOOD_KEY, Reply, Rig};

const STREAM: [&str; 4] = [
    "event: message-start\ndata: {\"id\":\"c1\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\"}}}\n\n",
    "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"hi\"}}}}\n\n",
    "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":8.0,\"output_tokens\":20.0},\"tokens\":{\"input_tokens\":74,\"output_tokens\":20}}}}\n\n",
    "data: [DONE]\n\n",
];
const DOCUMENT: &str = r#"{"id":"c1","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"usage":{"billed_units":{"input_tokens":8.0,"output_tokens":20.0},"tokens":{"input_tokens":74.0,"output_tokens":20.0}}}"#;
/// A line for each event, as version 1 streams.
const LINES: &str = "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"hi\"}\n{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"response\":{\"text\":\"hi\",\"meta\":{\"billed_units\":{\"input_tokens\":8,\"output_tokens\":20}}}}\n";

async fn connected() -> Rig {
    let rig = Rig::start().await;
    let answer = Answer::new(200, "application/json", r#"{"models":[]}"#);
    rig.provider.answer_next(answer);
    assert_eq!(rig.connect_at("cohere", "c1", json!({})).await["status"], "valid");
    assert_eq!(rig.provider.take_requests()[0].target, "/v1/models?page_size=1");
    rig
}

/// 8 billed tokens at 2.5 USD a million, 20 put out at 10.
async fn is_paid(rig: &Rig, reply: &Reply, streamed: bool) {
    let row = rig.row(reply).await;
    assert_eq!((&row["provider"], &row["operation"]), (&json!("cohere"), &json!("chat")), "{row}");
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&json!(8), &json!(20)));
    assert_eq!((&row["model"], &row["streamed"]), (&json!("command-a-03-2025"), &json!(streamed)));
    assert_eq!(row["costUsd"], json!(0.00022), "{row}");
}

#[tokio::test]
async fn chat_is_relayed_as_it_is_and_paid_by_what_is_billed() {
    let rig = connected().await;
    for (path, kind, body, stream) in [
        ("v2/chat", "application/json", DOCUMENT.to_owned(), false),
        ("v2/chat", "text/event-stream", STREAM.concat(), true),
        ("v1/chat", "application/stream+json", LINES.to_owned(), true),
    ] {
        let payload = json!({"model": "command-a-03-2025", "message": "hi", "stream": stream});
        let answer = Answer::new(200, kind, body.clone()).chunked().in_pieces_of(50);
        rig.provider.answer_next(answer.clone().header("x-debug-trace-id", "t-1"));
        let reply = rig.dropped_in(&format!("/cohere/{path}"), "c1", &payload).await;
        assert_eq!((reply.status, &reply.text), (200, &body), "{path}");
        assert_eq!(reply.header("content-type"), Some(kind));
        assert_eq!(reply.header("x-debug-trace-id"), Some("t-1"));
        let seen = rig.provider.take_requests().remove(0);
        assert_eq!((&seen.target, seen.json()), (&format!("/{path}"), payload.clone()));
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {GOOD_KEY}").as_str()));
        is_paid(&rig, &reply, stream).await;

        if path == "v2/chat" {
            rig.provider.answer_next(answer);
            let reply = rig.enveloped("cohere/chat", "c1", &payload).await;
            if stream {
                assert_eq!((reply.status, &reply.text), (200, &body));
            } else {
                assert!(reply.text.contains(&format!("\"data\":{body},")), "{}", reply.text);
            }
            assert_eq!(rig.provider.take_requests()[0].target, "/v2/chat");
            is_paid(&rig, &reply, stream).await;
        }
    }
}

#[tokio::test]
async fn embeddings_are_paid_by_their_tokens() {
    let rig = connected().await;
    let embedded = r#"{"id":"e1","embeddings":{"float":[[0.1]]},"texts":["hi"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":50.0}}}"#;
    rig.provider.answer_next(Answer::new(200, "application/json", embedded));
    let payload = json!({"model": "embed-v4.0", "texts": ["hi"], "input_type": "search_query"});
    let reply = rig.enveloped("cohere/embed", "c1", &payload).await;
    assert_eq!(reply.ok()["costUsd"], json!(0.000006), "50 tokens at 0.12 USD a million");
    assert_eq!(rig.provider.take_requests()[0].target, "/v2/embed");
}

#[tokio::test]
async fn reranking_is_paid_by_the_search() {
    let rig = connected().await;
    let ranked = r#"{"id":"r1","results":[{"index":0,"relevance_score":0.9}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":2}}}"#;
    rig.provider.answer_next(Answer::new(200, "application/json", ranked));
    let payload = json!({"model": "rerank-v3.5", "query": "hi", "documents": ["hello"]});
    let reply = rig.enveloped("cohere/rerank", "c1", &payload).await;
    assert_eq!(reply.ok()["costUsd"], json!(0.004), "2 searches at 0.002 USD each");
    assert_eq!(rig.provider.take_requests()[0].target, "/v2/rerank");
    assert_eq!(rig.row(&reply).await["totalTokens"], Value::Null);
}

#[tokio::test]
async fn the_compatible_endpoint_gets_no_option_that_it_refuses() {
    let rig = connected().await;
    let chunks = [
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"command-a-03-2025\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"command-a-03-2025\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":20,\"total_tokens\":28}}\n\n",
        "data: [DONE]\n\n",
    ];
    rig.provider.answer_next(Answer::events(chunks));
    let payload = json!({"model": "command-a-03-2025", "messages": [], "stream": true});
    let reply = rig.compatible("cohere", "chat/completions", &payload).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, chunks.concat().as_str()));
    let seen = rig.provider.take_requests().remove(0);
    assert_eq!(seen.target, "/compatibility/v1/chat/completions");
    assert_eq!(seen.json(), payload);
    let row = rig.row(&reply).await;
    assert_eq!((&row["inputTokens"], &row["costUsd"]), (&json!(8), &json!(0.00022)), "{row}");
}

#[tokio::test]
async fn refusals_come_in_its_own_shape_and_the_months_allowance_is_no_pace() {
    let rig = connected().await;
    let payload = json!({"model": "command-a-03-2025", "messages": []});
    let reply = rig.dropped_in("/cohere/v2/chat", "nobody", &payload).await;
    let told = reply.json();
    assert_eq!(reply.status, 404, "{told}");
    assert!(told["message"].as_str().is_some_and(|text| text.len() > 10), "{told}");

    for (status, message, class) in [
        (401, "invalid api token", "key_rejected"),
        (
            429,
            "You are using a Trial key, which is limited to 1000 API calls / month.",
            "quota_exhausted",
        ),
        (
            429,
            "You are using a Trial key, which is limited to 10 API calls / minute.",
            "rate_limited",
        ),
    ] {
        let body = json!({"id": "1", "message": message});
        rig.provider.answer_next(Answer::json(status, &body));
        let reply = rig.enveloped("cohere/chat", "c1", &payload).await;
        let told = reply.ok();
        assert_eq!((&told["success"], &told["statusCode"]), (&json!(false), &json!(status)));
        assert_eq!(told["data"], body);
        assert_eq!(rig.row(&reply).await["errorClass"], class, "{message}");
    }
    let nothing: Value = json!({});
    rig.enveloped("cohere/embeddings", "c1", &nothing).await.refused(404, "not_found");
}
