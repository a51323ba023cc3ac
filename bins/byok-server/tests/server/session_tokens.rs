//! Session tokens of temporary AWS credentials: sealed with their key, also those that an earlier
//! release kept in the clear.

use byok_testkit::fake_provider::{Answer, FakeProvider};
use memchr::memmem;
use serde_json::{Value, json};

use crate::support::{Launch, Reply, Server, execute, provider};

const SECRET: &str = "wJalrXUtnFEMIcanaryK7MDENGbPxRfiCYzEXAMPLEKEY";
const TOKEN: &str = "FwoGZXIvYXdzEcanaryBgaDHn6q3Tz8r0XsessionVbN2LkPq==";
const ID: &str = "ASIAIOSFODNN7EXAMPLE";

fn serving() -> (FakeProvider, Server) {
    let provider = provider();
    let base = format!("http://{}", provider.address());
    let server = Launch::quickstart(&provider).with("BYO_BEDROCK_BASE_URL", base).start();
    provider.answer_at("/foundation-models", Answer::json(200, &json!({"modelSummaries": []})));
    (provider, server)
}

fn connect(server: &Server, config: &Value) -> Reply {
    let more = json!({"provider": "bedrock", "providerConfig": config});
    server.connect_with("customer", SECRET, &more)
}

fn converse(server: &Server) -> Reply {
    let payload = json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]});
    let path = "/bedrock/model/amazon.nova-lite-v1%3A0/converse";
    server.post(path).by("customer").json(&payload).send()
}

/// The session token that the provider was sent last.
fn sent(provider: &FakeProvider) -> Option<String> {
    let seen = provider.take_requests().pop().expect("a request");
    seen.header("x-amz-security-token").map(str::to_owned)
}

fn database_holds(server: &Server, text: &str) -> bool {
    let files = std::fs::read_dir(server.launch.scratch().data()).expect("a folder");
    let files = files.map(|entry| entry.expect("an entry").path());
    let database = files.filter(|path| path.to_string_lossy().contains("byok.db"));
    database
        .map(|path| std::fs::read(path).expect("a file"))
        .any(|bytes| memmem::find(&bytes, text.as_bytes()).is_some())
}

#[test]
fn a_session_token_signs_and_of_it_only_that_it_is_there_is_shown() {
    let (provider, server) = serving();
    let config = json!({"region": "us-east-1", "accessKeyId": ID, "sessionToken": TOKEN});
    assert_eq!(connect(&server, &config).json()["status"], "valid");
    assert_eq!(sent(&provider).as_deref(), Some(TOKEN));
    provider.answer_next(Answer::json(200, &json!({"output": {}, "echo": TOKEN})));
    let reply = converse(&server);
    assert_eq!(sent(&provider).as_deref(), Some(TOKEN));
    assert_eq!(reply.json()["echo"], "*".repeat(TOKEN.len()));
    provider.answer_next(Answer::json(403, &json!({"message": format!("not {TOKEN}")})));
    assert!(!converse(&server).text().contains(TOKEN));

    let listed = server.get("/keys").send().json();
    assert_eq!(listed["data"][0]["providerConfig"]["sessionToken"], "…", "{listed}");
    assert_eq!(listed["data"][0]["keyHint"], "…EKEY");

    // One that is connected anew without it has none.
    let config = json!({"region": "us-east-1", "accessKeyId": ID});
    connect(&server, &config).answered();
    provider.take_requests();
    converse(&server);
    assert_eq!(sent(&provider), None);
    let listed = server.get("/keys").send().json();
    assert_eq!(listed["data"][0]["providerConfig"].get("sessionToken"), None, "{listed}");
}

#[test]
fn a_token_that_an_earlier_release_kept_in_the_clear_is_sealed_at_the_start() {
    let (provider, mut server) = serving();
    connect(&server, &json!({"region": "us-east-1", "accessKeyId": ID})).answered();
    assert!(server.stop().success());
    let config = json!({"accessKeyId": ID, "region": "us-east-1", "sessionToken": TOKEN});
    execute(
        server.launch.scratch(),
        &[
            format!("UPDATE provider_keys SET config = '{config}'"),
            "DROP TABLE keys_to_reseal".to_owned(),
            "DELETE FROM seaql_migrations WHERE version = 'm0007_keys_to_reseal'".to_owned(),
        ],
    );
    assert!(database_holds(&server, TOKEN), "the search is blind");
    for round in 0..2 {
        server = server.again(server.launch.clone());
        provider.take_requests();
        converse(&server);
        assert_eq!(sent(&provider).as_deref(), Some(TOKEN), "round {round}");
        let listed = server.get("/keys").send().json();
        assert_eq!(listed["data"][0]["providerConfig"]["sessionToken"], "…", "{listed}");
        assert!(!database_holds(&server, TOKEN), "round {round}");
        assert!(!server.log().contains(TOKEN));
        assert!(server.stop().success());
    }
    let mut server = server.again(server.launch.clone());
    let log = server.get("/audit-logs").send().json();
    let told = log["data"].as_array().expect("entries");
    let told: Vec<_> = told.iter().filter(|entry| entry["metadata"]["resealed"] == true).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!(told[0]["metadata"]["version"], 2);
    assert!(server.stop().success());
}

#[test]
fn a_row_that_does_not_open_keeps_the_server_from_nothing() {
    let (_provider, mut server) = serving();
    connect(&server, &json!({"region": "us-east-1", "accessKeyId": ID})).answered();
    assert!(server.stop().success());
    let config = json!({"accessKeyId": ID, "region": "us-east-1", "sessionToken": TOKEN});
    execute(
        server.launch.scratch(),
        &[
            format!("UPDATE provider_keys SET config = '{config}', ref_id = 'customer2'"),
            "INSERT INTO keys_to_reseal SELECT id FROM provider_keys".to_owned(),
            "INSERT INTO keys_to_reseal VALUES ('key_of_nobody')".to_owned(),
        ],
    );
    let server = server.again(server.launch.clone());
    assert!(server.log().contains("was not sealed anew"), "{}", server.log());
    let listed = server.get("/keys").send();
    assert_eq!(listed.status, 200);
    assert!(!listed.text().contains(TOKEN));
}
