//! Reads usage and errors from Cohere's answers as they pass. They never name the model.

use byok_domain::{AnswerReader, ErrorClass, Findings, Opening, Seen};
use http::{Method, StatusCode};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::classify::{classify, of_finish};
use super::usage::usage;
use crate::json_fields::JsonFields;
use crate::media_type::MediaType;
use crate::provider::Route;
use crate::sse::{Lines, data, opening};

pub(super) fn reader(route: &Route, media: MediaType) -> Box<dyn AnswerReader> {
    // Looking at a stored object repeats what was counted when it was made.
    let counts = route.method == Method::POST && !route.operation.name.contains("{id}");
    if media.is_events() {
        return Box::new(EventReader {
            counts,
            bare: media == MediaType::EventLines,
            lenient: !route.known,
            lines: Lines::default(),
            found: Findings::default(),
            content: false,
        });
    }
    Box::new(DocumentReader { fields: JsonFields::new(&FIELDS), makes: route.makes, counts })
}

const FIELDS: [&str; 6] = ["usage", "meta", "finish_reason", "id", "job_id", "batch"];

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

    /// The id of what was made: an embed job's, a batch's or a dataset's.
    fn made(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Batch {
            id: String,
        }
        let batch = self.fields.get("batch");
        let batch = batch.and_then(|raw| serde_json::from_slice::<Batch>(raw).ok());
        batch.map(|batch| batch.id).or_else(|| self.text("job_id")).or_else(|| self.text("id"))
    }
}

impl AnswerReader for DocumentReader {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        self.fields.push(chunk);
        Seen::More
    }

    fn finish(&mut self) -> Findings {
        let wire = self.fields.get("usage").or_else(|| self.fields.get("meta"));
        let failed = self.text("finish_reason").and_then(|reason| of_finish(&reason));
        // Whatever its framing says: half a document is no answer.
        let cut_off = self.fields.is_open().then_some(ErrorClass::Truncated);
        Findings {
            usage: wire.filter(|_| self.counts).and_then(usage),
            cost: None,
            model: None,
            object_id: self.makes.and_then(|_| self.made()),
            error: failed.filter(|_| self.counts).or(cut_off),
            events: 0,
            complete: true,
            preliminary: false,
        }
    }
}

/// An event stream, or the lines that version 1 streams.
struct EventReader {
    counts: bool,
    /// Whether each line is an event, without `data:` before it.
    bare: bool,
    /// How a stream of an unknown path ends is not known: any end is one.
    lenient: bool,
    lines: Lines,
    found: Findings,
    /// Whether an event has come that is more than the beginning of an answer.
    content: bool,
}

/// The fields of an event that matter, in either version.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    event_type: Option<&'a str>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    finish_reason: Option<&'a str>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    message: Option<&'a RawValue>,
}

/// What the last event of version 2 carries.
#[derive(Deserialize)]
struct LastDelta<'a> {
    finish_reason: Option<&'a str>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// The whole answer once more, in the last event of version 1.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

impl EventReader {
    fn line(&mut self, line: &[u8]) {
        let event = if self.bare { Some(line) } else { data(line) };
        match event.map(<[u8]>::trim_ascii) {
            None | Some(b"" | b"[DONE]") => {}
            Some(event) => self.event(event),
        }
    }

    fn event(&mut self, event: &[u8]) {
        self.found.events += 1;
        let has = |needle: &[u8]| memmem::find(event, needle).is_some();
        self.content = self.content || !has(b"-start\"");
        // Most events carry a token and nothing else: they are told apart without being parsed.
        if (has(b"\"type\"") || has(b"\"event_type\"")) && !has(b"-end\"") {
            return;
        }
        let Ok(parsed) = serde_json::from_slice::<Event<'_>>(event) else { return };
        match parsed.kind.or(parsed.event_type) {
            Some("message-end") => {
                let delta =
                    parsed.delta.map(|raw| serde_json::from_str::<LastDelta<'_>>(raw.get()));
                let (reason, usage) = match delta {
                    Some(Ok(delta)) => (delta.finish_reason, delta.usage),
                    _ => (None, None),
                };
                self.end(reason, usage);
            }
            Some("stream-end") => {
                self.end(parsed.finish_reason, parsed.response.and_then(|answer| answer.meta));
            }
            None if parsed.message.is_some() => {
                self.found.error = Some(classify(StatusCode::OK, event));
            }
            _ => {}
        }
    }

    fn end(&mut self, reason: Option<&str>, wire: Option<&RawValue>) {
        self.found.complete = true;
        self.found.usage = wire.and_then(|wire| usage(wire.get().as_bytes()));
        self.found.error = reason.and_then(of_finish).or(self.found.error);
    }
}

impl AnswerReader for EventReader {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(chunk, |line| self.line(line));
        self.lines = lines;
        if self.found.complete { Seen::End } else { Seen::More }
    }

    fn opening(&self) -> Opening {
        opening(self.found.error, self.content)
    }

    fn finish(&mut self) -> Findings {
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(|line| self.line(line));
        let mut found = std::mem::take(&mut self.found);
        found.usage = found.usage.filter(|_| self.counts);
        found.complete |= self.lenient;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, media: MediaType, text: &str, step: usize) -> (Findings, bool) {
        let route = super::super::routes::drop_in(&Method::POST, path);
        let mut reader = reader(&route, media);
        let mut end = false;
        for chunk in text.as_bytes().chunks(step) {
            end |= reader.read(chunk) == Seen::End;
        }
        (reader.finish(), end)
    }

    const V2: &str = "event: message-start\ndata: {\"id\":\"c1\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[]}}}\n\n\
        event: content-start\ndata: {\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
        event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"say \\\"message-end\\\"\"}}}}\n\n\
        event: content-end\ndata: {\"type\":\"content-end\",\"index\":0}\n\n\
        event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":8.0,\"output_tokens\":20},\"tokens\":{\"input_tokens\":74,\"output_tokens\":20}}}}\n\n\
        data: [DONE]\n\n";
    const V1: &str = "{\"is_finished\":false,\"event_type\":\"stream-start\",\"generation_id\":\"g1\"}\n\
        {\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"hi\"}\n\
        {\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"response\":{\"response_id\":\"r1\",\"text\":\"hi\",\"meta\":{\"api_version\":{\"version\":\"1\"},\"billed_units\":{\"input_tokens\":8,\"output_tokens\":20}}}}\n";

    #[test]
    fn both_streams_tell_what_is_billed_in_their_last_event_however_they_are_cut() {
        let as_events = V1.lines().map(|line| format!("data: {line}\n\n")).collect::<String>();
        for (path, media, text) in [
            ("v2/chat", MediaType::Events, V2),
            ("v1/chat", MediaType::EventLines, V1),
            ("v1/chat", MediaType::Events, &as_events),
        ] {
            for step in 1..=text.len() {
                let (found, end) = read(path, media, text, step);
                let usage = found.usage.unwrap_or_else(|| panic!("{path} step {step}"));
                assert_eq!((usage.input, usage.output), (8, 20), "{path} step {step}");
                assert!(end && found.complete && found.error.is_none(), "{path} step {step}");
            }
        }
    }

    #[test]
    fn a_stream_that_breaks_off_or_fails_inside_is_told() {
        let cut = V2.find("event: message-end").expect("there") + 40;
        let (found, end) = read("v2/chat", MediaType::Events, &V2[..cut], 9);
        assert!(!end && !found.complete && found.usage.is_none() && found.error.is_none());
        for (text, class, complete) in [
            (
                "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"boom\"}}\n\n",
                ErrorClass::ProviderDown,
                true,
            ),
            (
                "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TIMEOUT\"}}\n\n",
                ErrorClass::ProviderDown,
                true,
            ),
            (
                "data: {\"id\":\"1\",\"message\":\"internal server error\"}\n\n",
                ErrorClass::ProviderDown,
                false,
            ),
        ] {
            let (found, _) = read("v2/chat", MediaType::Events, text, 9);
            assert_eq!((found.error, found.complete), (Some(class), complete), "{text}");
        }
    }

    #[test]
    fn documents_tell_usage_errors_and_what_they_made() {
        let chat = r#"{"id":"c1","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"usage":{"billed_units":{"input_tokens":8,"output_tokens":20}}}"#;
        let embed = r#"{"id":"e1","embeddings":{"float":[[0.1]]},"texts":["hi"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":2}}}"#;
        let failed = r#"{"id":"c1","finish_reason":"ERROR","message":{}}"#;
        for step in [1, 7, chat.len()] {
            let found = read("v2/chat", MediaType::Json, chat, step).0;
            assert_eq!(found.usage.map(|u| (u.input, u.output)), Some((8, 20)));
            assert_eq!(
                read("v1/embed", MediaType::Json, embed, step).0.usage.map(|u| u.input),
                Some(2)
            );
            let found = read("v2/chat", MediaType::Json, failed, step).0;
            assert_eq!((found.error, found.usage), (Some(ErrorClass::ProviderDown), None));
        }
        for (path, text, id) in [
            ("v1/embed-jobs", r#"{"job_id":"j1","meta":{}}"#, Some("j1")),
            ("v2/batches", r#"{"batch":{"id":"b1","status":"QUEUED"}}"#, Some("b1")),
            ("v1/datasets", r#"{"id":"ds-1"}"#, Some("ds-1")),
            ("v2/chat", chat, None),
        ] {
            assert_eq!(read(path, MediaType::Json, text, 3).0.object_id.as_deref(), id, "{path}");
        }
        let half = read("v2/chat", MediaType::Json, &chat[..40], 9).0;
        assert_eq!(half.error, Some(ErrorClass::Truncated));
    }
}
