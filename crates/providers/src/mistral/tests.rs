//! Mistral's payloads, answers and refusals, in the bytes that Mistral sends.

use byok_domain::{Findings, Seen, Usage};

use super::*;

fn read(path: &str, media: MediaType, text: &str, step: usize) -> (Findings, bool) {
    let route = Mistral.drop_in(&Method::POST, path);
    let mut reader = Mistral.reader(&route, media);
    let mut end = false;
    for chunk in text.as_bytes().chunks(step) {
        end |= reader.read(chunk) == Seen::End;
    }
    (reader.finish(), end)
}

const CHAT: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n\
    data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Bonjour\"},\"finish_reason\":null}]}\n\n\
    data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mistral-small-latest\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"!\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,\"total_tokens\":140,\"completion_tokens\":40,\"num_cached_tokens\":64,\"prompt_tokens_details\":{\"cached_tokens\":64},\"prompt_token_details\":{\"cached_tokens\":64},\"service_tier\":\"standard\"}}\n\n\
    data: [DONE]\n\n";

#[test]
fn usage_stands_in_the_last_chunk_with_content_however_the_stream_is_cut() {
    for path in ["v1/chat/completions", "v1/fim/completions", "v1/agents/completions"] {
        for step in 1..=CHAT.len() {
            let (found, end) = read(path, MediaType::Events, CHAT, step);
            let expected = Usage { input: 36, cache_read: 64, output: 40, ..Usage::default() };
            assert_eq!(found.usage, Some(expected), "{path} step {step}");
            assert_eq!(found.model.as_deref(), Some("mistral-small-latest"));
            assert!(end && found.complete && found.error.is_none());
        }
    }
}

#[test]
fn a_stream_that_breaks_off_or_fails_inside_is_told() {
    let cut = CHAT.find("\"content\":\"!\"").expect("there");
    let (found, end) = read("v1/chat/completions", MediaType::Events, &CHAT[..cut], 9);
    assert!(!end && !found.complete && found.usage.is_none());
    let failed = "data: {\"object\":\"error\",\"error\":{\"message\":\"Service unavailable.\",\"type\":\"internal_server_error\",\"code\":\"3700\"}}\n\n";
    let (found, _) = read("v1/chat/completions", MediaType::Events, failed, 9);
    assert_eq!((found.error, found.complete), (Some(ErrorClass::ProviderDown), false));
    let turn =
        "data: {\"type\":\"conversation.response.error\",\"message\":\"boom\",\"code\":3000}\n\n";
    let (found, end) = read("v1/conversations", MediaType::Events, turn, 9);
    assert_eq!((found.error, end), (Some(ErrorClass::ProviderDown), true));
}

#[test]
fn documents_and_other_streams_tell_tokens_and_seconds() {
    let embeddings = r#"{"id":"e1","object":"list","data":[{"object":"embedding","embedding":[0.1],"index":0}],"model":"mistral-embed","usage":{"prompt_tokens":15,"total_tokens":15,"completion_tokens":0,"prompt_audio_seconds":null}}"#;
    let transcription = r#"{"model":"voxtral-mini-2602","text":"hi","language":null,"segments":[],"usage":{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":639,"completion_tokens":635}}"#;
    let streamed = "event: transcription.text.delta\ndata: {\"type\":\"transcription.text.delta\",\"text\":\"hi\"}\n\n\
        event: transcription.done\ndata: {\"model\":\"voxtral-mini-2602\",\"text\":\"hi\",\"usage\":{\"prompt_audio_seconds\":203,\"prompt_tokens\":4,\"total_tokens\":639,\"completion_tokens\":635},\"type\":\"transcription.done\"}\n\n";
    let turn = "event: conversation.response.done\ndata: {\"type\":\"conversation.response.done\",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,\"connector_tokens\":null}}\n\n";
    for (path, media, text, input, output, millis) in [
        ("v1/embeddings", MediaType::Json, embeddings, 15, 0, 0),
        ("v1/audio/transcriptions", MediaType::Json, transcription, 4, 635, 203_000),
        ("v1/audio/transcriptions", MediaType::Events, streamed, 4, 635, 203_000),
        ("v1/conversations/c1", MediaType::Events, turn, 9, 3, 0),
    ] {
        for step in [1, 13, text.len()] {
            let (found, end) = read(path, media, text, step);
            let usage = found.usage.unwrap_or_else(|| panic!("{path}"));
            assert_eq!((usage.input, usage.output, usage.audio_millis), (input, output, millis));
            assert!(found.complete && end == (media == MediaType::Events), "{path}");
        }
    }
}

#[test]
fn a_document_that_was_read_counts_by_its_pages() {
    let read_out = r#"{"pages":[{"index":0,"markdown":"hi"}],"model":"mistral-ocr-2512","document_annotation":null,"usage_info":{"pages_processed":3,"doc_size_bytes":3002783}}"#;
    let (found, _) = read("v1/ocr", MediaType::Json, read_out, 9);
    assert_eq!(found.usage, Some(Usage { pages: 3, ..Usage::default() }));
    assert_eq!(found.model.as_deref(), Some("mistral-ocr-2512"));
    let nonsense = read_out.replace(":3,", ":-3,");
    assert_eq!(read("v1/ocr", MediaType::Json, &nonsense, 9).0.usage, None);
}

#[test]
fn nothing_is_put_into_a_body() {
    let route = Mistral.drop_in(&Method::POST, "v1/chat/completions");
    let body = Bytes::from_static(b"{ \"stream\":true, \"model\":\"mistral-small-latest\"}");
    let payload = Mistral.prepare(&route, body.clone(), true).expect("an object");
    assert_eq!(payload.pieces, [body]);
    assert_eq!(payload.model.as_deref(), Some("mistral-small-latest"));
    assert!(payload.stream && !payload.hide_usage);
}

#[test]
fn a_batch_names_the_files_it_is_made_of() {
    let route = Mistral.drop_in(&Method::POST, "v1/batch/jobs");
    for (body, files) in [
        (r#"{"input_files":["f1","f2"],"model":"m"}"#, &["f1", "f2"][..]),
        (r#"{"input_files":null}"#, &[]),
        (r#"{"requests":[{}]}"#, &[]),
        (r#"{"input_files":7}"#, &[]),
    ] {
        let payload = Mistral.prepare(&route, Bytes::from_static(body.as_bytes()), true);
        let objects = payload.expect("an object").objects;
        let ids: Vec<_> = objects.iter().map(|object| object.id.as_str()).collect();
        assert_eq!(ids, files, "{body}");
    }
}

#[test]
fn refusals_and_verdicts_are_told_from_their_bodies() {
    use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
    let detail = r#"{"detail":"Unauthorized"}"#;
    let invalid = r#"{"detail":[{"type":"extra_forbidden","loc":["body","x"],"msg":"Extra inputs are not permitted"}]}"#;
    let nested = r#"{"object":"error","message":{"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]},"type":"invalid_request_error","param":null,"code":null}"#;
    let rate = r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300"}"#;
    let busy = r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","param":null,"code":"3505"}"#;
    let model = r#"{"object":"error","message":"Invalid model: mistral-0","type":"invalid_model","param":null,"code":"1500"}"#;
    for (status, body, class, verdict) in [
        (401, detail, KeyRejected, Verdict::Invalid),
        (402, "{}", QuotaExhausted, Verdict::NoQuota),
        (403, "{}", RequestRejected, Verdict::NoPermission),
        (422, invalid, RequestRejected, Verdict::Inconclusive(422)),
        (422, nested, RequestRejected, Verdict::Inconclusive(422)),
        (400, model, RequestRejected, Verdict::Inconclusive(400)),
        (429, rate, RateLimited, Verdict::Valid),
        (429, busy, RateLimited, Verdict::Valid),
        (503, "", ProviderDown, Verdict::Unreachable),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let headers = HeaderMap::new();
        assert_eq!(Mistral.classify(status, &headers, body.as_bytes()), class, "{status} {body}");
        assert_eq!(Mistral.judge(status, &headers, body.as_bytes()), verdict, "{status} {body}");
    }
}

#[test]
fn a_configuration_has_an_address_without_the_version() {
    for (field, value, wrong) in [
        ("baseUrl", "https://api.eu.mistral.ai", false),
        ("baseUrl", "https://api.eu.mistral.ai/v1", true),
        ("organization", "org", true),
    ] {
        let mut config = ProviderConfig::default();
        config.set(field, value);
        assert_eq!(!Mistral.check_config(&config).is_empty(), wrong, "{field} {value}");
    }
}

#[test]
fn pages_are_charged_as_annotated_where_the_request_asks_for_annotations() {
    let route = Mistral.drop_in(&http::Method::POST, "v1/ocr");
    for (body, annotated) in [
        (r#"{"model":"mistral-ocr-latest","document":{}}"#, None),
        (r#"{"document_annotation_format":null,"bbox_annotation_format":null}"#, None),
        (r#"{"document_annotation_format":{"type":"json_schema"}}"#, Some(true)),
        (r#"{"bbox_annotation_format":{"type":"json_schema"}}"#, Some(true)),
    ] {
        let payload = Mistral.prepare(&route, body.into(), true).expect("a JSON object");
        assert_eq!(payload.presumed.map(|presumed| presumed.annotated), annotated, "{body}");
    }
}
