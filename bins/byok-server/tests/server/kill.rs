//! Death at any moment: what was answered stays counted, once.

use std::collections::{HashMap, HashSet};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{KEY, Launch, Live, Server, chat, provider, soon, streamed_chat};

/// The ids of all calls of a customer that have a row, with how many rows each has.
fn rows(server: &Server, ref_id: &str) -> HashMap<String, u32> {
    let mut found = HashMap::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/logs?limit=500&refId={ref_id}{cursor}")).send();
        let page: Value = serde_json::from_slice(page.answered()).expect("JSON");
        for row in page["data"].as_array().expect("rows") {
            *found.entry(row["id"].as_str().expect("an id").to_owned()).or_insert(0) += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// What callers saw of their calls.
#[derive(Default)]
struct Seen {
    /// Read to the last byte.
    complete: HashSet<String>,
    /// Begun, and cut off.
    cut: HashSet<String>,
}

fn caller(server: &Server, stop: &AtomicBool, seen: &Mutex<Seen>, number: usize) {
    for turn in number.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let payload = if turn % 2 == 0 { chat() } else { streamed_chat() };
        let asked = server.chat("customer", &payload);
        let Ok(mut stream) = TcpStream::connect(server.address) else { return };
        if std::io::Write::write_all(&mut stream, &asked.bytes()).is_err() {
            return;
        }
        let Some(live) = Live::try_read(stream) else { return };
        let reply = live.rest();
        let id = reply.header("x-request-id").expect("an id").to_owned();
        let mut seen = seen.lock().expect("no panic");
        match (reply.status, reply.whole) {
            (200, true) => seen.complete.insert(id),
            _ => seen.cut.insert(id),
        };
    }
}

#[test]
fn every_answer_that_was_complete_is_counted_once_however_the_server_dies() {
    let provider = provider();
    counted_once_however_it_dies(Launch::quickstart(&provider));
}

/// Kills what `launch` starts in the middle of calls, five times over.
pub(crate) fn counted_once_however_it_dies(launch: Launch) {
    let mut server = launch.start();
    server.connect("customer", KEY);
    let seen = Mutex::new(Seen::default());
    for round in 0..5_u64 {
        let stop = AtomicBool::new(false);
        let before = seen.lock().expect("no panic").complete.len();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (server, stop, seen) = (&server, &stop, &seen);
                scope.spawn(move || caller(server, stop, seen, number));
            }
            // Wherever it is then: in the middle of calls, as many as 8 callers have.
            soon(Duration::from_secs(10), || {
                seen.lock().expect("no panic").complete.len() > before + 20
            });
            std::thread::sleep(Duration::from_millis(7 * round));
            server.signal(Signal::KILL);
            stop.store(true, Ordering::Relaxed);
        });
        server.kill();
        server = server.again(server.launch.clone());
    }
    let seen = seen.into_inner().expect("no panic");
    assert!(seen.complete.len() > 100, "{}", seen.complete.len());
    let mut counted = HashMap::new();
    soon(Duration::from_secs(10), || {
        counted = rows(&server, "customer");
        seen.complete.iter().all(|id| counted.contains_key(id))
    });
    let lost: Vec<_> = seen.complete.iter().filter(|id| !counted.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), seen.complete.len());
    assert!(counted.values().all(|times| *times == 1), "{counted:?}");
    // A row more is a call whose record was kept when the server died, its end not yet with the
    // caller: at most one for each caller and death.
    assert!(
        counted.len() <= seen.complete.len() + 5 * 8,
        "{} {}",
        counted.len(),
        seen.complete.len()
    );
    let total = server.get("/usage?refId=customer").send().json()["totals"]["requests"].clone();
    assert_eq!(total, json!(counted.len()), "the sums say the same as the rows");
}
