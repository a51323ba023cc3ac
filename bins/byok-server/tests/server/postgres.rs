//! The server with its data in PostgreSQL: alone, and several instances on one database.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kill::counted_once_however_it_dies;
use crate::support::{
    KEY, Launch, PASSWORD, Postgres, SOON, Server, chat, provider, soon, streamed_chat,
};

/// How soon a change is seen by another instance.
const SEEN: Duration = Duration::from_secs(1);

fn run(server: &Server, arguments: &[&str]) -> String {
    let key = server.launch.scratch().data().join("encryption.key");
    let launch = server.launch.clone().with("ENCRYPTION_KEY_FILE", key.display().to_string());
    let output = launch.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn everything_that_a_file_serves_a_postgres_database_serves() {
    let (provider, database) = (provider(), Postgres::new());
    let mut server = database.under(Launch::quickstart(&provider)).start();
    assert!(!server.launch.scratch().data().join("byok.db").exists());
    server.connect("customer", KEY);
    for payload in [chat(), streamed_chat()] {
        server.chat("customer", &payload).send().answered();
    }
    let ready = server.get("/readyz").anonymous().send();
    assert_eq!(ready.status, 200, "{}", ready.text());
    let mut usage = Value::Null;
    soon(SOON, || {
        usage = server.get("/usage?refId=customer").send().json();
        usage["totals"]["requests"] == 2
    });
    assert_eq!(usage["totals"]["totalTokens"], 36, "{usage}");
    assert_eq!(server.calls("customer").len(), 2);
    let keys = server.get("/keys?refId=customer").send().json();
    assert_eq!(keys["data"][0]["totalRequests"], 2, "{keys}");

    // Beside the running server.
    assert!(run(&server, &["doctor"]).lines().all(|line| line.starts_with("ok ")));
    assert!(run(&server, &["audit", "verify"]).contains(" are in order"));
    assert!(run(&server, &["projects", "list"]).contains(&server.keys.project));
    assert!(run(&server, &["migrate"]).contains("0 changes were applied"));
    assert!(run(&server, &["keyring", "status"]).contains("current"));
    let other = "fa1bdb2b9266f3d33c9ff0f18051729d35e3fcc30351381ca5e8c51c502e5085";
    let first = server.launch.scratch().text("data/encryption.key");
    let ring = format!("2:{other},1:{}", first.trim());
    let rotating = server.launch.clone().with("ENCRYPTION_KEYS", ring.clone());
    let rotated = rotating.run(&["keyring", "rotate"]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    server.still_serves("customer");

    assert!(server.stop().success());
    let server = server.again(server.launch.clone().with("ENCRYPTION_KEYS", ring));
    server.still_serves("customer");
    assert_eq!(server.calls("customer").len(), 4);
    let projects = server.get("/projects").key(&server.keys.admin).send().json();
    assert_eq!(projects["total"], 1, "what was there is used");
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn every_answer_that_was_complete_is_counted_once_on_postgres() {
    let (provider, database) = (provider(), Postgres::new());
    counted_once_however_it_dies(database.under(Launch::quickstart(&provider)));
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn what_one_instance_changes_the_other_sees_within_a_second_on_postgres() {
    let (provider, database) = (provider(), Postgres::new());
    let one = database.under(Launch::quickstart(&provider)).start();
    let other = database.beside(&one, Launch::quickstart(&provider));
    let status = |customer: &str, key: &str| other.chat(customer, &chat()).key(key).send().status;
    let sees = |what: &str, customer: &str, key: &str, expected: u16| {
        let began = Instant::now();
        let seen = soon(SOON, || status(customer, key) == expected);
        assert!(seen && began.elapsed() < SEEN, "{what}: {:?}", began.elapsed());
    };
    // What is remembered of a customer without a key, and of a token that works.
    let secret = one.keys.secret.clone();
    assert_ne!(status("customer", &secret), 200);
    one.connect("customer", KEY);
    sees("a key", "customer", &secret, 200);
    let customer = json!({"provider": "openai", "refId": "customer"});
    let (id, token) = one.api_key(&json!({"name": "second", "type": "secret"}));
    sees("a token", "customer", &token, 200);
    let path = format!("/projects/{}/api-keys/{id}", one.keys.project);
    assert!(one.delete(&path).send().status < 300);
    sees("a withdrawn token", "customer", &token, 401);
    assert!(one.delete("/keys/revoke").json(&customer).send().status < 300);
    let began = Instant::now();
    assert!(soon(SOON, || status("customer", &secret) != 200) && began.elapsed() < SEEN);
    one.connect("customer", KEY);
    sees("a key again", "customer", &secret, 200);
    let path = format!("/projects/{}", one.keys.project);
    assert!(one.delete(&path).key(&one.keys.admin).send().status < 300);
    sees("a removed project", "customer", &secret, 401);
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn calls_of_several_instances_add_up_on_postgres() {
    let (provider, database) = (provider(), Postgres::new());
    let one = database.under(Launch::quickstart(&provider)).start();
    let two = database.beside(&one, Launch::quickstart(&provider));
    let customers: Vec<_> = (0..6).map(|n| format!("customer_{n}")).collect();
    for customer in &customers {
        one.connect(customer, KEY);
    }
    // The same roll-ups and the same keys, from both at once; keys and settings are changed
    // meanwhile.
    std::thread::scope(|scope| {
        for server in [&one, &two] {
            for part in 0..3 {
                let customers = &customers;
                scope.spawn(move || {
                    for turn in 0..60 {
                        let customer = &customers[(turn * 5 + part) % customers.len()];
                        server.chat(customer, &chat()).send().answered();
                    }
                });
            }
            let customers = &customers;
            scope.spawn(move || {
                for turn in 0..20 {
                    server.connect(&customers[turn % customers.len()], KEY);
                }
            });
        }
    });
    let mut usage = Value::Null;
    soon(SOON, || {
        usage = one.get("/usage").send().json();
        usage["totals"]["requests"] == 360
    });
    assert_eq!(usage["totals"]["requests"], 360, "{}\n{}", one.log(), two.log());
    assert_eq!(usage["totals"]["totalTokens"], 360 * 18);
    let keys = one.get("/keys?limit=100").send().json();
    let counted = keys["data"].as_array().expect("keys").iter();
    let counted: u64 = counted.filter_map(|key| key["totalRequests"].as_u64()).sum();
    assert_eq!(counted, 360);
    assert!(run(&one, &["audit", "verify"]).contains(" are in order"));
    for server in [&one, &two] {
        assert!(!server.log().contains("deadlock"), "{}", server.log());
    }
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn calls_go_on_while_the_postgres_database_is_away() {
    let (provider, database) = (provider(), Postgres::new());
    let server = database.under(Launch::quickstart(&provider)).start();
    server.connect("customer", KEY);
    server.still_serves("customer");
    // What it forgets because the key was connected it has forgotten by then.
    assert!(soon(SOON, || server.calls("customer").len() == 1), "{}", server.log());
    server.still_serves("customer");
    database.open_to_all(false);
    assert!(soon(SOON, || server.get("/readyz").anonymous().send().status == 503));
    for _ in 0..20 {
        server.still_serves("customer");
    }
    database.open_to_all(true);
    assert!(soon(SOON, || server.get("/readyz").anonymous().send().status == 200));
    assert!(soon(SOON, || server.calls("customer").len() == 22), "{}", server.log());
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn the_password_of_the_postgres_database_is_never_told() {
    let (provider, database) = (provider(), Postgres::new());
    let launch = database.under(Launch::quickstart(&provider)).with("BYO_LOG", "trace");
    let mut server = launch.start();
    server.connect("customer", KEY);
    server.still_serves("customer");
    assert!(soon(SOON, || server.calls("customer").len() == 1));
    assert!(server.stop().success());
    assert!(server.log().contains("DEBUG"), "{}", server.log());
    for file in server.launch.scratch().files() {
        let bytes = std::fs::read(&file).expect("a readable file");
        assert!(memchr::memmem::find(&bytes, PASSWORD.as_bytes()).is_none(), "{file:?}");
    }
    let gone = database.url().replace("/byok_server_", "/gone_");
    let nobody = format!("postgres://byok:{PASSWORD}@127.0.0.1:1/byok");
    for url in [gone, nobody] {
        let launch = server.launch.clone().with("BYO_DATABASE_URL", url);
        for command in [&["doctor"][..], &["migrate"], &["quickstart"], &["audit", "verify"]] {
            let key = server.launch.scratch().data().join("encryption.key");
            let launch = launch.clone().with("ENCRYPTION_KEY_FILE", key.display().to_string());
            let output = launch.run(command);
            assert!(!output.status.success(), "{command:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains(PASSWORD) && said.len() > 20, "{command:?}: {said}");
        }
    }
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn a_zero_byte_which_postgres_keeps_in_no_text_stops_nothing() {
    let (provider, database) = (provider(), Postgres::new());
    let server = database.under(Launch::quickstart(&provider)).start();
    server.connect("customer", KEY);
    let mut payload = chat();
    payload["model"] = "gpt\u{0}4o".into();
    server.chat("customer", &payload).send();
    server.still_serves("customer");
    assert!(soon(SOON, || server.calls("customer").len() == 2), "{}", server.log());
    for target in [
        "/usage?model=gpt%004o",
        "/logs?model=%00",
        "/usage?provider=%00",
        "/keys?provider=%00",
        "/projects/%00",
        "/projects/%00/usage",
        "/logs/%00",
        "/audit-logs?action=%00",
        "/v1/files/file-%00",
        "/v1/batches/%00",
        "/v1/models/%00",
    ] {
        for key in [&server.keys.secret, &server.keys.admin] {
            let reply = server.get(target).key(key).by("customer").send();
            assert!(reply.status < 500, "{target}: {}", reply.text());
        }
    }
    server.still_serves("customer");
}
