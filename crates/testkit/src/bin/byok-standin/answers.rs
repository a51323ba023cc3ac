//! The answers that do not change, head and all.

use std::sync::LazyLock;

/// A document that is answered at once, or events that all come together.
pub(crate) type Answer = LazyLock<Vec<u8>>;

pub(crate) static MODELS: Answer = LazyLock::new(|| {
    document(
        "200 OK",
        r#"{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1760000000,"owned_by":"system"}]}"#,
    )
});

pub(crate) static UNKNOWN: Answer = LazyLock::new(|| {
    document(
        "404 Not Found",
        r#"{"error":{"message":"Invalid URL","type":"invalid_request_error","param":null,"code":null}}"#,
    )
});

pub(crate) static CHAT: Answer = LazyLock::new(|| {
    document(
        "200 OK",
        r#"{"id":"chatcmpl-standin","object":"chat.completion","created":1760000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I help you today?","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}"#,
    )
});

/// OpenAI's responses.
pub(crate) static RESPONSE: Answer = LazyLock::new(|| document("200 OK", &response("completed")));

pub(crate) static RESPONSE_EVENTS: Answer = LazyLock::new(|| {
    let whole =
        |kind: &str| format!(r#"{{"type":"response.{kind}","response":{}}}"#, response(kind));
    let mut data = vec![whole("created")];
    for word in WORDS {
        data.push(format!(r#"{{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"{word}"}}"#));
    }
    data.push(whole("completed"));
    events(&data, true)
});

/// Anthropic's messages.
pub(crate) static MESSAGE: Answer = LazyLock::new(|| {
    document(
        "200 OK",
        r#"{"id":"msg_standin","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"Hello! How can I help you today?"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":9,"service_tier":"standard"}}"#,
    )
});

pub(crate) static MESSAGE_EVENTS: Answer = LazyLock::new(|| {
    let mut data = vec![
        r#"{"type":"message_start","message":{"id":"msg_standin","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}"#.to_owned(),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.to_owned(),
    ];
    for word in WORDS {
        data.push(format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{word}"}}}}"#));
    }
    data.push(r#"{"type":"content_block_stop","index":0}"#.to_owned());
    data.push(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#.to_owned());
    data.push(r#"{"type":"message_stop"}"#.to_owned());
    events(&data, true)
});

/// Google's generated content.
pub(crate) static CONTENT: Answer = LazyLock::new(|| {
    document("200 OK", &content("Hello! How can I help you today?", r#","finishReason":"STOP""#))
});

pub(crate) static CONTENT_EVENTS: Answer = LazyLock::new(|| {
    let mut data: Vec<_> = WORDS.iter().map(|word| content(word, "")).collect();
    data.push(content("", r#","finishReason":"STOP""#));
    events(&data, false)
});

pub(crate) const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    x-request-id: req_standin\r\ntransfer-encoding: chunked\r\n\r\n";

const WORDS: [&str; 8] = ["Hello!", " How", " can", " I", " help", " you", " today", "?"];

fn response(status: &str) -> String {
    format!(
        r#"{{"id":"resp_standin","object":"response","created_at":1760000000,"status":"{status}","error":null,"model":"gpt-4o-mini","output":[{{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"Hello! How can I help you today?","annotations":[]}}]}}],"service_tier":"default","tools":[],"usage":{{"input_tokens":9,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":9,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":18}}}}"#
    )
}

fn content(text: &str, finish: &str) -> String {
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"index":0{finish}}}],"usageMetadata":{{"promptTokenCount":9,"candidatesTokenCount":9,"totalTokenCount":18}},"modelVersion":"gemini-2.5-flash"}}"#
    )
}

fn document(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_standin\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Each of `data` an event in a chunk of its own; `named` puts its `type` before it.
fn events(data: &[String], named: bool) -> Vec<u8> {
    let mut bytes = STREAM_HEAD.to_vec();
    for data in data {
        let kind = data.strip_prefix("{\"type\":\"").and_then(|rest| rest.split('"').next());
        let event = match kind.filter(|_| named) {
            Some(kind) => format!("event: {kind}\ndata: {data}\n\n"),
            None => format!("data: {data}\n\n"),
        };
        bytes.extend(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
