//! OpenAI as it answers when nothing is wrong: shapes after its SDKs' types, values invented.

mod media;
mod streams;

use serde_json::{Value, json};

use super::answer::Answer;
use super::request::Seen;

pub(super) use streams::chat_events;

/// `prompt_tokens` or `input_tokens` of every default answer.
pub const PROMPT_TOKENS: u64 = 11;

/// `completion_tokens` or `output_tokens` of every default answer that generates text.
pub const COMPLETION_TOKENS: u64 = 7;

const CREATED: u64 = 1_760_000_000;

pub(super) fn answer(request: &Seen) -> Answer {
    route(request)
        .header("x-request-id", &format!("req_fake_{}", request.connection))
        .header("openai-processing-ms", "3")
        .header("openai-version", "2020-10-01")
        .header("x-ratelimit-limit-requests", "10000")
        .header("x-ratelimit-remaining-requests", "9999")
        .header("x-ratelimit-reset-requests", "8ms")
}

fn route(request: &Seen) -> Answer {
    let path = request.path().trim_start_matches("/v1").trim_matches('/').to_owned();
    let words: Vec<&str> = path.split('/').collect();
    match (request.method.as_str(), words.as_slice()) {
        ("POST", ["chat", "completions"]) => with_json(request, chat),
        ("POST", ["responses"]) => with_json(request, responses),
        ("POST", ["completions"]) => with_json(request, completions),
        ("POST", ["embeddings"]) => with_json(request, media::embeddings),
        ("POST", ["moderations"]) => with_json(request, media::moderations),
        ("POST", ["images", "generations"]) => with_json(request, media::image),
        ("POST", ["audio", "speech"]) => with_json(request, media::speech),
        ("POST", ["audio", "transcriptions" | "translations"]) => media::transcription(request),
        ("GET", ["models"]) => models(),
        ("GET", ["models", id]) => Answer::json(200, &model(id)),
        ("GET" | "DELETE", ["responses", id]) => stored_response(request, id),
        ("POST", ["responses", id, "cancel"]) => stored_response(request, id),
        (_, ["files", ..]) => media::files(request, &words),
        (_, ["batches", ..]) => media::batches(request, &words),
        (method, _) => Answer::error(
            404,
            "invalid_request_error",
            "",
            &format!("Invalid URL ({method} {})", request.path()),
        ),
    }
}

fn with_json(request: &Seen, answer: impl FnOnce(&Value) -> Answer) -> Answer {
    match serde_json::from_slice(&request.body) {
        Ok(body @ Value::Object(_)) => answer(&body),
        _ => Answer::error(
            400,
            "invalid_request_error",
            "",
            "We could not parse the JSON body of your request.",
        ),
    }
}

/// The `usage` of a default chat answer.
pub(super) fn chat_usage() -> Value {
    json!({
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

fn responses_usage() -> Value {
    json!({
        "input_tokens": PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": COMPLETION_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    })
}

fn asked_model(body: &Value) -> &str {
    body["model"].as_str().unwrap_or("gpt-4o-mini")
}

fn chat(body: &Value) -> Answer {
    let model = asked_model(body);
    if body["stream"] == true {
        return Answer::chat_stream(model, body["stream_options"]["include_usage"] == true);
    }
    Answer::json(
        200,
        &json!({
            "id": "chatcmpl-fake", "object": "chat.completion", "created": CREATED, "model": model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there.", "refusal": null},
                "logprobs": null, "finish_reason": "stop",
            }],
            "usage": chat_usage(), "service_tier": "default", "system_fingerprint": "fp_fake",
        }),
    )
}

fn completions(body: &Value) -> Answer {
    let model = asked_model(body);
    let choice =
        json!({"index": 0, "text": "Hello there.", "logprobs": null, "finish_reason": "stop"});
    if body["stream"] == true {
        return Answer::events(streams::completion_events(model, &choice, body));
    }
    Answer::json(
        200,
        &json!({
            "id": "cmpl-fake", "object": "text_completion", "created": CREATED, "model": model,
            "choices": [choice], "usage": chat_usage(),
        }),
    )
}

fn responses(body: &Value) -> Answer {
    if body["stream"] == true {
        return Answer::events(streams::responses_events(asked_model(body)));
    }
    Answer::json(200, &response("resp_fake", asked_model(body), "completed"))
}

fn response(id: &str, model: &str, status: &str) -> Value {
    let done = status == "completed";
    let output = json!([{
        "type": "message", "id": "msg_fake", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}],
    }]);
    json!({
        "id": id, "object": "response", "created_at": CREATED, "status": status, "model": model,
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
        "output": if done { output } else { json!([]) },
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [],
        "top_p": 1.0, "service_tier": "default",
        "usage": if done { responses_usage() } else { Value::Null },
    })
}

fn stored_response(request: &Seen, id: &str) -> Answer {
    match request.method.as_str() {
        "DELETE" => Answer::json(200, &json!({"id": id, "object": "response", "deleted": true})),
        "POST" => Answer::json(200, &response(id, "gpt-4o-mini", "cancelled")),
        _ => Answer::json(200, &response(id, "gpt-4o-mini", "completed")),
    }
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"})
}

fn models() -> Answer {
    let ids = ["gpt-4o-mini", "gpt-4o", "text-embedding-3-small", "whisper-1"];
    Answer::json(200, &json!({"object": "list", "data": ids.map(model)}))
}
