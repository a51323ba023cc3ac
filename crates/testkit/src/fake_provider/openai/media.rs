//! OpenAI's routes for vectors, sound, pictures, files and batches.

use memchr::memmem;
use serde_json::{Value, json};

use super::{CREATED, PROMPT_TOKENS, asked_model};
use crate::fake_provider::answer::Answer;
use crate::fake_provider::request::Seen;

/// 0, 0.5, -0.5 and 1 as little-endian floats.
const VECTOR_BASE64: &str = "AAAAAAAAAD8AAAC/AACAPw==";

/// A silent MPEG frame's first bytes: what matters is that they are not text.
const SOUND: &[u8] =
    b"\xff\xfb\x90\x64\x00\x0f\xf0\x00\x00\x69\x00\x00\x00\x08\x00\x00\x0d\x20\x00";

pub(super) fn embeddings(body: &Value) -> Answer {
    let count = body["input"].as_array().map_or(1, |inputs| {
        // An array of numbers is one input, given as tokens.
        if inputs.iter().all(Value::is_number) { 1 } else { inputs.len() }
    });
    let vector = if body["encoding_format"] == "base64" {
        json!(VECTOR_BASE64)
    } else {
        json!([0.0, 0.5, -0.5, 1.0])
    };
    let data: Vec<Value> = (0..count)
        .map(|index| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let usage = json!({"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS});
    let model = asked_model(body);
    Answer::json(200, &json!({"object": "list", "model": model, "data": data, "usage": usage}))
}

pub(super) fn moderations(body: &Value) -> Answer {
    let result = json!({
        "flagged": false, "categories": {"violence": false}, "category_scores": {"violence": 0.01},
    });
    Answer::json(200, &json!({"id": "modr-fake", "model": asked_model(body), "results": [result]}))
}

pub(super) fn image(_body: &Value) -> Answer {
    let usage = json!({
        "input_tokens": PROMPT_TOKENS, "output_tokens": 1056, "total_tokens": PROMPT_TOKENS + 1056,
        "input_tokens_details": {"text_tokens": PROMPT_TOKENS, "image_tokens": 0},
    });
    let data = json!([{"b64_json": "iVBORw0KGgo="}]);
    Answer::json(200, &json!({"created": CREATED, "data": data, "usage": usage}))
}

pub(super) fn speech(_body: &Value) -> Answer {
    Answer::new(200, "audio/mpeg", SOUND).chunked()
}

pub(super) fn transcription(request: &Seen) -> Answer {
    match form_field(request, "response_format").as_deref() {
        Some("text") => Answer::new(200, "text/plain; charset=utf-8", "Hello there.\n"),
        Some("verbose_json") => Answer::json(
            200,
            &json!({"task": "transcribe", "language": "english", "duration": 8.47,
                "text": "Hello there.", "usage": {"type": "duration", "seconds": 9}}),
        ),
        _ if form_field(request, "model").as_deref() == Some("whisper-1") => Answer::json(
            200,
            &json!({"text": "Hello there.", "usage": {"type": "duration", "seconds": 9}}),
        ),
        _ => Answer::json(
            200,
            &json!({"text": "Hello there.", "usage": {
                "type": "tokens", "input_tokens": PROMPT_TOKENS,
                "input_token_details": {"text_tokens": 0, "audio_tokens": PROMPT_TOKENS},
                "output_tokens": 3, "total_tokens": PROMPT_TOKENS + 3,
            }}),
        ),
    }
}

pub(super) fn files(request: &Seen, words: &[&str]) -> Answer {
    let file = |id: &str| {
        json!({"id": id, "object": "file", "bytes": request.body.len(), "created_at": CREATED,
            "filename": "input.jsonl", "purpose": "batch", "status": "processed"})
    };
    match (request.method.as_str(), words) {
        ("POST", ["files"]) => Answer::json(200, &file(&fresh("file"))),
        ("GET", ["files"]) => Answer::json(200, &list(&file("file-fake"))),
        ("GET", ["files", _, "content"]) => {
            Answer::new(200, "application/octet-stream", "{\"custom_id\":\"1\"}\n")
        }
        ("GET", ["files", id]) => Answer::json(200, &file(id)),
        ("DELETE", ["files", id]) => {
            Answer::json(200, &json!({"id": id, "object": "file", "deleted": true}))
        }
        _ => Answer::error(405, "invalid_request_error", "", "Not allowed."),
    }
}

pub(super) fn batches(request: &Seen, words: &[&str]) -> Answer {
    let asked = request.json();
    let batch = |id: &str, status: &str| {
        json!({"id": id, "object": "batch", "endpoint": "/v1/chat/completions",
            "input_file_id": asked["input_file_id"], "completion_window": "24h",
            "status": status, "created_at": CREATED,
            "request_counts": {"total": 0, "completed": 0, "failed": 0}})
    };
    match (request.method.as_str(), words) {
        ("POST", ["batches"]) => Answer::json(200, &batch(&fresh("batch"), "validating")),
        ("GET", ["batches"]) => Answer::json(200, &list(&batch("batch_fake", "completed"))),
        ("GET", ["batches", id]) => Answer::json(200, &batch(id, "completed")),
        ("POST", ["batches", id, "cancel"]) => Answer::json(200, &batch(id, "cancelling")),
        _ => Answer::error(405, "invalid_request_error", "", "Not allowed."),
    }
}

fn list(item: &Value) -> Value {
    json!({"object": "list", "data": [item], "has_more": false})
}

/// An id that no other object has.
fn fresh(kind: &str) -> String {
    format!("{kind}-{}", uuid::Uuid::now_v7().simple())
}

/// The value of a short multipart field, found without parsing the rest.
fn form_field(request: &Seen, name: &str) -> Option<String> {
    let marker = format!("name=\"{name}\"\r\n");
    let from = memmem::find(&request.body, marker.as_bytes())? + marker.len();
    let rest = &request.body[from..];
    let value = &rest[memmem::find(rest, b"\r\n")? + 2..];
    let end = memmem::find(value, b"\r\n")?;
    String::from_utf8(value[..end].to_vec()).ok()
}
