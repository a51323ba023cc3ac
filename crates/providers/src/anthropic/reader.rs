//! Reads usage, model and errors from Anthropic's answers as they pass.

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, Findings, Opening, Seen, Usage};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::classify::classify;
use super::routes::is_count;
use super::usage::Report;
use crate::json_fields::JsonFields;
use crate::provider::{AnswerShape, Route};
use crate::sse::{Lines, data, opening};
use crate::unread::Unread;

pub(super) fn reader(route: &Route, events: bool) -> Box<dyn AnswerReader> {
    let counts = generates(route);
    if events {
        return Box::new(EventReader { counts, lenient: !route.known, ..EventReader::default() });
    }
    match route.operation.answer {
        AnswerShape::Bytes => Box::new(Unread),
        AnswerShape::Json => Box::new(DocumentReader {
            fields: JsonFields::new(&["usage", "model", "error", "id"]),
            makes: route.makes,
            counts,
        }),
    }
}

/// Whether the call makes what its answer counts: counting tokens is free, and a stored object is
/// only looked at.
fn generates(route: &Route) -> bool {
    route.method == Method::POST
        && !route.operation.name.contains("{id}")
        && !is_count(&route.operation)
}

/// The class of the value of an `error` field in an answer of status 200.
fn class_of(error: &[u8]) -> ErrorClass {
    classify(StatusCode::OK, &[b"{\"error\":", error, b"}"].concat())
}

/// A JSON document.
struct DocumentReader {
    fields: JsonFields,
    makes: Option<&'static str>,
    counts: bool,
}

impl DocumentReader {
    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_slice(self.fields.get(name)?).ok()
    }

    fn usage(&self) -> Option<Usage> {
        let report = Report::read(self.fields.get("usage").filter(|_| self.counts)?)?;
        report.usage(self.text("model").as_deref())
    }
}

impl AnswerReader for DocumentReader {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        self.fields.push(chunk);
        Seen::More
    }

    fn finish(&mut self) -> Findings {
        let error = self.fields.get("error").filter(|_| self.counts);
        let error = error.filter(|raw| raw.trim_ascii() != b"null");
        // Whatever its framing says: half a document is no answer.
        let cut_off = self.fields.is_open().then_some(ErrorClass::Truncated);
        Findings {
            usage: self.usage(),
            cost: None,
            model: self.text("model"),
            object_id: self.makes.and_then(|_| self.text("id")),
            error: error.map(class_of).or(cut_off),
            events: 0,
            complete: true,
            preliminary: false,
        }
    }
}

/// A streamed message.
#[derive(Default)]
struct EventReader {
    /// Whether its usage is this call's.
    counts: bool,
    /// How a stream of an unknown path ends is not known: any end is one.
    lenient: bool,
    lines: Lines,
    found: Findings,
    report: Option<Report>,
    ended: bool,
    /// Whether an event has come that is more than the beginning of a message.
    content: bool,
}

/// The fields of an event that matter.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// How the events begin that carry a token and nothing else, and those that carry nothing at all:
/// they pass without being parsed.
const UNREAD: [&[u8]; 2] = [b"{\"type\":\"content_block_", b"{\"type\":\"ping\""];

/// How the events begin that come before the content of a message.
const PREAMBLE: [&[u8]; 3] =
    [b"{\"type\":\"message_start\"", b"{\"type\":\"ping\"", b"{\"type\":\"content_block_start\""];

impl EventReader {
    fn event(&mut self, data: &[u8]) {
        self.found.events += 1;
        self.content = self.content || !PREAMBLE.iter().any(|begin| data.starts_with(begin));
        if UNREAD.iter().any(|begin| data.starts_with(begin)) {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else { return };
        match &*event.kind {
            "message_start" => {
                let message = event.message.and_then(|raw| serde_json::from_str(raw.get()).ok());
                let message: Option<Message<'_>> = message;
                self.report = message.as_ref().and_then(|m| read(m.usage));
                self.found.preliminary = true;
                self.found.model = message.and_then(|m| m.model).map(Cow::into_owned);
            }
            "message_delta" => {
                if let Some(later) = event.usage {
                    self.found.preliminary = false;
                    self.update(Report::read(later.get().as_bytes()));
                }
            }
            "message_stop" => self.ended = true,
            "error" => {
                self.found.error = Some(classify(StatusCode::OK, data));
                self.ended = true;
            }
            _ => {}
        }
    }

    /// A later word that cannot be read makes the whole unknown.
    fn update(&mut self, later: Option<Report>) {
        match (&mut self.report, later) {
            (Some(report), Some(later)) => report.update(later),
            (report, later) => *report = later.filter(|_| report.is_none()),
        }
    }
}

fn read(usage: Option<&RawValue>) -> Option<Report> {
    Report::read(usage?.get().as_bytes())
}

impl AnswerReader for EventReader {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(chunk, |line| {
            if let Some(data) = data(line) {
                self.event(data);
            }
        });
        self.lines = lines;
        if self.ended { Seen::End } else { Seen::More }
    }

    fn opening(&self) -> Opening {
        opening(self.found.error, self.content)
    }

    fn finish(&mut self) -> Findings {
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(|line| {
            if let Some(data) = data(line) {
                self.event(data);
            }
        });
        let mut found = std::mem::take(&mut self.found);
        let report = self.report.take().filter(|_| self.counts);
        found.usage = report.and_then(|report| report.usage(found.model.as_deref()));
        found.complete = self.ended || self.lenient;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(
        method: &Method,
        path: &str,
        events: bool,
        text: &str,
        step: usize,
    ) -> (Findings, bool) {
        let route = super::super::routes::drop_in(method, path);
        let mut reader = reader(&route, events);
        let mut end = false;
        for chunk in text.as_bytes().chunks(step) {
            end |= reader.read(chunk) == Seen::End;
        }
        (reader.finish(), end)
    }

    fn streamed(text: &str, step: usize) -> (Findings, bool) {
        read_as(&Method::POST, "v1/messages", true, text, step)
    }

    fn document(text: &str) -> Findings {
        read_as(&Method::POST, "v1/messages", false, text, 5).0
    }

    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-4-7\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":300,\"cache_creation\":{\"ephemeral_5m_input_tokens\":150,\"ephemeral_1h_input_tokens\":50},\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n";
    const MIDDLE: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n\
        event: ping\ndata: {\"type\": \"ping\"}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"{\\\"type\\\":\\\"message_stop\\\"} é\"}}\n\n\
        event: brand_new\ndata: {\"type\":\"brand_new\",\"usage\":{\"output_tokens\":9999}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n";
    const DELTA: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":42,\"output_tokens_details\":{\"thinking_tokens\":30}}}\n\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    #[test]
    fn a_stream_tells_usage_model_and_end_however_it_is_cut() {
        let text = [START, MIDDLE, DELTA, STOP].concat();
        for step in 1..=text.len() {
            let (found, end) = streamed(&text, step);
            let usage = found.usage.expect("usage");
            assert_eq!((usage.input, usage.cache_read, usage.output), (10, 300, 42), "step {step}");
            assert_eq!((usage.cache_write, usage.cache_write_1h, usage.reasoning), (150, 50, 30));
            assert_eq!(found.model.as_deref(), Some("claude-opus-4-7"));
            assert!(end && found.complete && found.error.is_none(), "step {step}");
        }
        let (found, end) = streamed(&text.replace('\n', "\r\n"), 3);
        assert_eq!((found.usage.map(|u| u.output), end), (Some(42), true));
    }

    #[test]
    fn a_stream_cut_before_its_end_is_incomplete_and_tells_what_it_told() {
        let whole = [START, MIDDLE, DELTA, STOP].concat();
        let stop = whole.rfind("\"message_stop\"").expect("there") + "\"message_stop\"}".len();
        for length in 0..stop {
            if !whole.is_char_boundary(length) {
                continue;
            }
            let (found, end) = streamed(&whole[..length], 16);
            assert!(!end && !found.complete, "{length}");
            let output = found.usage.map(|usage| usage.output);
            assert_eq!(found.usage.is_some() && found.preliminary, output == Some(1), "{length}");
            let told = match length {
                // An event counts when it is whole, with or without the end of its line.
                _ if length < START.len() - 2 => None,
                _ if length < START.len() + MIDDLE.len() + DELTA.len() - 2 => Some(1),
                _ => Some(42),
            };
            assert_eq!(output, told, "{length}");
        }
    }

    #[test]
    fn later_events_overwrite_what_they_name_and_keep_the_ratio_of_the_caches() {
        let delta = DELTA.replace(
            "\"output_tokens\":42",
            "\"input_tokens\":10682,\"cache_creation_input_tokens\":400,\"cache_read_input_tokens\":null,\"output_tokens\":510,\"server_tool_use\":{\"web_search_requests\":1}",
        );
        let (found, _) = streamed(&[START, DELTA, &delta, &delta, STOP].concat(), 100);
        let usage = found.usage.expect("usage");
        assert_eq!((usage.input, usage.cache_read, usage.output), (10682, 300, 510));
        assert_eq!((usage.cache_write, usage.cache_write_1h, usage.web_searches), (300, 100, 1));
    }

    #[test]
    fn a_doubled_start_counts_once_and_a_delta_alone_is_what_there_is() {
        let (found, _) = streamed(&[START, START, DELTA, DELTA, STOP].concat(), 64);
        assert_eq!(found.usage.map(|u| u.total()), Some(552));
        let (found, _) = streamed(&[DELTA, STOP].concat(), 64);
        assert_eq!(found.usage.map(|u| (u.input, u.output)), Some((0, 42)));
    }

    #[test]
    fn errors_inside_a_stream_are_found_and_end_it() {
        for (kind, class) in [
            ("overloaded_error", ErrorClass::ProviderDown),
            ("rate_limit_error", ErrorClass::RateLimited),
            ("billing_error", ErrorClass::QuotaExhausted),
            ("invalid_request_error", ErrorClass::RequestRejected),
        ] {
            let error = format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"Overloaded\"}}}}\n\n"
            );
            let (found, end) = streamed(&[START, MIDDLE, &error].concat(), 9);
            assert_eq!((found.error, end), (Some(class), true), "{kind}");
            assert_eq!(found.usage.map(|u| u.input), Some(10), "what was told before");
        }
    }

    #[test]
    fn an_error_that_says_more_than_anthropic_does_is_found() {
        let error = "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"},\"message\":\"busy\"}\n\n";
        let (found, end) = streamed(&[START, error].concat(), 9);
        assert_eq!((found.error, end), (Some(ErrorClass::ProviderDown), true));
    }

    #[test]
    fn nonsense_in_a_stream_makes_its_usage_unknown() {
        for nonsense in [
            "{\"output_tokens\":-42}",
            "{\"output_tokens\":1e30}",
            "{\"output_tokens\":\"42\"}",
            "{\"output_tokens\":42,\"input_tokens\":-1}",
            "[]",
            "7",
        ] {
            let delta = format!("data: {{\"type\":\"message_delta\",\"usage\":{nonsense}}}\n\n");
            let (found, end) = streamed(&[START, &delta, STOP].concat(), 64);
            assert_eq!((found.usage, end), (None, true), "{nonsense}");
        }
        let delta = "data: {\"type\":\"message_delta\",\"usage\":null}\n\n";
        let (found, _) = streamed(&[START, delta, STOP].concat(), 64);
        assert_eq!(found.usage.map(|u| u.output), Some(1), "null says nothing");
    }

    #[test]
    fn a_document_tells_usage_model_errors_and_the_object_it_made() {
        let found = document(
            r#"{"id":"msg_1","type":"message","model":"claude-opus-4-7","content":[{"type":"tool_use","id":"t","name":"n","input":{"usage":{"output_tokens":7}}}],"usage":{"input_tokens":10,"output_tokens":42}}"#,
        );
        assert_eq!(found.usage.map(|u| (u.input, u.output)), Some((10, 42)));
        assert_eq!((found.model.as_deref(), found.object_id), (Some("claude-opus-4-7"), None));
        let found = document(r#"{"type":"error","error":{"type":"overloaded_error"}}"#);
        assert_eq!((found.error, found.usage), (Some(ErrorClass::ProviderDown), None));
        assert_eq!(document(r#"{"id":"msg_1","usage":{"#).error, Some(ErrorClass::Truncated));
        for (path, id) in [("v1/messages/batches", "msgbatch_1"), ("v1/files", "file_1")] {
            let text = format!(r#"{{"id":"{id}","type":"x","error":null}}"#);
            let (found, _) = read_as(&Method::POST, path, false, &text, 3);
            assert_eq!((found.object_id.as_deref(), found.error), (Some(id), None));
        }
    }

    #[test]
    fn only_what_generates_is_counted() {
        let text = r#"{"id":"x","input_tokens":14,"usage":{"input_tokens":14,"output_tokens":2}}"#;
        for (method, path, counts) in [
            (Method::POST, "v1/messages", true),
            (Method::POST, "v1/brand/new", true),
            (Method::POST, "v1/messages/count_tokens", false),
            (Method::GET, "v1/messages/batches/b_1", false),
            (Method::POST, "v1/messages/batches/b_1/cancel", false),
            (Method::GET, "v1/models", false),
        ] {
            let (found, _) = read_as(&method, path, false, text, 64);
            assert_eq!(found.usage.is_some(), counts, "{method} {path}");
        }
        let results =
            "{\"custom_id\":\"a\",\"result\":{\"message\":{\"usage\":{\"output_tokens\":5}}}}\n";
        let path = "v1/messages/batches/b_1/results";
        let (found, _) = read_as(&Method::GET, path, false, &results.repeat(3), 7);
        assert_eq!(found, Findings { complete: true, ..Findings::default() });
    }
}
