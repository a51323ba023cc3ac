//! The event streams of OpenAI's text routes, one string an event.

use serde_json::{Value, json};

use super::{CREATED, chat_usage, response};

const DONE: &str = "data: [DONE]\n\n";

/// A streamed chat answer; with `include_usage` every chunk has `"usage":null` until the last.
pub(in crate::fake_provider) fn chat_events(model: &str, include_usage: bool) -> Vec<String> {
    let choice = |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
    let mut choices = vec![
        choice(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null),
        choice(json!({"content": "Hello"}), Value::Null),
        choice(json!({"content": " there."}), Value::Null),
        choice(json!({}), "stop".into()),
    ];
    if include_usage {
        choices.push(json!([]));
    }
    let last = choices.len() - 1;
    let mut events: Vec<String> = Vec::new();
    for (index, choices) in choices.into_iter().enumerate() {
        let mut chunk = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": CREATED,
            "model": model, "service_tier": "default", "system_fingerprint": "fp_fake",
            "choices": choices,
        });
        if include_usage {
            chunk["usage"] = if index == last { chat_usage() } else { Value::Null };
        }
        events.push(format!("data: {chunk}\n\n"));
    }
    events.push(DONE.to_owned());
    events
}

pub(super) fn completion_events(model: &str, choice: &Value, request: &Value) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "cmpl-fake", "object": "text_completion", "created": CREATED, "model": model,
            "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![chunk(json!([choice]), Value::Null)];
    if request["stream_options"]["include_usage"] == true {
        events.push(chunk(json!([]), chat_usage()));
    }
    events.push(DONE.to_owned());
    events
}

/// A streamed answer of the Responses API: named events, no `[DONE]`.
pub(super) fn responses_events(model: &str) -> Vec<String> {
    let text = |delta: &str| json!({"item_id": "msg_fake", "output_index": 0, "content_index": 0, "delta": delta});
    let begun = || json!({"response": response("resp_fake", model, "in_progress")});
    let events = [
        ("response.created", begun()),
        ("response.in_progress", begun()),
        ("response.output_text.delta", text("Hello")),
        ("response.output_text.delta", text(" there.")),
        ("response.completed", json!({"response": response("resp_fake", model, "completed")})),
    ];
    let numbered = events.into_iter().enumerate().map(|(number, (name, mut data))| {
        data["type"] = name.into();
        data["sequence_number"] = number.into();
        format!("event: {name}\ndata: {data}\n\n")
    });
    numbered.collect()
}
