//! Calls to Azure OpenAI, by the envelope, the drop-in routes and the OpenAI-compatible ones.

use byok_testkit::fake_provider::Answer;
use serde_json::{Value, json};

use crate::rig::{GOOD_KEY, Reply, Rig};

const STREAM: [&str; 5] = [
    "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":null,\"index\":0}],\"id\":\"c1\",\"model\":\"gpt-4o-2024-11-20\"}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"id\":\"c1\",\"model\":\"gpt-4o-2024-11-20\"}\n\n",
    "data: {\"choices\":[],\"id\":\"c1\",\"model\":\"gpt-4o-2024-11-20\",\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":40,\"total_tokens\":140}}\n\n",
    "data: [DONE]\n\n",
];
const DOCUMENT: &str = r#"{"id":"c1","object":"chat.completion","model":"gpt-4o-2024-11-20","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"prompt_filter_results":[],"usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140}}"#;

async fn connected() -> Rig {
    let rig = Rig::start().await;
    let listed = Answer::new(200, "application/json", r#"{"object":"list","data":[]}"#);
    rig.provider.behave();
    rig.provider.answer_next(listed);
    let base = format!("http://{}", rig.provider.address());
    let config = json!({"baseUrl": base, "deploymentName": "own"});
    assert_eq!(rig.connect_at("azure-openai", "c1", config).await["status"], "valid");
    let seen = rig.provider.take_requests().remove(0);
    assert_eq!(seen.target, "/openai/models?api-version=2024-10-21");
    assert_eq!((seen.header("api-key"), seen.header("authorization")), (Some(GOOD_KEY), None));
    rig
}

/// 100 tokens at 2.5 USD a million, 40 put out at 10, whatever the deployment is called.
async fn is_paid(rig: &Rig, reply: &Reply, operation: &str, streamed: bool) {
    let row = rig.row(reply).await;
    assert_eq!((&row["provider"], &row["operation"]), (&json!("azure-openai"), &json!(operation)));
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&json!(100), &json!(40)), "{row}");
    assert_eq!(row["streamed"], json!(streamed));
    assert_eq!(row["customerReported"], true, "this host is none of Microsoft's");
    assert_eq!(row["costUsd"], json!(0.00065), "{row}");
}

fn answer(streams: bool) -> Answer {
    if streams { Answer::events(STREAM) } else { Answer::new(200, "application/json", DOCUMENT) }
}

/// The stream without the chunk that nobody asked for.
fn shown() -> String {
    [&STREAM[..3], &STREAM[4..]].concat().concat()
}

#[tokio::test]
async fn chat_goes_to_the_deployment_and_is_paid_by_the_model_that_answered() {
    let rig = connected().await;
    let version = "?api-version=2024-10-21";
    for streams in [false, true] {
        for (model, deployment) in [(None, "own"), (Some("other 1"), "other%201")] {
            let mut payload = json!({"messages": [], "stream": streams});
            if let Some(model) = model {
                payload["model"] = model.into();
            }
            let expected = if streams { shown() } else { DOCUMENT.to_owned() };
            let target = format!("/openai/deployments/{deployment}/chat/completions{version}");

            rig.provider.answer_next(answer(streams));
            let reply = rig.enveloped("azure-openai/chat/completions", "c1", &payload).await;
            if streams {
                assert_eq!((reply.status, &reply.text), (200, &expected));
            } else {
                assert!(reply.text.contains(&format!("\"data\":{expected},")), "{}", reply.text);
            }
            let seen = rig.provider.take_requests().remove(0);
            assert_eq!((&seen.target, seen.header("api-key")), (&target, Some(GOOD_KEY)));
            assert_eq!(seen.header("authorization"), None);
            assert_eq!(seen.json()["stream_options"].is_object(), streams);
            is_paid(&rig, &reply, "chat/completions", streams).await;

            rig.provider.answer_next(answer(streams).header("apim-request-id", "a-1"));
            let reply = rig.dropped_in(&format!("/azure-openai{target}"), "c1", &payload).await;
            assert_eq!((reply.status, &reply.text), (200, &expected));
            assert_eq!(reply.header("apim-request-id"), Some("a-1"));
            assert_eq!(rig.provider.take_requests()[0].target, target);
            is_paid(&rig, &reply, "chat/completions", streams).await;
        }
    }
}

#[tokio::test]
async fn responses_name_the_keys_deployment_where_the_payload_names_none() {
    let rig = connected().await;
    let answered = r#"{"id":"r1","object":"response","model":"gpt-4o-2024-11-20","output":[],"usage":{"input_tokens":100,"output_tokens":40,"total_tokens":140}}"#;
    for (payload, sent) in [
        (json!({"input": "hi"}), json!({"input": "hi", "model": "own"})),
        (json!({}), json!({"model": "own"})),
        (json!({"input": "hi", "model": "m"}), json!({"input": "hi", "model": "m"})),
    ] {
        rig.provider.answer_next(Answer::new(200, "application/json", answered));
        let reply = rig.enveloped("azure-openai/responses", "c1", &payload).await;
        reply.ok();
        let seen = rig.provider.take_requests().remove(0);
        assert_eq!((seen.target.as_str(), seen.json()), ("/openai/v1/responses", sent));
        is_paid(&rig, &reply, "responses", false).await;
    }
    let payload = json!({"input": "hi", "model": "../x".repeat(2000)});
    for operation in ["chat/completions", "embeddings"] {
        let path = format!("azure-openai/{operation}");
        let reply = rig.enveloped(&path, "c1", &payload).await;
        assert!((400..500).contains(&reply.status), "{}", reply.text);
    }
    assert!(rig.provider.take_requests().is_empty());
}

#[tokio::test]
async fn the_compatible_endpoint_takes_the_same_key() {
    let rig = connected().await;
    rig.provider.answer_next(answer(true));
    let payload = json!({"model": "own", "messages": [], "stream": true});
    let reply = rig.compatible("azure-openai", "chat/completions", &payload).await;
    assert_eq!((reply.status, reply.text.clone()), (200, shown()));
    let seen = rig.provider.take_requests().remove(0);
    assert_eq!(seen.target, "/openai/v1/chat/completions");
    assert_eq!((seen.header("api-key"), seen.header("authorization")), (Some(GOOD_KEY), None));
    is_paid(&rig, &reply, "chat/completions", true).await;
}

#[tokio::test]
async fn refusals_are_told_and_a_key_without_its_resource_is_none() {
    let rig = connected().await;
    let body = json!({"provider": "azure-openai", "refId": "c2", "providerKey": GOOD_KEY});
    let refused = rig.as_a("POST", "/keys/connect", Some(body)).await;
    let expected = ["providerConfig.baseUrl", "providerConfig.deploymentName"];
    assert_eq!(refused.invalid_fields(), expected);

    let filtered = json!({"error": {"message": "The response was filtered.", "type": null,
        "param": "prompt", "code": "content_filter", "status": 400}});
    let wrong = json!({"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}});
    for (status, body, class) in [(400, filtered, "request_rejected"), (401, wrong, "key_rejected")]
    {
        rig.provider.answer_next(Answer::json(status, &body));
        let reply = rig.enveloped("azure-openai/chat/completions", "c1", &json!({})).await;
        let told = reply.ok();
        assert_eq!((&told["success"], &told["statusCode"]), (&json!(false), &json!(status)));
        assert_eq!((&told["data"], &rig.row(&reply).await["errorClass"]), (&body, &json!(class)));
    }
    let path = "/azure-openai/openai/deployments/own/chat/completions";
    let told = rig.dropped_in(path, "nobody", &json!({})).await.json();
    assert!(told["error"]["message"].is_string(), "{told}");
    let nothing = rig.dropped_in(path, "", &Value::Null).await;
    assert_eq!(nothing.status, 400, "{}", nothing.text);
}
