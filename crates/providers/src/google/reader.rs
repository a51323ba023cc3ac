//! Reads usage, model, errors and the end from Google's answers as they pass.

use byok_domain::{AnswerReader, ErrorClass, Findings, Opening, Seen, Usage};
use http::{Method, StatusCode};
use memchr::memchr2;
use serde::de::IgnoredAny;

use super::classify::classify;
use super::routes;
use super::usage::Report;
use crate::json_paths::{Found, JsonPaths};
use crate::provider::{AnswerShape, Route};
use crate::sse::opening;
use crate::unread::Unread;

pub(super) fn reader(route: &Route, events: bool) -> Box<dyn AnswerReader> {
    if route.operation.answer == AnswerShape::Bytes {
        return Box::new(Unread);
    }
    Box::new(ContentReader {
        json: JsonPaths::new(&PATHS),
        line: events.then_some(Line::Start { matched: 0 }),
        after_return: false,
        counts: counts(route),
        must_finish: routes::streams(&route.operation),
        makes: route.makes.is_some(),
        seen: Told::default(),
    })
}

/// Whether the call makes what its answer counts. Counting tokens generates nothing, what a batch
/// or a cache will hold is not used yet, and looking at what is stored uses nothing.
fn counts(route: &Route) -> bool {
    let unpaid =
        ["countTokens", "batchGenerateContent", "asyncBatchEmbedContent", "cachedContents"];
    route.method == Method::POST
        && !unpaid.contains(&route.operation.name)
        && !route.operation.name.contains("{id}")
}

const USAGE: usize = 0;
const MODEL: usize = 1;
const ERROR: usize = 2;
const BLOCKED: usize = 3;
const CANDIDATE: usize = 4;
const INDEX: usize = 5;
const FINISHED: usize = 6;
const SEARCHES: usize = 7;
const NAME: usize = 8;
const FILE_NAME: usize = 9;
const INTERACTION: usize = 10;
const LAST_INTERACTION: usize = 11;
const MAP: usize = 12;
const IMAGE_SEARCHES: usize = 13;
const PREDICTION: usize = 14;
const OF_INTERACTION: usize = 15;
const OF_LAST_INTERACTION: usize = 16;

const PATHS: [&[&str]; 17] = [
    &["usageMetadata"],
    &["modelVersion"],
    &["error"],
    &["promptFeedback", "blockReason"],
    &["candidates", "*"],
    &["candidates", "*", "index"],
    &["candidates", "*", "finishReason"],
    &["candidates", "*", "groundingMetadata", "webSearchQueries"],
    &["name"],
    &["file", "name"],
    &["usage"],
    &["interaction", "usage"],
    &["candidates", "*", "groundingMetadata", "groundingChunks", "*", "maps"],
    &["candidates", "*", "groundingMetadata", "imageSearchQueries"],
    &["predictions", "*", "mimeType"],
    &["model"],
    &["interaction", "model"],
];

/// A document, a stream of documents in one array, or a stream of events with a document each.
struct ContentReader {
    json: JsonPaths,
    /// Where in a line an event stream is; `None` where the documents stand bare.
    line: Option<Line>,
    /// Whether a line has just ended in `\r`, of which a `\n` is the second half.
    after_return: bool,
    counts: bool,
    /// Whether it is a stream of content, which ends when every candidate has.
    must_finish: bool,
    makes: bool,
    seen: Told,
}

/// What was read so far.
#[derive(Default)]
struct Told {
    usage: Report,
    model: Option<String>,
    error: Option<ErrorClass>,
    object_id: Option<String>,
    searches: u64,
    /// Whether a map was among the sources.
    mapped: bool,
    /// Whether images were searched for, which has no published unit.
    searched_images: bool,
    /// Images that a prediction is made of; those that were filtered out have no type.
    images: u32,
    documents: u64,
    blocked: bool,
    /// The candidates that were seen, and those that ended: a bit for each index.
    begun: u64,
    finished: u64,
    /// The candidate that is being read.
    index: u32,
    ends: bool,
}

/// Where in a line of an event stream the next byte stands.
#[derive(Clone, Copy)]
enum Line {
    /// In what may be `data:`, of which so many bytes have matched.
    Start { matched: usize },
    /// In JSON: the payload of a `data:` line, or one of those lines in which Google sends an
    /// error in the middle of a stream, bare and over several lines.
    Json,
    /// In another field or a comment.
    Skipped,
}

const DATA: &[u8] = b"data:";

impl Told {
    fn take(&mut self, found: Found<'_>) {
        let (index, raw) = match found {
            Found::End => {
                self.documents += 1;
                return;
            }
            Found::Value(index, raw) => (index, raw.trim_ascii()),
        };
        let text = || serde_json::from_slice::<String>(raw).ok().filter(|text| !text.is_empty());
        match index {
            USAGE | INTERACTION | LAST_INTERACTION => self.usage.merge(raw),
            MODEL | OF_INTERACTION | OF_LAST_INTERACTION => {
                self.model = text().or(self.model.take())
            }
            ERROR if raw != b"null" => {
                let error = [b"{\"error\":", raw, b"}"].concat();
                self.error = Some(classify(StatusCode::OK, &error));
            }
            BLOCKED => self.blocked |= text().is_some(),
            INDEX => self.index = serde_json::from_slice(raw).unwrap_or(0),
            FINISHED => self.ends = text().is_some(),
            SEARCHES => {
                let queries: Vec<IgnoredAny> = serde_json::from_slice(raw).unwrap_or_default();
                // Later chunks repeat what earlier ones told.
                self.searches = self.searches.max(queries.len() as u64);
            }
            MAP => self.mapped |= raw.starts_with(b"{"),
            IMAGE_SEARCHES => self.searched_images |= raw.starts_with(b"[") && raw != b"[]",
            PREDICTION => self.images = self.images.saturating_add(1),
            CANDIDATE => {
                let bit = 1_u64.checked_shl(self.index).unwrap_or(1 << 63);
                self.begun |= bit;
                if self.ends {
                    self.finished |= bit;
                }
                (self.index, self.ends) = (0, false);
            }
            NAME | FILE_NAME => {
                let id = text().and_then(|name| Some(name.rsplit('/').next()?.to_owned()));
                self.object_id = id.or(self.object_id.take());
            }
            _ => {}
        }
    }

    /// Whether all that began has ended.
    fn has_finished(&self) -> bool {
        self.blocked || (self.begun != 0 && self.begun & !self.finished == 0)
    }

    /// The usage, with searches and maps as they are billed: each query from Gemini 3 on, before
    /// that the prompt. How many queries a map took, only interactions tell.
    fn billed(&self) -> Option<Usage> {
        let Some(usage) = self.usage.usage() else {
            let images_out = self.images;
            return (images_out > 0).then(|| Usage { images_out, ..Usage::default() });
        };
        let model = self.model.as_deref().unwrap_or_default();
        let by_prompt = ["gemini-1", "gemini-2"].iter().any(|family| model.contains(family));
        let most = if by_prompt { 1 } else { u64::MAX };
        let counted = usage.maps_queries > 0;
        let maps = if by_prompt && self.mapped { 1 } else { usage.maps_queries };
        Some(Usage {
            web_searches: usage.web_searches.max(self.searches).min(most),
            maps_queries: maps.min(most),
            unmeasured: self.searched_images || (self.mapped && !by_prompt && !counted),
            ..usage
        })
    }
}

impl ContentReader {
    /// Takes the next bytes of an event stream.
    fn events(&mut self, mut bytes: &[u8], mut line: Line) {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr2(b'\n', b'\r', bytes);
            let text = &bytes[..end.unwrap_or(bytes.len())];
            line = self.part_of_line(text, line);
            if let Some(end) = end {
                self.after_return = bytes[end] == b'\r';
                // A blank line ends the event, whatever it was.
                if let Line::Start { matched: 0 } = line {
                    self.json.restart();
                }
                line = Line::Start { matched: 0 };
            }
            bytes = end.map_or(&[], |end| &bytes[end + 1..]);
        }
        self.line = Some(line);
    }

    fn part_of_line(&mut self, text: &[u8], line: Line) -> Line {
        match line {
            Line::Start { .. } | Line::Json if text.is_empty() => line,
            Line::Start { matched } => {
                let wanted = &DATA[matched..];
                let same = text.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                if same == wanted.len() {
                    return self.part_of_line(&text[same..], Line::Json);
                }
                if same == text.len() {
                    return Line::Start { matched: matched + same };
                }
                let field =
                    text[same].is_ascii_alphabetic() || text[same] == b':' || matched + same > 0;
                if field { Line::Skipped } else { self.part_of_line(text, Line::Json) }
            }
            Line::Json => {
                self.json.push(text, |found| self.seen.take(found));
                Line::Json
            }
            Line::Skipped => Line::Skipped,
        }
    }
}

impl AnswerReader for ContentReader {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        match self.line {
            Some(line) => self.events(chunk, line),
            None => self.json.push(chunk, |found| self.seen.take(found)),
        }
        // The end is the end of the body: a candidate that ended may be followed by others, and by
        // the last word on usage.
        Seen::More
    }

    fn opening(&self) -> Opening {
        opening(self.seen.error, self.seen.begun != 0 || self.seen.documents > 0)
    }

    fn finish(&mut self) -> Findings {
        let told = &mut self.seen;
        let open = self.json.is_open();
        let complete = !open && (!self.must_finish || told.has_finished());
        let streamed = self.line.is_some() || self.must_finish;
        // Whatever its framing says: half a document is no answer.
        let cut_off = (open && !streamed).then_some(ErrorClass::Truncated);
        Findings {
            usage: self.counts.then(|| told.billed()).flatten(),
            cost: None,
            model: told.model.take(),
            object_id: told.object_id.take().filter(|_| self.makes),
            error: told.error.filter(|_| self.counts || self.must_finish).or(cut_off),
            events: if streamed { told.documents } else { 0 },
            complete: complete || (!streamed && cut_off.is_none()),
            preliminary: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use byok_domain::usage::ServiceTier;

    use super::*;

    const STREAM: &str = "v1beta/models/gemini-2.5-pro:streamGenerateContent";
    const PLAIN: &str = "v1beta/models/gemini-2.5-pro:generateContent";

    fn read_as(method: &Method, path: &str, events: bool, text: &str, step: usize) -> Findings {
        let route = routes::drop_in(method, path);
        let mut reader = reader(&route, events);
        for chunk in text.as_bytes().chunks(step.max(1)) {
            assert_eq!(reader.read(chunk), Seen::More);
        }
        reader.finish()
    }

    fn read(path: &str, events: bool, text: &str, step: usize) -> Findings {
        read_as(&Method::POST, path, events, text, step)
    }

    const CHUNKS: [&str; 3] = [
        r#"{"candidates":[{"content":{"parts":[{"text":"say \"usageMetadata\""}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"thoughtsTokenCount":30,"totalTokenCount":130},"modelVersion":"gemini-2.5-pro","responseId":"x"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":9,"totalTokenCount":139},"modelVersion":"gemini-2.5-pro","responseId":"x"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"cachedContentTokenCount":40,"toolUsePromptTokenCount":5,"totalTokenCount":155,"serviceTier":"priority"},"modelVersion":"gemini-2.5-pro","responseId":"x"}"#,
    ];

    fn events(end: &str) -> String {
        CHUNKS.iter().map(|chunk| format!("data: {chunk}{end}{end}")).collect()
    }

    fn array() -> String {
        format!("[{}\n]\n", CHUNKS.join("\n,\r\n"))
    }

    #[test]
    fn a_stream_tells_usage_model_tier_and_end_in_either_form_however_it_is_cut() {
        let forms = [
            (true, events("\r\n")),
            (true, events("\n")),
            (true, events("\r")),
            (
                true,
                format!(": hello\n\nid: 1\nretry: 5\n{}", events("\n").replace("data: ", "data:")),
            ),
            (false, array()),
        ];
        for (sse, text) in forms {
            for step in 1..=text.len() {
                let found = read(STREAM, sse, &text, step);
                let usage = found.usage.expect("usage");
                assert_eq!((usage.input, usage.cache_read, usage.output), (65, 40, 50), "{step}");
                assert_eq!((usage.reasoning, usage.tier), (30, ServiceTier::Priority));
                assert_eq!(found.model.as_deref(), Some("gemini-2.5-pro"));
                assert_eq!((found.complete, found.error, found.events), (true, None, 3), "{step}");
            }
        }
    }

    #[test]
    fn a_stream_cut_before_its_last_chunk_ends_is_incomplete() {
        for (sse, text) in [(true, events("\r\n")), (false, array())] {
            let last = text.rfind('}').expect("there") + usize::from(!sse);
            for cut in 0..=last {
                let found = read(STREAM, sse, &text[..cut], 50);
                assert!(!found.complete && found.error.is_none(), "cut at {cut}");
                assert!(found.usage.is_none_or(|u| u.input_total() <= 105 && u.output <= 50));
            }
        }
    }

    #[test]
    fn a_stream_ends_when_all_its_candidates_have_or_the_prompt_was_blocked() {
        let part = |index: u32, end: &str| {
            format!("data: {{\"candidates\":[{{\"index\":{index}{end}}}]}}\r\n\r\n")
        };
        let stop = r#","finishReason":"STOP""#;
        let usage = "data: {\"usageMetadata\":{\"promptTokenCount\":1}}\r\n\r\n";
        for (text, complete) in [
            ([part(0, stop), part(0, "")].concat(), true),
            ([part(0, stop), part(1, "")].concat(), false),
            ([part(0, stop), part(1, ""), part(1, stop)].concat(), true),
            ([part(0, r#","finishReason":"SAFETY""#), usage.to_owned()].concat(), true),
            (part(0, r#","finishReason":"""#), false),
            (part(0, r#","finishReason":null"#), false),
            ("data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n".to_owned(), true),
            ("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n".to_owned(), true),
            (usage.to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(read(STREAM, true, &text, 9).complete, complete, "{text}");
        }
        assert!(read("v1beta/interactions", true, "data: {}\n\n", 4).complete);
    }

    #[test]
    fn errors_inside_a_stream_are_found_bare_or_as_events() {
        let error = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;
        let pretty = "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"slow\"\n  }\n}\n";
        let begun = format!("data: {}\r\n\r\n", CHUNKS[0]);
        for (sse, text, class) in [
            (true, format!("{begun}data: {error}\r\n\r\n"), ErrorClass::ProviderDown),
            (true, format!("{begun}{error}"), ErrorClass::ProviderDown),
            (true, format!("{begun}{pretty}"), ErrorClass::RateLimited),
            (true, format!("{begun}{}", pretty.replace('\n', "\r\n")), ErrorClass::RateLimited),
            (false, format!("[{}\n,\n{error}]", CHUNKS[0]), ErrorClass::ProviderDown),
            (false, format!("[{error}]"), ErrorClass::ProviderDown),
        ] {
            for step in [1, 7, 4096] {
                let found = read(STREAM, sse, &text, step);
                assert_eq!(found.error, Some(class), "{text}");
                assert!(found.model.is_none() || found.usage.is_some());
            }
        }
    }

    #[test]
    fn a_chunk_larger_than_any_buffer_is_read_to_its_end() {
        let image = "A".repeat(3 << 20);
        let text = format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"inlineData\":{{\"data\":\"{image}\"}}}}]}},\"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":7,\"candidatesTokenCount\":1290,\"candidatesTokensDetails\":[{{\"modality\":\"IMAGE\",\"tokenCount\":1290}}]}}}}\r\n\r\n"
        );
        let found = read(STREAM, true, &text, 16_384);
        assert_eq!(found.usage.map(|u| (u.input, u.output, u.image_output)), Some((7, 1290, 1290)));
        assert!(found.complete);
    }

    #[test]
    fn a_document_tells_usage_model_searches_and_whether_it_is_whole() {
        let grounded = |model: &str| {
            format!(
                r#"{{"candidates":[{{"groundingMetadata":{{"webSearchQueries":["a","b"]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":8}},"modelVersion":"{model}"}}"#
            )
        };
        for (model, searches) in [("gemini-3-flash-preview", 2), ("gemini-2.5-pro", 1)] {
            let found = read(PLAIN, false, &grounded(model), 10);
            assert_eq!(found.usage.map(|u| (u.input, u.web_searches)), Some((8, searches)));
            assert_eq!((found.complete, found.model.as_deref()), (true, Some(model)));
        }
        let embedded =
            r#"{"embeddings":[{"values":[0.1,-2e-3]}],"usageMetadata":{"promptTokenCount":6}}"#;
        let found = read("v1beta/models/e:batchEmbedContents", false, embedded, 3);
        assert_eq!(found.usage.map(|u| u.total()), Some(6));
        let found = read(PLAIN, false, &grounded("m")[..60], 7);
        assert_eq!((found.error, found.usage), (Some(ErrorClass::Truncated), None));
        let found = read(PLAIN, false, r#"{"candidates":[],"error":{"code":500}}"#, 7);
        assert_eq!(found.error, Some(ErrorClass::ProviderDown));
    }

    #[test]
    fn maps_are_billed_by_the_prompt_before_gemini_3_and_unknown_from_there_on() {
        let chunks = |sources: &str| format!(r#""groundingChunks":[{sources}]"#);
        let map =
            r#"{"maps":{"uri":"https://maps.google.com/?cid=1","title":"A","placeId":"places/1"}}"#;
        let web = r#"{"web":{"uri":"https://example.com"}}"#;
        for (model, grounding, maps, searches, unmeasured) in [
            ("gemini-2.5-flash", chunks(&[map, map, web].join(",")), 1, 0, false),
            ("gemini-2.5-flash", chunks(web), 0, 0, false),
            ("gemini-2.5-flash", chunks(r#"{"maps":null}"#), 0, 0, false),
            ("gemini-2.5-flash", r#""webSearchQueries":["a","b"]"#.to_owned(), 0, 1, false),
            ("gemini-3.1-pro-preview", chunks(map), 0, 0, true),
            ("gemini-3.1-pro-preview", chunks(web), 0, 0, false),
            ("gemini-3.1-pro-preview", r#""webSearchQueries":["a","b"]"#.to_owned(), 0, 2, false),
            ("gemini-3.1-flash-image", r#""imageSearchQueries":["a"]"#.to_owned(), 0, 0, true),
            ("gemini-3.1-flash-image", r#""imageSearchQueries":[]"#.to_owned(), 0, 0, false),
        ] {
            let text = format!(
                r#"{{"candidates":[{{"groundingMetadata":{{{grounding}}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":8}},"modelVersion":"{model}"}}"#
            );
            for step in [1, 7, text.len()] {
                let usage = read(PLAIN, false, &text, step).usage.expect("usage");
                assert_eq!(
                    (usage.maps_queries, usage.web_searches, usage.unmeasured),
                    (maps, searches, unmeasured),
                    "{text}"
                );
            }
        }
        for (model, maps, searches) in [("gemini-2.5-flash", 1, 1), ("gemini-3.1-pro", 3, 2)] {
            let usage = r#""usage":{"total_input_tokens":5,"total_output_tokens":2,"grounding_tool_count":[{"type":"google_maps","count":3},{"type":"google_search","count":2}]}"#;
            for (events, text) in [
                (false, format!(r#"{{"id":"i","model":"{model}",{usage}}}"#)),
                (
                    true,
                    format!(
                        "event: interaction.completed\ndata: {{\"interaction\":{{\"model\":\"{model}\",{usage}}}}}\n\n"
                    ),
                ),
            ] {
                let found = read("v1beta/interactions", events, &text, 9);
                let usage = found.usage.expect("usage");
                assert_eq!((usage.maps_queries, usage.web_searches), (maps, searches), "{text}");
                assert!(!usage.unmeasured && found.model.as_deref() == Some(model));
            }
        }
    }

    #[test]
    fn predicted_images_are_counted_by_the_piece_without_those_filtered_out() {
        let image =
            format!(r#"{{"bytesBase64Encoded":"{}","mimeType":"image/png"}}"#, "A".repeat(99_999));
        let text = format!(r#"{{"predictions":[{image},{{"raiFilteredReason":"no"}},{image}]}}"#);
        let path = "v1beta/models/imagen-3.0-generate-001:predict";
        let usage = read(path, false, &text, 1000).usage.expect("usage");
        assert_eq!(usage, Usage { images_out: 2, ..Usage::default() });
        assert_eq!(read(path, false, r#"{"predictions":[]}"#, 5).usage, None);
        let path = "v1beta/models/veo-3.1-generate-001:predictLongRunning";
        assert_eq!(read(path, false, r#"{"name":"models/veo/operations/1"}"#, 5).usage, None);
    }

    #[test]
    fn counting_looking_and_storing_use_nothing() {
        let text = r#"{"name":"batches/b1","totalTokens":31,"error":{"code":500},"usageMetadata":{"promptTokenCount":31,"totalTokenCount":31}}"#;
        for (method, path, counts) in [
            (Method::POST, PLAIN, true),
            (Method::POST, "v1beta/models/m:brandNew", true),
            (Method::POST, "v1beta/models/m:countTokens", false),
            (Method::POST, "v1beta/models/m:batchGenerateContent", false),
            (Method::POST, "v1beta/cachedContents", false),
            (Method::GET, "v1beta/batches/b1", false),
            (Method::POST, "v1beta/batches/b1:cancel", false),
            (Method::GET, "v1beta/models", false),
            (Method::GET, "v1beta/interactions/i1", false),
        ] {
            let found = read_as(&method, path, false, text, 8);
            assert_eq!((found.usage.is_some(), found.error.is_some()), (counts, counts), "{path}");
        }
    }

    #[test]
    fn what_was_made_is_named_by_the_last_part_of_its_name() {
        for (path, text, id) in [
            ("upload/v1beta/files", r#"{"file":{"name":"files/abc","uri":"u"}}"#, Some("abc")),
            ("v1beta/cachedContents", r#"{"name":"cachedContents/c1"}"#, Some("c1")),
            ("v1beta/models/m:batchGenerateContent", r#"{"name":"batches/b1"}"#, Some("b1")),
            ("upload/v1beta/files", "{}", None),
            (PLAIN, r#"{"name":"files/abc"}"#, None),
        ] {
            assert_eq!(read(path, false, text, 5).object_id.as_deref(), id, "{path}");
        }
    }
}
