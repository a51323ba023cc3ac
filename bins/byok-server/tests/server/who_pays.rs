//! Credits while the database cannot be had: refused, and charged once whatever happens.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{KEY, Launch, Postgres, SOON, Server, chat, is, provider, serving, soon};

/// The key that credits pay for.
const PLATFORM: &str = "sk-proj-platform0123456789platform0123456789";
const GRANTED: u64 = 1_000_000;

/// Lets the customer `payer` pay with credits.
fn sell(server: &Server) {
    let key = json!({"providerKey": PLATFORM});
    let stored = server.put("/platform-keys/openai").json(&key).send().json();
    assert_eq!(stored["status"], "valid", "{stored}");
    let grant = server.post("/customers/payer/credits").header("idempotency-key", "one");
    let granted = grant.json(&json!({"amount": GRANTED})).send().json();
    assert_eq!(granted["available"], GRANTED, "{granted}");
}

/// Calls of `payer` that were answered.
fn paid(server: &Server) -> bool {
    let reply = server.chat("payer", &chat()).send();
    if reply.status == 200 {
        assert_eq!(reply.header("x-byo-key-source"), Some("credits"));
        return true;
    }
    assert_eq!(reply.refusal(), is(503, "unavailable"), "{}", server.log());
    false
}

/// Calls on both before, during and after a time in which the database cannot be had.
fn outlives(server: &Server, away: impl FnOnce(), back: impl FnOnce()) {
    sell(server);
    server.still_serves("customer");
    let mut answered = 0;
    for _ in 0..3 {
        assert!(paid(server));
        answered += 1;
    }
    away();
    for _ in 0..3 {
        let began = Instant::now();
        // One that was under way in the database when it went may still get there.
        if paid(server) {
            answered += 1;
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        for _ in 0..3 {
            server.still_serves("customer");
        }
    }
    back();
    let again = soon(SOON, || paid(server));
    assert!(again, "{}", server.log());
    answered += 1;
    let mut rows = Vec::new();
    soon(SOON, || {
        rows = server.calls("payer");
        rows.retain(|row| row["success"] == true);
        rows.len() >= answered && server.calls("customer").len() == 10
    });
    assert_eq!((rows.len(), server.calls("customer").len()), (answered, 10), "{rows:?}");
    let charged: u64 = rows.iter().filter_map(|row| row["creditsCharged"].as_u64()).sum();
    assert!(charged > 0);
    let mut has = Value::Null;
    let books = json!({"balance": GRANTED - charged, "held": 0, "available": GRANTED - charged});
    soon(SOON, || {
        has = server.get("/customers/payer/credits").send().json();
        has == books
    });
    assert_eq!(has, books, "{}", server.log());
    let key = server.launch.scratch().data().join("encryption.key");
    let launch = server.launch.clone().with("ENCRYPTION_KEY_FILE", key.display().to_string());
    let doctor = launch.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success() && said.lines().all(|line| line.starts_with("ok ")), "{said}");
}

#[test]
fn while_another_process_locks_the_file_calls_on_credits_are_refused_and_others_go_on() {
    let (_provider, server) = serving();
    let path = server.launch.scratch().data().join("byok.db");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}", path.display()));
    options.max_connections(1);
    let other = runtime.block_on(sea_orm::Database::connect(options)).expect("a database");
    let execute = |sql: &str| {
        runtime.block_on(other.execute_unprepared(sql)).expect("it runs");
    };
    outlives(&server, || execute("BEGIN IMMEDIATE"), || execute("ROLLBACK"));
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn while_the_database_is_away_calls_on_credits_are_refused_and_others_go_on_on_postgres() {
    let (provider, database) = (provider(), Postgres::new());
    let server = database.under(Launch::quickstart(&provider)).start();
    server.connect("customer", KEY);
    outlives(&server, || database.open_to_all(false), || database.open_to_all(true));
}
