//! Answers in one piece.

use byok_client::{Audio, Error, Fallback, KeySource};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::script::{Reply, Script, answer, envelope, enveloped};

#[tokio::test]
async fn an_answer_reads_as_the_providers_and_tells_who_paid_and_what() {
    let headers = [
        ("x-byo-provider", "openai"),
        ("x-byo-key-source", "credits"),
        ("x-byo-fallback", "quota_exhausted"),
    ];
    let body = enveloped(r#"{"output":[{"text":"Hi"}]}"#);
    let script = Script::of([Reply::Bytes(answer("200 OK", &headers, &body))]).await;
    let response = script.client().openai("c").responses().create(json!({})).await.expect("one");
    assert_eq!(response["output"][0]["text"], "Hi");
    let receipt = &response.receipt;
    assert_eq!(receipt.request_id.as_deref(), Some("req-1"));
    assert_eq!(receipt.provider, "openai");
    assert_eq!(
        (receipt.key_source, receipt.fallback),
        (KeySource::Credits, Some(Fallback::QuotaExhausted))
    );
    let usage = receipt.usage.expect("tokens");
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (3, 4, 7));
    assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (1, 2));
    assert_eq!(receipt.cost_usd.expect("a cost").to_string(), "0.000706");
}

#[tokio::test]
async fn an_answer_is_read_as_the_callers_type_and_what_does_not_fit_is_kept() {
    #[derive(Serialize)]
    struct Ask {
        model: &'static str,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Told {
        text: String,
    }
    let script = Script::of([envelope(r#"{"text":"Hi"}"#), envelope(r#"{"text":1}"#)]).await;
    let operation = script.client().openai("c").responses();
    let response = operation.create_as::<Told>(Ask { model: "m" }).await.expect("a text");
    assert_eq!(response.into_data(), Told { text: "Hi".into() });
    let error = operation.create_as::<Told>(&Ask { model: "m" }).await.expect_err("no text");
    let Error::Provider(error) = error else { panic!("{error:?}") };
    assert_eq!(error.body, json!({"text": 1}));
    assert_eq!(error.receipt.usage.expect("tokens").total_tokens, 7);
}

#[tokio::test]
async fn speech_is_the_sound_itself_and_a_refusal_an_error() {
    let sound = [
        ("x-byo-provider", "openai"),
        ("x-byo-key-source", "byok"),
        ("content-type", "audio/mpeg"),
    ];
    let refused = r#"{"success":false,"statusCode":429,"provider":"openai","requestId":"req-1","keySource":"byok","data":{"error":{"message":"Slow down."}},"usage":null,"costUsd":null}"#;
    let script = Script::of([
        Reply::Bytes(answer("200 OK", &sound, "ID3…")),
        Reply::Bytes(answer("200 OK", &[], refused)),
        Reply::Bytes(answer("200 OK", &[("content-type", "text/html")], "<html>")),
    ])
    .await;
    let speech = script.client().openai("c").speech();
    let spoken = speech.create(json!({"input": "Hi"})).await.expect("a sound");
    assert_eq!((&spoken.data[..], spoken.receipt.key_source), ("ID3…".as_bytes(), KeySource::Byok));
    let error = speech.create(json!({"input": "Hi"})).await.expect_err("a refusal");
    assert!(matches!(error, Error::Provider(_)) && error.is_retryable(), "{error:?}");
    let error = speech.create(json!({"input": "Hi"})).await.expect_err("a page");
    assert!(matches!(error, Error::Server(_)), "{error:?}");
}

#[tokio::test]
async fn a_recording_goes_in_a_form_with_the_customer_first() {
    let text = [("x-byo-provider", "openai"), ("content-type", "text/plain; charset=utf-8")];
    let script =
        Script::of([envelope(r#"{"text":"Hi"}"#), Reply::Bytes(answer("200 OK", &text, "Hi\n"))])
            .await;
    let openai = script.client().openai("c \"1\"");
    let audio = Audio::new("hello.wav", "RIFF…".as_bytes());
    let json_answer = openai.transcriptions().create(audio.clone(), json!({"model": "m"})).await;
    assert_eq!(json_answer.expect("a text")["text"], "Hi");
    let fields = json!({"model": "m", "response_format": "text"});
    let plain = openai.transcriptions().create(audio, fields).await.expect("a text");
    assert_eq!(plain.data, "Hi\n");

    let [form, _] = script.requests().try_into().expect("two");
    assert_eq!(form.line(), "POST /proxy/openai/audio/transcriptions");
    let at = |part: &str| form.body.find(part).unwrap_or_else(|| panic!("{part}: {}", form.body));
    assert!(at("name=\"refId\"") < at("name=\"model\""));
    assert!(at("name=\"model\"") < at("name=\"file\"; filename=\"hello.wav\""));
    at("\r\n\r\nc \"1\"\r\n");
    at("RIFF…");
}
