//! What kind of body an answer announces.

use http::{HeaderMap, HeaderValue, header};

/// A `Content-Type`, as far as calls are treated differently by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`, or a type built on it.
    Json,
    /// `text/event-stream`.
    Events,
    /// `application/vnd.amazon.eventstream`: frames of events.
    AwsEvents,
    /// `application/stream+json`: a line for each event.
    EventLines,
    /// `text/html`: where an API should answer, a proxy's or a host's error page.
    Page,
    /// Anything else, or nothing.
    Other,
}

impl MediaType {
    /// Whether the body is a stream of events.
    pub fn is_events(self) -> bool {
        matches!(self, Self::Events | Self::AwsEvents | Self::EventLines)
    }

    /// What `headers` announce.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Self::Other };
        let essence = essence(value);
        let ends = essence.len().checked_sub(b"+json".len()).map(|at| &essence[at..]);
        if essence.eq_ignore_ascii_case(b"application/stream+json") {
            Self::EventLines
        } else if essence.eq_ignore_ascii_case(b"application/json")
            || ends.is_some_and(|end| end.eq_ignore_ascii_case(b"+json"))
        {
            Self::Json
        } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
            Self::Events
        } else if essence.eq_ignore_ascii_case(b"application/vnd.amazon.eventstream") {
            Self::AwsEvents
        } else if essence.eq_ignore_ascii_case(b"text/html") {
            Self::Page
        } else {
            Self::Other
        }
    }
}

/// The type without its parameters.
pub fn essence(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
    bytes[..end].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter() {
        for (text, expected) in [
            ("application/json", MediaType::Json),
            ("Application/JSON; charset=utf-8", MediaType::Json),
            ("application/problem+json", MediaType::Json),
            ("application/stream+json", MediaType::EventLines),
            ("text/event-stream;charset=utf-8", MediaType::Events),
            ("application/vnd.amazon.eventstream", MediaType::AwsEvents),
            (" text/html ", MediaType::Page),
            ("application/jsonl", MediaType::Other),
            ("json", MediaType::Other),
            ("", MediaType::Other),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(text).expect("value"));
            assert_eq!(MediaType::of(&headers), expected, "{text}");
        }
        assert_eq!(MediaType::of(&HeaderMap::new()), MediaType::Other);
    }
}
