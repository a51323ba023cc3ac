//! Uploads to Google in several requests: the first is told where the others go, and that is here.

use byok_testkit::fake_provider::{Answer, FakeProvider};
use serde_json::{Value, json};

use crate::support::{Launch, Reply, Server, provider};

const KEY: &str = "AQ.Qk7wT2mZx9Lr4VbN8cYs3HdJ6fGa1PeU5oRiXt0KqWzBvM";
const OTHER_KEY: &str = "AQ.Zt5Hq8GwE1uVn6BxPa0RjMk7Qk7wT2mZx9Lr4VbN8cYs3H";
const BEGIN: &str = "/google/upload/v1beta/files";
const TARGET: &str = "/upload/v1beta/files?upload_id=AbC-1_x&upload_protocol=resumable";

fn serving() -> (FakeProvider, Server) {
    let provider = provider();
    let base = format!("http://{}", provider.address());
    let server = Launch::quickstart(&provider).with("BYO_GOOGLE_BASE_URL", base).start();
    provider.answer_at("/v1beta/models", Answer::json(200, &json!({"models": []})));
    for (ref_id, key) in [("customer", KEY), ("other", OTHER_KEY)] {
        let reply = server.connect_with(ref_id, key, &json!({"provider": "google"}));
        assert_eq!(reply.json()["status"], "valid", "{}", reply.text());
    }
    (provider, server)
}

/// What Google answers to the beginning of an upload.
fn begun(url: &str) -> Answer {
    Answer::new(200, "text/plain; charset=utf-8", "")
        .header("x-goog-upload-status", "active")
        .header("x-goog-upload-url", url)
        .header("x-goog-upload-control-url", url)
        .header("x-goog-upload-chunk-granularity", "8388608")
}

fn begin(server: &Server) -> Reply {
    server
        .post(BEGIN)
        .by("customer")
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-header-content-length", "8")
        .json(&json!({"file": {"display_name": "notes"}}))
        .send()
}

/// Why a refusal of ours was made, as Google's SDKs are told.
fn reason(reply: &Reply) -> Value {
    reply.json()["error"]["details"][0]["reason"].clone()
}

/// Begins an upload and answers where it goes on, below our own address.
fn begun_here(provider: &FakeProvider, server: &Server) -> String {
    provider.answer_next(begun(&format!("http://{}{TARGET}", provider.address())));
    let reply = begin(server);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let url = reply.header("x-goog-upload-url").expect("an address");
    url.strip_prefix("http://byok").expect("ours").to_owned()
}

#[test]
fn an_upload_goes_on_here_without_a_token_and_belongs_to_whoever_began_it() {
    let (provider, server) = serving();
    provider.take_requests();
    let there = format!("http://{}{TARGET}", provider.address());
    for kind in ["text/plain", "application/json"] {
        provider.answer_next(begun(&there).header("content-type", kind));
    }
    provider.take_requests();
    let reply = begin(&server);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("x-goog-upload-status"), Some("active"));
    assert_eq!(reply.header("x-goog-upload-chunk-granularity"), Some("8388608"));
    assert_eq!(reply.header("x-goog-upload-control-url"), None);
    assert_eq!(server.row(&reply)["success"], true);
    assert_eq!(begin(&server).status, 200);
    let seen = provider.take_requests().remove(0);
    assert_eq!(
        (seen.target.as_str(), seen.header("x-goog-api-key")),
        ("/upload/v1beta/files", Some(KEY))
    );
    assert_eq!(seen.header("x-goog-upload-command"), Some("start"));

    let url = reply.header("x-goog-upload-url").expect("an address").to_owned();
    let path = format!("/projects/{}/google{TARGET}&byo_ticket=", server.keys.project);
    let here = url.strip_prefix("http://byok").expect("ours").to_owned();
    assert!(here.starts_with(&path), "{here}");
    for secret in [KEY, &server.keys.secret, "customer"] {
        assert!(!url.contains(secret), "{url}");
    }

    let going_on = Answer::new(200, "text/plain", "").header("x-goog-upload-status", "active");
    let done = Answer::json(200, &json!({"file": {"name": "files/f1", "uri": "u"}}))
        .header("x-goog-upload-status", "final");
    provider.answer_next(going_on);
    let piece = |offset: &str, command: &str, bytes: &str| {
        let asked = server.post(&here).anonymous().header("x-goog-upload-offset", offset);
        asked.header("x-goog-upload-command", command).body("", bytes).send()
    };
    let reply = piece("0", "upload", "some");
    assert_eq!((reply.status, reply.header("x-goog-upload-status")), (200, Some("active")));
    provider.answer_next(done);
    let reply = piece("4", "upload, finalize", "text");
    assert_eq!(reply.json()["file"]["name"], "files/f1");
    assert_eq!(reply.header("x-goog-upload-status"), Some("final"));
    let row = server.row(&reply);
    assert_eq!((&row["refId"], &row["operation"]), (&json!("customer"), &json!("files")));
    let seen = provider.take_requests();
    assert_eq!(seen.len(), 2);
    for (seen, (offset, bytes)) in seen.iter().zip([("0", "some"), ("4", "text")]) {
        assert_eq!((seen.target.as_str(), &seen.body[..]), (TARGET, bytes.as_bytes()));
        assert_eq!(seen.header("x-goog-upload-offset"), Some(offset));
        assert_eq!(seen.header("content-length"), Some("4"));
        let head = String::from_utf8_lossy(&seen.head).into_owned();
        assert!(!head.contains("byo_") && !head.contains(KEY), "{head}");
    }

    let reply = server.get("/google/v1beta/files/f1").by("other").send();
    assert_eq!(reply.status, 404);
    assert_eq!(provider.take_requests().len(), 0, "it reached the provider");
}

#[test]
fn the_address_lets_one_upload_go_on_and_nothing_else() {
    let (provider, server) = serving();
    let here = begun_here(&provider, &server);
    provider.take_requests();
    let project = &server.keys.project;
    let ticket = here.split_once("byo_ticket=").expect("a ticket").1;
    let with_ticket = |path: &str| format!("/projects/{project}/google{path}byo_ticket={ticket}");
    for target in [
        here.replace("AbC-1_x", "AbC-1_y"),
        with_ticket("/upload/v1beta/files?"),
        with_ticket("/v1beta/files?"),
        with_ticket("/v1beta/files/f1?"),
        with_ticket("/upload/v1/files?upload_id=AbC-1_x&upload_protocol=resumable&"),
        here.replace("/google/", "/anthropic/"),
        here.replace(project.as_str(), "proj_of_nobody"),
        format!("{here}x"),
        here[..here.len() - 1].to_owned(),
        here.replace(ticket, ""),
        // Without the project's name nobody knows whose ticket it is.
        here.replace(&format!("/projects/{project}"), ""),
    ] {
        let reply = server.post(&target).anonymous().by("customer").body("", "text").send();
        assert_eq!(reply.status, 401, "{target}: {}", reply.text());
        assert_eq!(provider.take_requests().len(), 0, "{target} reached the provider");
    }
    // For another customer it is not either.
    let reply = server.post(&here).by("other").body("", "text").send();
    assert_eq!((reply.status, reason(&reply)), (403, json!("forbidden")));
    // Nor when the key is gone that it was begun with.
    let gone = json!({"provider": "google", "refId": "customer"});
    server.delete("/keys/revoke").json(&gone).send().answered();
    let reply = server.post(&here).anonymous().body("", "text").send();
    assert_eq!((reply.status, reason(&reply)), (404, json!("key_not_connected")));
    assert_eq!(provider.take_requests().len(), 0);
}

#[test]
fn a_caller_with_a_token_may_go_on_too_and_the_ticket_outlives_a_restart() {
    let (provider, mut server) = serving();
    let here = begun_here(&provider, &server);
    server.kill();
    server = server.again(server.launch.clone());
    for asked in [server.post(&here), server.post(&here).by("customer")] {
        provider.take_requests();
        provider.answer_next(Answer::json(200, &json!({"file": {"name": "files/f2"}})));
        assert_eq!(asked.body("", "text").send().json()["file"]["name"], "files/f2");
        assert_eq!(provider.take_requests()[0].target, TARGET);
    }
}

#[test]
fn an_upload_that_would_go_on_elsewhere_does_not() {
    let (provider, server) = serving();
    for url in [
        "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=1".to_owned(),
        format!("https://{}{TARGET}", provider.address()),
        format!("http://evil.example{TARGET}"),
        format!("http://{}@evil.example{TARGET}", provider.address()),
        TARGET.to_owned(),
        "nonsense".to_owned(),
    ] {
        provider.answer_next(begun(&url));
        let reply = begin(&server);
        assert_eq!((reply.status, reply.header("x-goog-upload-url")), (502, None), "{url}");
        assert_eq!(reason(&reply), "upstream_redirect");
        assert_eq!(server.row(&reply)["errorClass"], "provider_down");
    }
    // A key in it does not come along.
    let there = format!("http://{}{TARGET}&key={KEY}", provider.address());
    provider.answer_next(begun(&there));
    let reply = begin(&server);
    let url = reply.header("x-goog-upload-url").expect("an address");
    assert!(url.contains("upload_id=AbC-1_x") && !url.contains("key="), "{url}");
}
