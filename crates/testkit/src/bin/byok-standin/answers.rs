//! The answers that do not change, head and all.

use std::sync::LazyLock;

const CHAT: &str = r#"{"id":"chatcmpl-standin","object":"chat.completion","created":1760000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I help you today?","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}"#;

const MODELS: &str = r#"{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1760000000,"owned_by":"system"}]}"#;

const UNKNOWN: &str = r#"{"error":{"message":"Invalid URL","type":"invalid_request_error","param":null,"code":null}}"#;

pub(crate) static CHAT_ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| json("200 OK", CHAT));
pub(crate) static MODELS_ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| json("200 OK", MODELS));
pub(crate) static UNKNOWN_ANSWER: LazyLock<Vec<u8>> =
    LazyLock::new(|| json("404 Not Found", UNKNOWN));

pub(crate) const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    x-request-id: req_standin\r\ntransfer-encoding: chunked\r\n\r\n";

fn json(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_standin\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
