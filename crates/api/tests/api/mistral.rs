//! Calls to Mistral, by the envelope, the drop-in routes and the OpenAI-compatible ones.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::rig::{GOOD_KEY, Reply, Rig};

const STREAM: [&str; 3] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Bonjour\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,\"total_tokens\":140,\"completion_tokens\":40,\"num_cached_tokens\":64}}\n\n",
    "data: [DONE]\n\n",
];
const DOCUMENT: &str = r#"{"id":"c1","object":"chat.completion","model":"mistral-small-latest","choices":[{"index":0,"message":{"role":"assistant","content":"Bonjour"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"total_tokens":140,"completion_tokens":40,"num_cached_tokens":64}}"#;

async fn connected() -> Rig {
    let rig = Rig::start().await;
    assert_eq!(rig.connect_at("mistral", "c1", json!({})).await["status"], "valid");
    assert_eq!(rig.provider.take_requests()[0].target, "/v1/models");
    rig
}

/// 36 tokens at 0.15 USD a million, 64 read from a cache at 0.015, 40 put out at 0.6.
async fn is_paid(rig: &Rig, reply: &Reply, operation: &str, streamed: bool) {
    let row = rig.row(reply).await;
    assert_eq!(row["provider"], "mistral", "{row}");
    assert_eq!(
        (&row["operation"], &row["model"]),
        (&json!(operation), &json!("mistral-small-latest"))
    );
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&json!(100), &json!(40)));
    assert_eq!((&row["cacheReadTokens"], &row["streamed"]), (&json!(64), &json!(streamed)));
    assert_eq!(row["costUsd"], json!(0.00003036), "{row}");
}

#[tokio::test]
async fn chat_is_relayed_as_it_is_and_paid_by_its_last_chunk() {
    let rig = connected().await;
    let whole = json!({"model": "mistral-small-latest", "messages": []});
    let streamed = json!({"model": "mistral-small-latest", "messages": [], "stream": true});
    for payload in [&whole, &streamed] {
        let streams = payload["stream"] == true;
        for (compatible, operation) in [(false, "chat"), (true, "chat/completions")] {
            let answer = if streams {
                Answer::events(STREAM)
            } else {
                Answer::new(200, "application/json", DOCUMENT)
            };
            rig.provider.answer_next(answer.header("mistral-correlation-id", "m-1"));
            let reply = if compatible {
                rig.compatible("mistral", "chat/completions", payload).await
            } else {
                rig.dropped_in("/mistral/v1/chat/completions", "c1", payload).await
            };
            let expected = if streams { STREAM.concat() } else { DOCUMENT.to_owned() };
            assert_eq!((reply.status, &reply.text), (200, &expected), "{operation}");
            assert_eq!(reply.header("mistral-correlation-id"), Some("m-1"));
            let seen = rig.provider.take_requests().remove(0);
            assert_eq!(seen.target, "/v1/chat/completions");
            assert_eq!(seen.bearer(), Some(GOOD_KEY));
            // It refuses fields that it does not know, and counts without being asked.
            assert_eq!(seen.json(), *payload);
            is_paid(&rig, &reply, operation, streams).await;
        }
    }
}

#[tokio::test]
async fn the_envelope_reaches_the_paths_of_its_operations() {
    let rig = connected().await;
    for (operation, path) in [
        ("chat", "/v1/chat/completions"),
        ("embeddings", "/v1/embeddings"),
        ("fim/completions", "/v1/fim/completions"),
        ("ocr", "/v1/ocr"),
    ] {
        rig.provider.answer_next(Answer::new(200, "application/json", DOCUMENT));
        let payload = json!({"model": "mistral-small-latest"});
        let reply = rig.enveloped(&format!("mistral/{operation}"), "c1", &payload).await;
        let told = reply.ok();
        assert_eq!((&told["success"], &told["costUsd"]), (&json!(true), &json!(0.00003036)));
        assert_eq!(rig.provider.take_requests()[0].target, path);
        is_paid(&rig, &reply, operation, false).await;
    }
    rig.provider.answer_next(Answer::events(STREAM));
    let payload = json!({"model": "mistral-small-latest", "stream": true});
    let reply = rig.enveloped("mistral/chat", "c1", &payload).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, STREAM.concat().as_str()));
    is_paid(&rig, &reply, "chat", true).await;
    rig.enveloped("mistral/rerank", "c1", &payload).await.refused(404, "not_found");
}

#[tokio::test]
async fn refusals_come_in_its_own_shape() {
    let rig = connected().await;
    let payload = json!({"model": "m", "messages": []});
    let reply = rig.dropped_in("/mistral/v1/chat/completions", "nobody", &payload).await;
    let told = reply.json();
    assert_eq!((reply.status, &told["object"]), (404, &json!("error")), "{told}");
    assert!(told["message"].as_str().is_some_and(|text| text.len() > 10), "{told}");

    rig.provider.answer_next(Answer::json(401, &json!({"detail": "Unauthorized"})));
    let reply = rig.enveloped("mistral/chat", "c1", &payload).await;
    let told = reply.ok();
    assert_eq!((&told["success"], &told["statusCode"]), (&json!(false), &json!(401)));
    assert_eq!(rig.row(&reply).await["errorClass"], "key_rejected");
}

#[tokio::test]
async fn a_batch_job_belongs_to_the_customer_that_made_it() {
    let rig = connected().await;
    rig.connect_at("mistral", "c2", json!({})).await;
    rig.provider.answer_next(Answer::json(200, &json!({"id": "job-1", "object": "batch"})));
    let made = json!({"model": "m", "endpoint": "/v1/chat/completions", "requests": []});
    assert_eq!(rig.dropped_in("/mistral/v1/batch/jobs", "c1", &made).await.status, 200);
    rig.provider.answer_with("/cancel", |_| Answer::json(200, &json!({"id": "job-1"})));
    for (ref_id, status) in [("c2", 404), ("c1", 200)] {
        let path = "/mistral/v1/batch/jobs/job-1/cancel";
        assert_eq!(rig.dropped_in(path, ref_id, &Value::Null).await.status, status, "{ref_id}");
    }
}
