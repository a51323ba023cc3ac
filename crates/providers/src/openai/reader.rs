//! Reads usage, model and errors from OpenAI's answers as they pass.

use std::borrow::Cow;

use byok_domain::{AnswerReader, ErrorClass, Findings, Opening, Seen, Usage};
use http::{Method, StatusCode};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::classify::classify;
use crate::json_fields::JsonFields;
use crate::provider::{AnswerShape, Route};
use crate::sse::{Lines, data, opening};
use crate::unread::Unread;
use crate::wire_usage::{add_tools, audio_seconds, openai_usage, service_tier, told_cost};

/// The class of the value of an `error` field in an answer of status 200.
fn class_of(error: &[u8]) -> ErrorClass {
    classify(StatusCode::OK, &[b"{\"error\":", error, b"}"].concat())
}

/// A reader; `tells_cost` where the usage of the host says what was charged.
pub(super) fn reader(route: &Route, events: bool, tells_cost: bool) -> Box<dyn AnswerReader> {
    let counts = generates(route);
    if events {
        return Box::new(EventReader {
            makes: route.makes,
            chat: is_chat(route),
            counts,
            tells_cost,
            lenient: !route.known,
            ..EventReader::default()
        });
    }
    match route.operation.answer {
        AnswerShape::Bytes => Box::new(Unread),
        AnswerShape::Json => {
            let fields = JsonFields::new(&FIELDS);
            let (makes, chat) = (route.makes, is_chat(route));
            Box::new(DocumentReader { fields, makes, counts, chat, tells_cost })
        }
    }
}

/// Whether the call makes what its answer counts. Looking at a stored response, or cancelling it,
/// repeats the usage that was counted when it was made.
fn generates(route: &Route) -> bool {
    route.method == Method::POST && !route.operation.name.contains("{id}")
}

fn is_chat(route: &Route) -> bool {
    let name = route.operation.name;
    name == "chat" || name.ends_with("completions")
}

/// Whether a chat model searches the web for every answer: its fee is not told.
fn always_searches(model: &str) -> bool {
    model.contains("-search-preview") || model.contains("-search-api")
}

const FIELDS: [&str; 8] =
    ["usage", "usage_info", "model", "service_tier", "error", "id", "duration", "tool_usage"];

/// A JSON document.
struct DocumentReader {
    fields: JsonFields,
    makes: Option<&'static str>,
    counts: bool,
    chat: bool,
    tells_cost: bool,
}

impl DocumentReader {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        serde_json::from_slice::<Text<'_>>(self.fields.get(name)?).ok().map(|text| text.0)
    }

    fn usage(&self) -> Option<Usage> {
        if !self.counts {
            return None;
        }
        // What Mistral reads of documents is told under a name of its own.
        let told = self.fields.get("usage").or_else(|| self.fields.get("usage_info"));
        let mut usage = match told.filter(|raw| raw.trim_ascii() != b"null") {
            Some(wire) => openai_usage(wire)?,
            None => audio_seconds(serde_json::from_slice(self.fields.get("duration")?).ok()?)?,
        };
        if let Some(tier) = self.text("service_tier") {
            usage.tier = service_tier(&tier);
        }
        if let Some(tools) = self.fields.get("tool_usage") {
            add_tools(&mut usage, tools);
        }
        if self.chat && self.text("model").is_some_and(|model| always_searches(&model)) {
            usage.web_searches = 1;
        }
        Some(usage)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl AnswerReader for DocumentReader {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        self.fields.push(chunk);
        Seen::More
    }

    fn finish(&mut self) -> Findings {
        // Of a stored response it tells how that one ended, not this call.
        let error = self.fields.get("error").filter(|_| self.counts);
        let error = error.filter(|raw| raw.trim_ascii() != b"null");
        // Whatever its framing says: half a document is no answer.
        let cut_off = self.fields.is_open().then_some(ErrorClass::Truncated);
        let usage = self.usage();
        let told = self.fields.get("usage").filter(|_| self.tells_cost && usage.is_some());
        Findings {
            usage,
            cost: told.and_then(told_cost),
            model: self.text("model").map(Cow::into_owned),
            object_id: self.makes.and_then(|_| self.text("id")).map(Cow::into_owned),
            error: error.map(class_of).or(cut_off),
            events: 0,
            complete: true,
            preliminary: false,
        }
    }
}

/// An event stream of chat completions, responses, transcriptions, speech or images.
#[derive(Default)]
struct EventReader {
    makes: Option<&'static str>,
    chat: bool,
    /// Whether its usage is this call's.
    counts: bool,
    tells_cost: bool,
    /// How a stream of an unknown path ends is not known: any end is one.
    lenient: bool,
    lines: Lines,
    found: Findings,
    tier: Option<String>,
    ended: bool,
    /// Whether a choice has finished, or the chunk of usage alone has come.
    chat_over: bool,
    /// Whether an event has come that is more than the beginning of an answer.
    content: bool,
}

/// Whether a choice ends in this chunk, however its JSON is spaced.
fn finishes(chunk: &[u8]) -> bool {
    const NAME: &[u8] = b"\"finish_reason\"";
    memmem::find_iter(chunk, NAME).any(|at| {
        let value = chunk[at + NAME.len()..].trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"\""))
    })
}

/// The fields of an event that matter, whichever API it belongs to.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a str>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    response: Option<ResponseObject<'a>>,
    /// Where Groq tells usage that nobody asked for.
    #[serde(borrow, default)]
    x_groq: Option<Beside<'a>>,
}

#[derive(Deserialize)]
struct Beside<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResponseObject<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
}

/// Events of the responses, audio and image APIs that end their stream.
const LAST_EVENTS: [&str; 11] = [
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
    "transcript.text.done",
    "speech.audio.done",
    "image_generation.completed",
    "image_edit.completed",
    // Mistral's.
    "transcription.done",
    "conversation.response.done",
    "conversation.response.error",
];

/// How the events of the responses API begin that come before its content.
const PREAMBLE: [&[u8]; 5] = [
    b"\"response.created\"",
    b"\"response.queued\"",
    b"\"response.in_progress\"",
    b"\"response.output_item.added\"",
    b"\"response.content_part.added\"",
];

impl EventReader {
    /// Whether an event says no more than that an answer begins.
    fn is_preamble(&self, data: &[u8]) -> bool {
        let has = |needle: &[u8]| memmem::find(data, needle).is_some();
        if self.chat {
            let empty = has(b"\"content\":\"\"") || has(b"\"content\":null");
            return empty && has(b"\"role\"") && !has(b"\"tool_calls\"");
        }
        PREAMBLE.iter().any(|kind| has(kind))
    }

    fn event(&mut self, data: &[u8]) {
        if data == b"[DONE]" {
            self.ended = true;
            return;
        }
        self.found.events += 1;
        self.content = self.content || !self.is_preamble(data);
        if self.chat {
            self.chat_over |= finishes(data);
        }
        if self.passes_unread(data) {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else { return };
        let Event { kind, object, choices, model, usage, error, service_tier, response, x_groq } =
            event;
        let usage = usage.or(x_groq.and_then(|beside| beside.usage));
        let last = kind.is_some_and(|kind| LAST_EVENTS.contains(&kind));
        let has_choices = choices.is_some_and(|raw| raw.get().contains('{'));
        self.chat_over |= !has_choices && usage.is_some_and(|raw| raw.get() != "null");
        self.take(model, usage, service_tier);
        if let (Some("speech.audio.done"), Some(usage)) = (kind, self.found.usage.as_mut()) {
            // All that speech puts out is audio, though its usage does not say so.
            usage.audio_output = usage.output;
        }
        // Mistral's errors, and vLLM's of old, are no field of an event but the event itself.
        let is_error = object.is_some_and(|raw| raw.get() == "\"error\"");
        let is_error = is_error || matches!(kind, Some("error" | "conversation.response.error"));
        if is_error && error.is_none() {
            self.found.error = Some(classify(StatusCode::OK, data));
        }
        if let Some(error) = error.filter(|raw| raw.get() != "null") {
            self.found.error = Some(class_of(error.get().as_bytes()));
        }
        if let Some(response) = response {
            let id = response.id.filter(|_| self.makes.is_some());
            self.found.object_id = id.map(Cow::into_owned).or(self.found.object_id.take());
            self.take(response.model, response.usage, response.service_tier);
            if let (Some(usage), Some(tools)) = (self.found.usage.as_mut(), response.tool_usage) {
                add_tools(usage, tools.get().as_bytes());
            }
            if let Some(error) = response.error.filter(|raw| raw.get() != "null") {
                self.found.error = Some(class_of(error.get().as_bytes()));
            }
        }
        self.ended |= last;
    }

    /// Most events carry a token and nothing else: they are told apart without being parsed.
    fn passes_unread(&self, data: &[u8]) -> bool {
        let has = |needle: &[u8]| memmem::find(data, needle).is_some();
        let first = self.found.model.is_none() && has(b"\"model\"");
        let plain_chat = self.chat && (!has(b"\"usage\"") || has(b"\"usage\":null"));
        let telling = if self.chat {
            !plain_chat
        } else {
            has(b"\"usage\"")
                || has(b"\"type\":\"error\"")
                || has(b".done\"")
                || has(b".error\"")
                || has(b"completed\"")
        };
        !(first || telling || has(b"\"error\""))
    }

    fn take(
        &mut self,
        model: Option<Cow<'_, str>>,
        usage: Option<&RawValue>,
        tier: Option<Cow<'_, str>>,
    ) {
        if let Some(model) = model.filter(|m| !m.is_empty()) {
            self.found.model = Some(model.into_owned());
        }
        if let Some(tier) = tier {
            self.tier = Some(tier.into_owned());
        }
        // Some hosts repeat a running total in every chunk: the last word counts.
        if let Some(wire) = usage.filter(|raw| raw.get() != "null") {
            self.found.usage = openai_usage(wire.get().as_bytes());
            let told = self.found.usage.filter(|_| self.tells_cost);
            self.found.cost = told.and_then(|_| told_cost(wire.get().as_bytes()));
        }
    }
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
        if !self.counts {
            (found.usage, found.cost) = (None, None);
        }
        if let (Some(usage), Some(tier)) = (found.usage.as_mut(), &self.tier) {
            usage.tier = service_tier(tier);
        }
        let searched = self.chat && found.model.as_deref().is_some_and(always_searches);
        if let (Some(usage), true) = (found.usage.as_mut(), searched) {
            usage.web_searches = 1;
        }
        // Not every compatible host sends [DONE]; a finish reason or the usage is an end as well,
        // but not the running total that some tell in every chunk.
        found.complete = self.lenient || self.ended || (self.chat && self.chat_over);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::usage::ServiceTier;
    fn read(path: &str, events: bool, text: &str, step: usize) -> (Findings, bool) {
        let route = super::super::routes::drop_in(&Method::POST, path);
        let mut reader = reader(&route, events, false);
        let mut end = false;
        for chunk in text.as_bytes().chunks(step) {
            end |= reader.read(chunk) == Seen::End;
        }
        (reader.finish(), end)
    }

    const CHAT: &str = "data: {\"id\":\"c1\",\"model\":\"gpt-5.4-2026-03-05\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\n\
        data: {\"id\":\"c1\",\"model\":\"gpt-5.4-2026-03-05\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n\
        data: {\"id\":\"c1\",\"model\":\"gpt-5.4-2026-03-05\",\"service_tier\":\"priority\",\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":40,\"total_tokens\":140,\"prompt_tokens_details\":{\"cached_tokens\":64}}}\n\n\
        data: [DONE]\n\n";
    const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r1\",\"model\":\"gpt-5.4\",\"usage\":null}}\n\n\
        event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n\
        event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r1\",\"model\":\"gpt-5.4\",\"service_tier\":\"default\",\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":64},\"output_tokens\":40,\"output_tokens_details\":{\"reasoning_tokens\":20}},\"tool_usage\":{\"web_search\":{\"num_requests\":2}}}}\n\n";

    #[test]
    fn a_chat_stream_tells_usage_model_tier_and_end_however_it_is_cut() {
        for step in 1..=CHAT.len() {
            let (found, end) = read("chat/completions", true, CHAT, step);
            let usage = found.usage.expect("usage");
            assert_eq!((usage.input, usage.cache_read, usage.output), (36, 64, 40), "step {step}");
            assert_eq!(usage.tier, ServiceTier::Priority);
            assert_eq!(found.model.as_deref(), Some("gpt-5.4-2026-03-05"));
            assert!(end && found.complete && found.error.is_none());
        }
    }

    #[test]
    fn a_responses_stream_tells_usage_in_its_last_event() {
        for step in [1, 7, 64, RESPONSES.len()] {
            let (found, end) = read("responses", true, RESPONSES, step);
            let usage = found.usage.expect("usage");
            assert_eq!((usage.input, usage.output, usage.reasoning), (36, 40, 20));
            assert_eq!(usage.web_searches, 2);
            assert_eq!(found.model.as_deref(), Some("gpt-5.4"));
            assert!(end && found.complete);
        }
    }

    #[test]
    fn a_stream_cut_before_its_end_is_incomplete() {
        let cut = CHAT.find("finish_reason").expect("there") - 30;
        for (path, text) in [
            ("chat/completions", &CHAT[..cut]),
            ("responses", &RESPONSES[..RESPONSES.len() - 120]),
            ("chat/completions", ""),
        ] {
            let (found, end) = read(path, true, text, 16);
            assert!(!end && !found.complete && found.usage.is_none(), "{text}");
        }
    }

    #[test]
    fn errors_inside_a_stream_are_found() {
        for (path, text) in [
            ("chat/completions", "data: {\"error\":{\"message\":\"boom\",\"code\":502}}\n\n"),
            (
                "responses",
                "data: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"boom\"}\n\n",
            ),
            (
                "responses",
                "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"boom\"},\"usage\":null}}\n\n",
            ),
        ] {
            let (found, _) = read(path, true, text, 11);
            assert_eq!(found.error, Some(ErrorClass::ProviderDown), "{text}");
        }
    }

    #[test]
    fn a_document_tells_usage_model_errors_and_the_object_it_made() {
        let (found, _) = read(
            "embeddings",
            false,
            r#"{"data":[{"embedding":"AAAA"}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            10,
        );
        assert_eq!(found.usage.expect("usage").input, 8);
        let (found, _) = read("batches", false, r#"{"id":"batch_1","error":null}"#, 4);
        assert_eq!((found.object_id.as_deref(), found.error), (Some("batch_1"), None));
        let (found, _) = read("chat/completions", false, r#"{"error":{"message":"boom"}}"#, 4);
        assert!(found.error.is_some() && found.usage.is_none());
        let (found, _) = read("audio/translations", false, r#"{"text":"hi","duration":2.5}"#, 4);
        assert_eq!(found.usage.map(|u| u.audio_millis), Some(2500));
    }

    #[test]
    fn a_model_that_searches_for_every_answer_is_charged_for_it() {
        for (model, path, searches) in [
            ("gpt-4o-search-preview-2025-03-11", "chat/completions", 1),
            ("gpt-5-search-api", "chat/completions", 1),
            ("gpt-4o", "chat/completions", 0),
            ("gpt-5-search-api", "embeddings", 0),
        ] {
            let usage = r#""usage":{"prompt_tokens":8,"completion_tokens":2}"#;
            let whole = format!(r#"{{"model":"{model}","choices":[],{usage}}}"#);
            for (events, text) in
                [(false, whole.clone()), (true, format!("data: {whole}\n\ndata: [DONE]\n\n"))]
            {
                let found = read(path, events, &text, 9).0.usage.expect("usage");
                assert_eq!(found.web_searches, searches, "{model} {path}");
            }
        }
    }

    #[test]
    fn a_cost_is_believed_of_a_host_that_is_known_to_tell_it() {
        let usage = r#"{"prompt_tokens":8,"completion_tokens":2,"cost":0.00014}"#;
        let whole = format!(r#"{{"model":"x/y","choices":[],"usage":{usage}}}"#);
        let route = super::super::routes::drop_in(&Method::POST, "chat/completions");
        for (events, text) in
            [(false, whole.clone()), (true, format!("data: {whole}\n\ndata: [DONE]\n\n"))]
        {
            for (tells, expected) in [(true, Some(140_000_000)), (false, None)] {
                let mut reader = reader(&route, events, tells);
                reader.read(text.as_bytes());
                let found = reader.finish();
                assert_eq!(found.cost.map(|cost| cost.as_pico()), expected, "{text}");
                assert_eq!(found.usage.map(|usage| usage.total()), Some(10));
            }
        }
    }

    #[test]
    fn groqs_usage_beside_the_answer_counts_once() {
        let beside = r#"{"id":"c","model":"m","choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"queue_time":0.06,"prompt_tokens":20,"prompt_time":0.01,"completion_tokens":5,"total_tokens":25,"total_time":0.4}}}"#;
        let asked = r#"{"id":"c","model":"m","choices":[],"usage":{"queue_time":0.06,"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}"#;
        for chunks in [&[beside][..], &[beside, asked], &[asked]] {
            let events =
                chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>();
            let (found, _) =
                read("chat/completions", true, &format!("{events}data: [DONE]\n\n"), 13);
            assert_eq!(found.usage.map(|usage| (usage.input, usage.output)), Some((20, 5)));
        }
    }

    #[test]
    fn the_last_word_on_usage_counts_and_nonsense_makes_it_unknown() {
        let chunk =
            |usage: &str| format!("data: {{\"model\":\"m\",\"choices\":[],\"usage\":{usage}}}\n\n");
        let twice = chunk(r#"{"prompt_tokens":5,"completion_tokens":1}"#)
            + &chunk(r#"{"prompt_tokens":5,"completion_tokens":9}"#);
        assert_eq!(read("chat/completions", true, &twice, 50).0.usage.expect("usage").output, 9);
        let nonsense = chunk(r#"{"prompt_tokens":-5,"completion_tokens":1}"#);
        assert_eq!(read("chat/completions", true, &nonsense, 50).0.usage, None);
    }

    #[test]
    fn half_a_document_is_truncated_and_other_texts_are_none() {
        for (text, error) in [
            (r#"{"id":"c1","object":"chat.comp"#, Some(ErrorClass::Truncated)),
            (r#"{"id":"c1","usage":{"prompt_tokens":1}"#, Some(ErrorClass::Truncated)),
            (r#"{"id":"c1"} "#, None),
            ("{}", None),
            ("[{\"id\":1}]", None),
            ("Hello there.\n", None),
            ("1\n00:00 --> 00:01\nHello {there\n", None),
        ] {
            assert_eq!(read("audio/transcriptions", false, text, 3).0.error, error, "{text}");
        }
    }

    #[test]
    fn a_flat_error_inside_a_stream_is_one() {
        // vLLM ends its stream with `[DONE]` all the same.
        for (error, class) in [
            (
                r#"{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}"#,
                ErrorClass::RequestRejected,
            ),
            (
                r#"{"object":"error","message":"boom","type":"internal_server_error","code":"3700"}"#,
                ErrorClass::ProviderDown,
            ),
        ] {
            let text = format!("data: {error}\n\ndata: [DONE]\n\n");
            assert_eq!(read("chat/completions", true, &text, 9).0.error, Some(class), "{error}");
        }
    }

    #[test]
    fn a_running_total_is_no_end_of_a_chat_stream() {
        let chunk = |rest: &str| {
            format!(
                "data: {{\"model\":\"m\",\"choices\":[{rest}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":1}}}}\n\n"
            )
        };
        for (text, complete) in [
            (chunk(r#"{"delta":{"content":"hi"},"finish_reason":null}"#), false),
            (chunk(r#"{"delta":{"content":"hi"},"finish_reason": null}"#), false),
            (chunk(r#"{"delta":{"content":"\"finish_reason\":\"stop\""}}"#), false),
            (chunk(r#"{"delta":{},"finish_reason":"stop"}"#), true),
            (chunk(r#"{"delta":{},"finish_reason" : "stop"}"#), true),
            (chunk(""), true),
            (
                "data: {\"choices\":[{\"delta\":{},\"finish_reason\": \"stop\"}]}\n\n".to_owned(),
                true,
            ),
        ] {
            let (found, _) = read("chat/completions", true, &text, 17);
            assert_eq!(found.complete, complete, "{text}");
        }
    }

    #[test]
    fn looking_at_what_is_stored_counts_and_blames_nothing_again() {
        let stored = r#"{"id":"r1","model":"gpt-5.4","error":{"code":"server_error"},"usage":{"input_tokens":100,"output_tokens":40}}"#;
        for (method, path, counts) in [
            (Method::POST, "responses", true),
            (Method::POST, "brand/new", true),
            (Method::GET, "responses/r1", false),
            (Method::DELETE, "responses/r1", false),
            (Method::POST, "responses/r1/cancel", false),
            (Method::GET, "batches/b1", false),
            (Method::POST, "batches/b1/cancel", false),
        ] {
            let route = super::super::routes::drop_in(&method, path);
            let mut document = reader(&route, false, false);
            document.read(stored.as_bytes());
            let found = document.finish();
            assert_eq!((found.usage.is_some(), found.error.is_some()), (counts, counts), "{path}");
            let mut events = reader(&route, true, false);
            events.read(RESPONSES.as_bytes());
            assert_eq!(events.finish().usage.is_some(), counts, "{path}");
        }
    }
}
