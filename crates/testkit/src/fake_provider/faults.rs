//! Answers that real providers, and what stands in front of them, have been seen to give.

use serde_json::{Value, json};

use super::answer::Answer;
use super::openai;
use super::request::Seen;

impl Answer {
    /// OpenAI's answer to a request without a key.
    pub fn key_missing() -> Self {
        Self::error(
            401,
            "invalid_request_error",
            "",
            "You didn't provide an API key. You need to provide your API key in an Authorization \
             header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    }

    /// OpenAI's answer to a key it does not know, which repeats the key's ends.
    pub fn key_rejected(key: &str) -> Self {
        Self::error(
            401,
            "invalid_request_error",
            "invalid_api_key",
            &format!(
                "Incorrect API key provided: {}. You can find your API key at \
                 https://platform.openai.com/account/api-keys.",
                masked(key)
            ),
        )
    }

    /// 429, the account's quota is used up: retrying is pointless.
    pub fn quota_exhausted() -> Self {
        Self::error(
            429,
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        )
    }

    /// 429, too many tokens a minute, with `Retry-After` in seconds.
    pub fn rate_limited(retry_after_seconds: u32) -> Self {
        let message = format!(
            "Rate limit reached for gpt-4o-mini in organization org-test on tokens per min (TPM): \
             Limit 30000, Used 29000, Requested 2000. Please try again in {retry_after_seconds}s."
        );
        Self::error(429, "tokens", "rate_limit_exceeded", &message)
            .header("retry-after", &retry_after_seconds.to_string())
            .header("x-ratelimit-limit-tokens", "30000")
            .header("x-ratelimit-remaining-tokens", "1000")
            .header("x-ratelimit-reset-tokens", "2s")
    }

    /// 503, the provider is overloaded.
    pub fn overloaded() -> Self {
        let message = "The server is currently overloaded with other requests.";
        Self::error(503, "service_unavailable_error", "server_is_overloaded", message)
    }

    /// 500, the provider failed.
    pub fn server_error() -> Self {
        let message = "The server had an error while processing your request.";
        Self::error(500, "server_error", "", message)
    }

    /// 404, no such model, or none this key may use.
    pub fn model_not_found(model: &str) -> Self {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        Self::error(404, "invalid_request_error", "model_not_found", &message)
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, "text/plain", "Moved.").header("location", location)
    }

    /// A sign-in page where JSON should be.
    pub fn html() -> Self {
        Self::new(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><html><body><script>alert(1)</script>Sign in</body></html>",
        )
    }

    /// Streams a correct beginning, then an error event, and ends cleanly.
    pub fn error_amid_stream() -> Self {
        let error = json!({"error": {"message": "The server had an error while processing your \
            request.", "type": "server_error", "param": null, "code": null}});
        let mut events = openai::chat_events("gpt-4o-mini", false);
        events.truncate(2);
        events.push(format!("data: {error}\n\n"));
        Self::events(events)
    }

    /// A correct streamed chat answer.
    pub fn chat_stream(model: &str, include_usage: bool) -> Self {
        Self::events(openai::chat_events(model, include_usage))
    }

    /// One event, on one line of about `length` bytes, then `[DONE]`.
    pub fn long_event(length: u64) -> Self {
        Self::events([r#"data: {"choices":[{"index":0,"delta":{"content":""#])
            .fill(b'x', length)
            .then("\"}}]}\n\n")
            .then("data: [DONE]\n\n")
    }

    /// A JSON body with one string of `length` bytes and no line break; its usage comes last.
    pub fn long_json(length: u64) -> Self {
        Self::new(200, "application/json", r#"{"object":"chat.completion","filler":""#)
            .fill(b'x', length)
            .then(format!(r#"","usage":{}}}"#, openai::chat_usage()))
    }
}

/// Tells the caller its own `Authorization` header back: in a header, and in the body, which is an
/// event stream if one was asked for.
pub fn echoing_authorization(request: &Seen) -> Answer {
    let value = request.header("authorization").unwrap_or_default();
    let body = json!({"id": "echo", "choices": [], "authorization": value});
    let answer = if request.json()["stream"] == Value::Bool(true) {
        // In the middle of the event, so that a mask which works line by line has its line.
        Answer::events([format!("data: {body}\n\n"), "data: [DONE]\n\n".to_owned()])
    } else {
        Answer::json(200, &body)
    };
    answer.header("x-request-id", value).header("x-echoed-authorization", value)
}

/// Answers under status 200 that are failures all the same, named.
pub fn failures_with_status_200() -> Vec<(&'static str, Answer)> {
    let quota = r#"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    let json = |body: &'static str| Answer::new(200, "application/json", body);
    vec![
        ("an error body", json(quota)),
        ("an error body in an array", json(r#"[{"error":{"message":"no","code":429}}]"#)),
        ("an error that is a string", json(r#"{"error":"model is loading"}"#)),
        ("a sign-in page", Answer::html()),
        ("a page labelled as JSON", json("<html>502 Bad Gateway</html>")),
        ("nothing", json("")),
        ("white space", json("  \r\n\t")),
        ("half a document", json(r#"{"id":"chatcmpl-1","object":"chat.comp"#)),
        ("null", json("null")),
        ("an error as the first event", Answer::events([format!("data: {quota}\n\n")])),
        ("an error amid a stream", Answer::error_amid_stream()),
        (
            "an error event by name",
            Answer::events([
                "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"no\",\"param\":null,\"sequence_number\":0}\n\n",
            ]),
        ),
        ("a stream without an event", Answer::events(Vec::<String>::new())),
        ("a stream of comments", Answer::events([": ping\n\n", ": ping\n\n"])),
    ]
}

/// Bytes that are not a valid HTTP/1.1 answer, named; each ends with its connection closed.
pub fn malformed() -> Vec<(&'static str, Answer)> {
    let with = |headers: &str, body: &str| {
        Answer::raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
        ))
    };
    let chunked = |body: &str| with("transfer-encoding: chunked\r\n", body);
    vec![
        ("a closed connection", Answer::raw("")),
        ("not HTTP", Answer::raw("hello\r\n\r\n")),
        ("a TLS alert", Answer::raw(&b"\x15\x03\x01\x00\x02\x02\x28"[..])),
        ("SSH", Answer::raw("SSH-2.0-OpenSSH_9.2\r\n")),
        ("HTTP/0.9", Answer::raw("{\"id\":1}")),
        ("another version", Answer::raw("HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n")),
        ("a status of two digits", Answer::raw("HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n")),
        ("half a head", Answer::raw("HTTP/1.1 200 OK\r\ncontent-ty")),
        ("a header without a colon", with("nonsense\r\n", "")),
        ("a NUL in a header", with("x-a: b\0c\r\ncontent-length: 2\r\n", "{}")),
        ("a name with a space", with("x a: b\r\ncontent-length: 2\r\n", "{}")),
        ("a megabyte of header", with(&format!("x-a: {}\r\n", "a".repeat(1 << 20)), "{}")),
        ("ten thousand headers", with(&"x-a: b\r\n".repeat(10_000), "{}")),
        ("a negative length", with("content-length: -1\r\n", "{}")),
        ("a length that is no number", with("content-length: two\r\n", "{}")),
        ("two lengths", with("content-length: 2\r\ncontent-length: 3\r\n", "{}")),
        ("a length above the body", with("content-length: 10\r\n", "{}")),
        ("a length past all numbers", with("content-length: 99999999999999999999\r\n", "{}")),
        (
            "an unknown transfer coding",
            with("transfer-encoding: tricked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ),
        ("a chunk size that is no number", chunked("xx\r\n{}\r\n0\r\n\r\n")),
        ("a chunk size past all numbers", chunked("fffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
        ("a chunk longer than its size", chunked("1\r\n{}\r\n0\r\n\r\n")),
        ("a chunk without its line break", chunked("2\r\n{}0\r\n\r\n")),
        ("no last chunk", chunked("2\r\n{}\r\n")),
        (
            "a switch of protocols nobody asked for",
            Answer::raw(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello",
            ),
        ),
    ]
}

/// A key as OpenAI's message shows it: its first eight characters and its last four.
fn masked(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    let show = |index: usize| index < 8 || index + 4 >= characters.len();
    characters.iter().enumerate().map(|(i, c)| if show(i) { *c } else { '*' }).collect()
}
