//! Files and batches belong to the customer who made them.

use byok_testkit::fake_provider::{Answer, FakeProvider};
use serde_json::{Value, json};

use crate::support::{KEY, Reply, Server, form, serving};

fn upload(server: &Server, ref_id: &str) -> String {
    let parts =
        [form::field("purpose", "batch"), form::file("file", "input.jsonl", b"{}\n")].concat();
    let reply = server.post("/v1/files").by(ref_id).body(form::TYPE, form::whole(&parts)).send();
    let file: Value = serde_json::from_slice(reply.answered()).expect("JSON");
    file["id"].as_str().expect("an id").to_owned()
}

fn batch(server: &Server, ref_id: &str, file: &str) -> Reply {
    let payload = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    server.post("/v1/batches").by(ref_id).json(&payload).send()
}

/// Asserts that the provider heard nothing of it.
fn not_found(provider: &FakeProvider, reply: &Reply, what: &str) {
    assert_eq!(reply.refusal(), (404, "not_found".to_owned()), "{what}");
    assert_eq!(provider.take_requests().len(), 0, "{what} reached the provider");
}

#[test]
fn another_customer_cannot_tell_a_file_from_one_that_is_not_there() {
    let (provider, server) = serving();
    server.connect("other", KEY);
    for _ in 0..5 {
        let id = upload(&server, "customer");
        provider.take_requests();
        // At once: there is no moment in which it is anybody's.
        for asked in [
            server.get(&format!("/v1/files/{id}")),
            server.get(&format!("/v1/files/{id}/content")),
            server.delete(&format!("/v1/files/{id}")),
            server.get(&format!("/v1/files/{id}?x=1")),
        ] {
            not_found(&provider, &asked.by("other").send(), &id);
        }
        not_found(&provider, &batch(&server, "other", &id), "a batch of it");
        assert_eq!(server.get(&format!("/v1/files/{id}")).by("customer").send().json()["id"], id);
    }
}

#[test]
fn another_customers_file_is_not_read_for_an_answer_either() {
    let (provider, server) = serving();
    server.connect("other", KEY);
    let id = upload(&server, "customer");
    let part = |id: &str| json!({"type": "file", "file": {"file_id": id}});
    let input =
        |id: &str| json!([{"role": "user", "content": [{"type": "input_file", "file_id": id}]}]);
    let chat =
        |id: &str| json!({"model": "m", "messages": [{"role": "user", "content": [part(id)]}]});
    let tool = json!({"type": "code_interpreter", "container": {"type": "auto", "file_ids": [id]}});
    let asks = |ref_id: &str| {
        [
            server.chat(ref_id, &chat(&id)),
            server
                .post("/v1/responses")
                .by(ref_id)
                .json(&json!({"model": "m", "input": input(&id)})),
            server.envelope("responses", ref_id, &json!({"model": "m", "input": input(&id)})),
            server.post("/v1/responses").by(ref_id).json(&json!({"model": "m", "tools": [tool]})),
        ]
    };
    provider.take_requests();
    for asked in asks("other") {
        assert_eq!(asked.send().refusal(), (404, "not_found".to_owned()));
    }
    assert_eq!(provider.take_requests().len(), 0);
    for asked in asks("customer") {
        asked.send().answered();
    }
    // One that was not made through here is its account's own affair.
    server.chat("other", &chat("file-from-elsewhere")).send().answered();
}

#[test]
fn no_spelling_of_a_path_leads_to_another_customers_file() {
    let (provider, server) = serving();
    server.connect("other", KEY);
    let id = upload(&server, "customer");
    assert_eq!(server.get(&format!("/v1/files/{id}")).by("customer").send().status, 200);
    provider.take_requests();
    let (first, rest) = id.split_at(1);
    let encoded = format!("%{:02X}{rest}", first.as_bytes()[0]);
    for path in [
        format!("/v1/files/{encoded}"),
        format!("/v1/files%2F{id}"),
        format!("/v1/files%2f{id}"),
        format!("/v1/%66iles/{id}"),
        format!("/v1//files/{id}"),
        format!("/v1/files//{id}"),
        format!("/v1/files/{id}/"),
        format!("/v1/files/./{id}"),
        format!("/v1/x/../files/{id}"),
        format!("/v1/files/%2e/{id}"),
        format!("/v1/files/{}", id.replace('-', "%2D")),
        format!("/v1/files\\{id}"),
    ] {
        let reply = server.get(&path).by("other").send();
        let (status, _) = reply.refusal();
        assert!([400, 404].contains(&status), "{path}: {status}");
        assert_eq!(provider.take_requests().len(), 0, "{path} reached the provider");
    }
}

#[test]
fn a_batch_and_its_file_are_bound_likewise_and_stay_so() {
    let (provider, mut server) = serving();
    server.connect("other", "sk-proj-other-0123456789abcdef");
    let file = upload(&server, "customer");
    let made = batch(&server, "customer", &file);
    let id = serde_json::from_slice::<Value>(made.answered()).expect("JSON")["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    for round in 0..2 {
        provider.take_requests();
        for asked in [
            server.get(&format!("/v1/batches/{id}")),
            server.post(&format!("/v1/batches/{id}/cancel")),
        ] {
            not_found(&provider, &asked.clone().by("other").send(), &id);
            asked.by("customer").send().answered();
            assert_eq!(provider.take_requests()[0].bearer(), Some(KEY));
        }
        if round == 0 {
            assert!(server.stop().success());
            server = server.again(server.launch.clone());
        }
    }
    // A list is the provider's, under the customer's own key.
    server.get("/v1/files").by("other").send().answered();
    assert_eq!(provider.take_requests()[0].bearer(), Some("sk-proj-other-0123456789abcdef"));
    // What was made elsewhere with the customer's own key is the customer's affair.
    server.get("/v1/files/file-from-elsewhere").by("other").send().answered();
}

/// The answer to a look at a batch that has written its files.
fn done(batch: &str, output: &str, error: &str) -> Answer {
    let batch = json!({
        "id": batch, "object": "batch", "status": "completed", "input_file_id": "file-in",
        "output_file_id": output, "error_file_id": error,
    });
    Answer::json(200, &batch)
}

#[test]
fn the_files_that_a_batch_wrote_belong_to_whoever_made_the_batch() {
    let (provider, mut server) = serving();
    server.connect("other", "sk-proj-other-0123456789abcdef");
    let file = upload(&server, "customer");
    let made = batch(&server, "customer", &file);
    let id = serde_json::from_slice::<Value>(made.answered()).expect("JSON")["id"].clone();
    let id = id.as_str().expect("an id");
    // Until somebody has been told of them, nobody knows them.
    server.get("/v1/files/file-out-1").by("other").send().answered();
    provider.answer_next(done(id, "file-out-1", "file-err-1"));
    server.get(&format!("/v1/batches/{id}")).by("customer").send().answered();
    provider.answer_next(done(id, "file-out-2", "file-err-2"));
    server.post(&format!("/v1/batches/{id}/cancel")).by("customer").send().answered();
    for round in 0..2 {
        for file in ["file-out-1", "file-err-1", "file-out-2", "file-err-2"] {
            provider.take_requests();
            let asked = server.get(&format!("/v1/files/{file}/content"));
            not_found(&provider, &asked.clone().by("other").send(), file);
            asked.by("customer").send().answered();
            assert_eq!(provider.take_requests()[0].bearer(), Some(KEY));
        }
        if round == 0 {
            server.kill();
            server = server.again(server.launch.clone());
        }
    }
    // Of a batch that was made elsewhere nobody here is the owner, nor of its files.
    provider.answer_next(done("batch-elsewhere", "file-elsewhere", "file-elsewhere-2"));
    server.get("/v1/batches/batch-elsewhere").by("other").send().answered();
    server.get("/v1/files/file-elsewhere").by("customer").send().answered();
}

#[test]
fn what_was_made_just_before_a_crash_is_bound_when_the_server_is_back() {
    let (provider, mut server) = serving();
    server.connect("other", KEY);
    for _ in 0..3 {
        let id = upload(&server, "customer");
        server.kill();
        server = server.again(server.launch.clone());
        provider.take_requests();
        not_found(&provider, &server.get(&format!("/v1/files/{id}")).by("other").send(), &id);
        assert_eq!(server.get(&format!("/v1/files/{id}")).by("customer").send().json()["id"], id);
    }
}

#[test]
fn a_file_is_reached_with_the_key_that_made_it() {
    let (provider, server) = serving();
    let id = upload(&server, "customer");
    server
        .connect_with(
            "customer",
            "sk-proj-newer-0123456789abcdef",
            &json!({"label": "new", "priority": -1}),
        )
        .answered();
    provider.take_requests();
    server.get("/v1/models").by("customer").send().answered();
    server.get(&format!("/v1/files/{id}")).by("customer").send().answered();
    batch(&server, "customer", &id).answered();
    let seen = provider.take_requests();
    let keys: Vec<_> = seen.iter().map(|seen| seen.bearer().unwrap_or_default()).collect();
    assert_eq!(keys, ["sk-proj-newer-0123456789abcdef", KEY, KEY]);
}
