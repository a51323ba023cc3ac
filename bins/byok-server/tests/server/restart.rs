//! Starting and stopping: live answers end well, what was made stays there.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use byok_testkit::fake_provider::{Answer, Gate};
use rustix::process::Signal;
use serde_json::json;

use crate::support::{KEY, Keys, Launch, Live, chat, provider, serving, soon, streamed_chat};

#[test]
fn sigterm_lets_live_streams_end_and_takes_no_new_callers() {
    let (provider, mut server) = serving();
    let gate = Gate::new();
    let mut live = Vec::new();
    for payload in [chat(), streamed_chat()] {
        for held in 0..3 {
            let answer = match payload["stream"].as_bool() {
                Some(true) => Answer::chat_stream("gpt-4o-mini", true),
                _ => Answer::long_json(100),
            };
            // Some have begun, some have not.
            provider.answer_next(if held == 0 {
                answer.held(&gate)
            } else {
                answer.hold_at(40, &gate)
            });
            live.push(server.chat("customer", &payload).begin());
        }
    }
    assert!(soon(Duration::from_secs(5), || provider
        .requests()
        .iter()
        .filter(|seen| seen.method == "POST")
        .count()
        == 6));
    server.signal(Signal::TERM);
    let refused = soon(Duration::from_secs(5), || TcpStream::connect(server.address).is_err());
    assert!(refused, "it goes on accepting");
    std::thread::sleep(Duration::from_millis(100));
    gate.open();
    for stream in live {
        let reply = Live::read(stream).rest();
        assert_eq!((reply.status, reply.whole), (200, true), "{}", reply.text());
    }
    let status = server.ended();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    let server = server.again(server.launch.clone());
    let rows = server.calls("customer");
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row["success"] == true && row["totalTokens"] == 18), "{rows:?}");
}

#[test]
fn a_stream_without_end_does_not_keep_the_server_from_stopping() {
    let provider = provider();
    let mut server = Launch::quickstart(&provider).with("BYO_DRAIN_SECONDS", "1").start();
    server.connect("customer", KEY);
    let answer = Answer::chat_stream("gpt-4o-mini", true).stall_at(300);
    provider.answer_next(answer);
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.next().expect("it begins");
    let started = Instant::now();
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    let took = started.elapsed();
    assert!((900..6000).contains(&took.as_millis()), "{took:?}");
    assert!(!live.rest().whole, "a part never looks whole");
    let server = server.again(server.launch.clone());
    let row = server.call("customer");
    assert_eq!((&row["success"], &row["usageEstimated"]), (&json!(false), &json!(true)), "{row}");
}

#[test]
fn a_signal_right_after_the_start_is_not_lost() {
    let provider = provider();
    for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
        let mut server = Launch::quickstart(&provider).start();
        server.signal(signal);
        assert_eq!(server.ended().code(), Some(0), "{}", server.log());
    }
}

#[test]
fn quickstart_on_a_folder_of_its_own_uses_what_is_there() {
    let (provider, mut server) = serving();
    server.still_serves("customer");
    let first = server.keys.clone();
    let data = server.launch.scratch().data();
    let kept = |name: &str| std::fs::read(data.join(name)).expect("a file");
    let (key, token) = (kept("encryption.key"), kept("admin.token"));
    for round in 1..3 {
        assert!(server.stop().success());
        server = server.again(server.launch.clone());
        let printed = server.launch.scratch().text(&format!("stdout-{round}.log"));
        assert!(Keys::printed(&printed).is_none() && !printed.contains("byo_sk_"), "{printed}");
        assert_eq!((kept("encryption.key"), kept("admin.token")), (key.clone(), token.clone()));
        server.still_serves("customer");
        let projects = server.get("/projects").key(&first.admin).send().json();
        assert_eq!(projects["total"], 1);
    }
    assert_eq!(server.calls("customer").len(), 3);
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(data.join(name)).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!((mode("encryption.key"), mode("admin.token"), mode("")), (0o600, 0o600, 0o700));
    drop(provider);
}

#[test]
fn a_stopped_servers_database_is_one_file() {
    let (_provider, mut server) = serving();
    server.still_serves("customer");
    assert!(server.stop().success());
    let data = server.launch.scratch().data();
    let size = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |meta| meta.len());
    assert_eq!((size("byok.db-wal"), size("byok.db-shm")), (0, 0));
    assert!(size("byok.db") > 50_000, "{}", size("byok.db"));
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let (_provider, server) = serving();
    for command in ["quickstart", "serve"] {
        let key = server.launch.scratch().data().join("encryption.key");
        let launch = server.launch.clone().command(command);
        let launch = match command {
            "serve" => launch.with("ENCRYPTION_KEY_FILE", key.display().to_string()),
            _ => launch,
        };
        let output = launch.refused();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("in use by another server"), "{said}");
    }
    server.still_serves("customer");
}

#[test]
fn a_server_that_stops_closes_what_is_idle() {
    let (provider, mut server) = serving();
    assert_eq!(server.get("/readyz").anonymous().send().status, 200);
    assert_eq!(server.get("/healthz").anonymous().send().status, 200);
    let gate = Gate::new();
    provider.answer_next(Answer::chat_stream("gpt-4o-mini", true).hold_at(400, &gate));
    let mut idle = server.get("/healthz").dial();
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.next().expect("it begins");
    server.signal(Signal::TERM);
    // An idle connection is closed, not left to wait.
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("a clean end");
    assert!(rest.is_empty());
    gate.open();
    assert!(live.rest().whole);
    assert!(server.ended().success());
}
