//! Every class of error, from every way to fail.

use std::time::{Duration, SystemTime};

use byok_client::Error;
use serde_json::json;

use crate::script::{Reply, Script, answer, builder, envelope, enveloped, refusal};

async fn failure(status: &str, headers: &[(&str, &str)], body: &str) -> Error {
    let script = Script::of([Reply::Bytes(answer(status, headers, body))]).await;
    let byok = script.builder().retries(0).build().expect("a client");
    byok.usage().stats().await.expect_err("a failure")
}

#[tokio::test]
async fn each_status_has_its_class_with_everything_that_is_told() {
    let body = r#"{"error":"the_code","message":"Do it so.","requestId":"req-7","errors":[{"field":"label","message":"is too long"}],"data":{"hasCredits":false}}"#;
    for (status, name, retryable) in [
        ("400 Bad Request", "Validation", false),
        ("401 Unauthorized", "Authentication", false),
        ("402 Payment Required", "PaymentRequired", false),
        ("403 Forbidden", "Authorization", false),
        ("404 Not Found", "NotFound", false),
        ("409 Conflict", "Conflict", false),
        ("413 Too Large", "Validation", false),
        ("422 Unprocessable", "Validation", false),
        ("429 Too Many", "RateLimited", true),
        ("500 Oh", "Server", true),
        ("502 Oh", "Server", true),
        ("503 Oh", "Server", true),
    ] {
        let error = failure(status, &[], body).await;
        assert!(format!("{error:?}").starts_with(name), "{status}: {error:?}");
        assert_eq!(error.message(), "Do it so.");
        assert_eq!(error.to_string(), "Do it so.");
        assert_eq!(
            error.status().map(|code| code.as_str().to_owned()).as_deref(),
            Some(&status[..3])
        );
        assert_eq!((error.code(), error.request_id()), (Some("the_code"), Some("req-7")));
        assert_eq!(error.is_retryable(), retryable, "{status}");
        let [field] = error.field_errors() else { panic!("{error:?}") };
        assert_eq!((field.field.as_str(), field.message.as_str()), ("label", "is too long"));
        if let Error::PaymentRequired(refusal) = error {
            assert_eq!(refusal.data, Some(json!({"hasCredits": false})));
        }
    }
    let lasting = body.replace("the_code", "vault_integrity");
    assert!(!failure("500 Oh", &[], &lasting).await.is_retryable());
}

#[tokio::test]
async fn retry_after_is_told_in_seconds_or_by_a_date_and_nonsense_is_none() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    for (value, least, most) in [("7", 7, 7), (date.as_str(), 90, 100)] {
        let error = failure("429 Too Many", &[("retry-after", value)], "{}").await;
        let Error::RateLimited(refusal) = &error else { panic!("{error:?}") };
        let asked = refusal.retry_after.expect("a time").as_secs();
        assert!((least..=most).contains(&asked), "{value}: {asked}");
        assert_eq!(error.retry_after(), refusal.retry_after);
    }
    for value in ["soon", "-3", "1e3", ""] {
        let error = failure("429 Too Many", &[("retry-after", value)], "{}").await;
        assert!(matches!(error, Error::RateLimited(_)), "{error:?}");
        assert_eq!(error.retry_after(), None, "{value}");
    }
}

#[tokio::test]
async fn what_is_no_byok_server_is_said_to_be_none() {
    let html = [("content-type", "text/html")];
    let page = "<html>canary</html>";
    for (status, headers, body) in [
        ("200 OK", &html[..], page),
        ("502 Bad Gateway", &html, page),
        ("200 OK", &[], ""),
        ("200 OK", &[], "[]"),
        ("200 OK", &[], "{}"),
        ("301 Moved", &[("location", "http://127.0.0.1:1/elsewhere")], ""),
    ] {
        let error = failure(status, headers, body).await;
        let Error::Server(refusal) = &error else { panic!("{status} {body}: {error:?}") };
        assert!(refusal.message.contains("base URL"), "{}", refusal.message);
        assert!(!format!("{error:?}").contains("canary"));
        assert_eq!(error.request_id(), Some("req-1"));
    }
    for (headers, body) in [(&html[..], page), (&[][..], "{}"), (&[], "[1"), (&[], "null")] {
        let script = Script::of([Reply::Bytes(answer("200 OK", headers, body))]).await;
        let error = script.client().openai("c").responses().create(json!({})).await;
        assert!(matches!(error, Err(Error::Server(_))), "{body}: {error:?}");
    }
    let error = failure("404 Not Found", &html, page).await;
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_or_slow_or_leaves_is_a_network_error_or_a_timeout() {
    let gone = builder("http://127.0.0.1:1").retries(0).build().expect("a client");
    let error = gone.usage().stats().await.expect_err("nobody is there");
    let Error::Network(lost) = &error else { panic!("{error:?}") };
    assert!(lost.nothing_sent && error.is_retryable());
    assert_eq!((error.status(), error.code(), error.request_id()), (None, None, None));

    let silent = Script::of([Reply::Bytes(Vec::new())]).await;
    let error = silent.client().openai("c").responses().create(json!({})).await;
    let Err(Error::Network(lost)) = error else { panic!("{error:?}") };
    assert!(!lost.nothing_sent);

    let head = b"HTTP/1.1 200 OK\r\nx-request-id: req-1\r\ncontent-length: 9\r\n\r\n{";
    for (sent, id) in [(&b""[..], None), (head, Some("req-1"))] {
        let (left, gone) = tokio::sync::oneshot::channel();
        let slow = Script::of([Reply::Stall(sent.to_vec(), left)]).await;
        let limit = Duration::from_millis(200);
        let byok = slow.builder().timeout(limit).call_timeout(limit).build().expect("a client");
        let error = byok.openai("c").responses().create(json!({})).await.expect_err("too slow");
        assert!(matches!(error, Error::Timeout(_)), "{error:?}");
        assert_eq!((error.request_id(), error.is_retryable()), (id, true));
        gone.await.expect("the client has left");
    }
}

#[tokio::test]
async fn no_part_of_an_answer_is_taken_for_the_whole() {
    let Reply::Bytes(whole) = envelope(r#"{"a":[1,2]}"#) else { unreachable!("bytes") };
    let head = whole.len() - enveloped(r#"{"a":[1,2]}"#).len();
    let cut = (0..whole.len()).map(|end| Reply::Bytes(whole[..end].to_vec()));
    let script = Script::of(cut).await;
    let responses = script.client().openai("c").responses();
    for end in 0..whole.len() {
        let error = responses.create(json!({})).await;
        assert!(matches!(error, Err(Error::Network(_))), "{end}: {error:?}");
    }
    // Without a length, an end is an end.
    let text = String::from_utf8(whole).expect("text");
    let text = text.replace("content-length", "x-was");
    for end in (head..text.len()).step_by(7) {
        let script = Script::of([Reply::Bytes(text.as_bytes()[..end].to_vec())]).await;
        let error = script.client().openai("c").responses().create(json!({})).await;
        assert!(matches!(error, Err(Error::Server(_) | Error::Network(_))), "{end}: {error:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_is_sent() {
    for (key, url) in [
        ("", "http://localhost"),
        ("a\nb", "http://localhost"),
        ("k", "localhost:1"),
        ("k", "ftp://x"),
        ("k", "http://"),
        ("k", "http://a/?b=c"),
        ("k", "no canary url"),
    ] {
        let error = byok_client::Byok::builder(key).base_url(url).build().expect_err(url);
        assert!(matches!(error, Error::Validation(_)), "{error:?}");
        assert!(!error.message().contains("canary"));
    }
    for (name, value) in [("a b", "c"), ("a", "b\nc")] {
        let built = builder("http://localhost").header(name, value).build();
        assert!(matches!(built, Err(Error::Validation(_))), "{name}");
    }
    let script = Script::of([]).await;
    let byok = script.client();
    let openai = byok.openai("c");
    for payload in [json!([]), json!("text"), json!(null), json!(7)] {
        let error = openai.responses().create(&payload).await.expect_err("no object");
        assert!(matches!(error, Error::Validation(_)) && error.status().is_none(), "{error:?}");
        assert!(openai.responses().stream(&payload).await.is_err());
        let audio = byok_client::Audio::new("a.wav", "bytes");
        assert!(openai.transcriptions().create(audio, &payload).await.is_err());
    }
    for odd in ["", ".", "..", "acme\n", ".\t.", "\r"] {
        let error = byok.customers().get(odd).await.expect_err("no address");
        assert!(matches!(error, Error::Validation(_)), "{error:?}");
    }
    for odd in ["", " c", "c\t", "c\nd"] {
        assert!(matches!(byok.openai_compatible(odd), Err(Error::Validation(_))), "{odd:?}");
    }
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_providers_is_told_with_its_name_status_and_body() {
    for (data, message) in [
        (r#"{"error":{"message":"No such model.","type":"x"}}"#, "No such model."),
        (r#"{"type":"error","error":{"type":"x","message":"Busy."}}"#, "Busy."),
        (r#"[{"error":{"code":400,"message":"Bad."}}]"#, "Bad."),
        (r#"{"message":"Too long."}"#, "Too long."),
        (r#""plain words""#, "plain words"),
        ("null", "In words for people."),
    ] {
        let body = format!(
            r#"{{"success":false,"statusCode":404,"provider":"openai","requestId":"req-1","keySource":"credits","fallback":"no_key","explanation":"In words for people.","data":{data},"usage":null,"costUsd":null}}"#
        );
        let headers = [
            ("x-byo-provider", "openai"),
            ("x-byo-key-source", "credits"),
            ("x-byo-fallback", "no_key"),
        ];
        for streamed in [false, true] {
            let script = Script::of([Reply::Bytes(answer("200 OK", &headers, &body))]).await;
            let responses = script.client().openai("c").responses();
            let error = match streamed {
                true => responses.stream(json!({})).await.map(drop),
                false => responses.create(json!({})).await.map(drop),
            };
            let Err(error @ Error::Provider(_)) = error else { panic!("{error:?}") };
            assert_eq!((error.message(), error.request_id()), (message, Some("req-1")));
            assert_eq!(error.to_string(), format!("openai refused the call: {message}"));
            assert!(!error.is_retryable());
            let Error::Provider(told) = error else { unreachable!("it is one") };
            assert_eq!(
                (told.provider.as_str(), told.status.map(|s| s.as_u16())),
                ("openai", Some(404))
            );
            assert_eq!(told.body, serde_json::from_str::<serde_json::Value>(data).expect("JSON"));
            assert_eq!(told.receipt.key_source, byok_client::KeySource::Credits);
            assert_eq!(told.receipt.fallback, Some(byok_client::Fallback::NoKey));
        }
    }
}

#[tokio::test]
async fn a_refused_call_says_what_the_server_says() {
    let script = Script::of([refusal("404 Not Found", &[])]).await;
    let error = script.client().openai("c").responses().stream(json!({})).await;
    let Err(error @ Error::NotFound(_)) = error else { panic!("{error:?}") };
    assert_eq!((error.code(), error.request_id()), (Some("some_code"), Some("req-9")));
}
