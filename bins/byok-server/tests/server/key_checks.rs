//! Keys that the server asks about by itself, once a day.

use std::thread::sleep;
use std::time::Duration;

use crate::support::{KEY, Launch, Postgres, SOON, Server, execute, provider, serving, soon};

/// Two days go by for all keys.
const TWO_DAYS_LATER: &str = "UPDATE provider_keys SET created_at = created_at - 172800000, \
    updated_at = updated_at - 172800000, last_validated_at = last_validated_at - 172800000, \
    check_due_at = check_due_at - 172800000";
/// A key that the customers do not have.
const ANOTHER: &str = "sk-proj-another0123456789another0123456789";

/// A statement that does not get in between the rows that a server changes together.
fn beside_servers(statement: &str) -> String {
    format!("LOCK TABLE provider_keys IN SHARE ROW EXCLUSIVE MODE; {statement}")
}

/// How many keys have a status.
fn count(server: &Server, status: &str) -> u64 {
    let keys = server.get(&format!("/keys?status={status}")).send().json();
    keys["total"].as_u64().expect("a number")
}

#[test]
fn what_came_due_while_the_server_was_down_is_asked_about_soon_after_the_start() {
    let (provider, mut server) = serving();
    assert!(server.stop().success());
    execute(server.launch.scratch(), &[TWO_DAYS_LATER]);
    provider.take_requests();
    provider.accept_only([ANOTHER]);
    let server = server.again(server.launch.clone());
    assert!(soon(SOON, || count(&server, "invalid") == 1), "{}", server.log());
    let log = server.get("/audit-logs?action=provider_key.invalidated").send().json();
    assert_eq!((&log["total"], &log["data"][0]["actorType"]), (&1.into(), &"system".into()));
    sleep(Duration::from_secs(3));
    let asked = provider.take_requests();
    assert!(asked.len() == 1 && asked[0].method == "GET", "{asked:?}");
    assert!(!server.log().contains(KEY));
}

#[test]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
fn of_three_instances_one_asks_about_a_key_on_postgres() {
    const KEYS: u64 = 24;
    let (provider, database) = (provider(), Postgres::new());
    let one = database.under(Launch::quickstart(&provider)).start();
    let mut two = database.beside(&one, Launch::quickstart(&provider));
    let _three = database.beside(&one, Launch::quickstart(&provider));
    for n in 0..KEYS {
        one.connect(&format!("customer_{n}"), KEY);
    }
    let asked = || usize::try_from(KEYS).expect("few") == provider.requests().len();
    provider.take_requests();
    database.execute(&beside_servers(TWO_DAYS_LATER));
    assert!(soon(SOON, asked), "{} of {KEYS}", provider.requests().len());
    sleep(Duration::from_secs(3));
    assert_eq!(provider.take_requests().len() as u64, KEYS, "each once");
    assert_eq!(count(&one, "valid"), KEYS);

    provider.accept_only([ANOTHER]);
    database.execute(&beside_servers(TWO_DAYS_LATER));
    // One of them dies in the middle: what it had taken is asked about when its lease is over.
    assert!(soon(SOON, || !provider.requests().is_empty()));
    two.kill();
    database.execute(&beside_servers(
        "UPDATE provider_keys SET check_due_at = 0 WHERE status = 'valid'",
    ));
    assert!(soon(SOON, || count(&one, "invalid") == KEYS), "{}", one.log());
    let log = one.get("/audit-logs?action=provider_key.invalidated").send().json();
    assert_eq!(log["total"], KEYS, "each once");
}
