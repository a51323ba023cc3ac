//! A server that is killed, again and again, in the middle of appending.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;
use crate::samples::{open, record};

const DIR: &str = "BYOK_TEST_KILLED_DIR";
const DURABILITY: &str = "BYOK_TEST_KILLED_DURABILITY";
const FIRST: &str = "BYOK_TEST_KILLED_FIRST";
const KILLS: u64 = 25;
/// Call numbers of one life.
const LIFE: u64 = 1_000_000;

#[test]
fn what_a_killed_server_acknowledged_is_there_once_with_the_system_as_witness() {
    kill_repeatedly("os");
}

#[test]
fn what_a_killed_server_acknowledged_is_there_once_with_the_disk_as_witness() {
    kill_repeatedly("disk");
}

fn kill_repeatedly(durability: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut acked = BTreeSet::new();
    for life in 0..KILLS {
        let before = acked.len();
        live_and_die(dir.path(), durability, life, &mut acked);
        assert!(acked.len() > before, "life {life} acknowledged nothing");
        if life % 5 == 4 || life == KILLS - 1 {
            let found = distinct(&numbers(&open(dir.path(), Durability::Os)));
            assert!(found.is_superset(&acked), "life {life}: {} lost", acked.len() - found.len());
        }
    }
}

/// Starts this program as the server of `dir`, kills it once it has acknowledged something, and
/// collects what it acknowledged.
fn live_and_die(dir: &Path, durability: &str, life: u64, acked: &mut BTreeSet<u64>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "journal::tests::kill::server", "--nocapture"])
        .env(DIR, dir)
        .env(DURABILITY, durability)
        .env(FIRST, (life * LIFE).to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    let mut first = true;
    while lines.read_line(&mut line).expect("readable") > 0 {
        // A line without its end was cut by the kill.
        if let Some(n) = line.strip_prefix("ack ").and_then(|n| n.strip_suffix('\n')) {
            acked.insert(n.parse().expect("a number"));
            if std::mem::take(&mut first) {
                let id = child.id();
                let after = Duration::from_micros(300 + life * 777 % 9_000);
                thread::spawn(move || {
                    thread::sleep(after);
                    let pid = rustix::process::Pid::from_raw(id.cast_signed()).expect("a process");
                    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
                        .expect("it runs until killed");
                });
            }
        }
        line.clear();
    }
    let status = child.wait().expect("it ends");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
}

/// Not a test of its own: the server that is killed.
#[test]
fn server() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let durability = match std::env::var(DURABILITY).expect("given").as_str() {
        "os" => Durability::Os,
        _ => Durability::Disk,
    };
    let first: u64 = std::env::var(FIRST).expect("given").parse().expect("a number");
    let journal = &open(Path::new(&dir), durability);
    thread::scope(|scope| {
        for part in 0..2 {
            scope.spawn(move || {
                block_on(async {
                    let mut n = first + part * LIFE / 2;
                    loop {
                        let receipts: Vec<_> =
                            (0..4).map(|i| journal.append(&record(n + i)).expect("room")).collect();
                        for (i, receipt) in (0..).zip(receipts) {
                            receipt.await.expect("durable");
                            // In one write: a line is there or not.
                            let line = format!("ack {}\n", n + i);
                            std::io::stdout().write_all(line.as_bytes()).expect("read");
                        }
                        n += 4;
                    }
                })
            });
        }
    });
}
