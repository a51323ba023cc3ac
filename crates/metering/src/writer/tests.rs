//! The writer against usage logs that work, fail, panic and vanish.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use async_trait::async_trait;
use byok_domain::CallRecord;

use super::*;
use crate::samples::{number, open, record};
use crate::usage_log::{Applied, UsageLogError};
use crate::{Durability, RollUp, roll_up};

/// What a batch meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Refused before anything was done.
    Refused,
    /// Applied, and then said to have failed.
    AnswerLost,
    Panic,
}

/// A usage log in memory, as strict as a database: one transaction a batch.
#[derive(Default)]
struct MemoryLog {
    tables: Mutex<Tables>,
    forecast: Mutex<Vec<Weather>>,
    down: AtomicBool,
    attempts: AtomicU64,
    largest: AtomicU64,
}

#[derive(Default)]
struct Tables {
    applied: HashMap<String, u64>,
    rows: BTreeMap<u64, u32>,
    order: Vec<u64>,
    sum: RollUp,
}

impl MemoryLog {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("panics happen elsewhere")
    }

    /// The calls in the log; panics when one was applied twice.
    fn calls(&self) -> BTreeSet<u64> {
        let tables = self.tables();
        let twice: Vec<_> = tables.rows.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{} applied twice: {twice:?}", twice.len());
        assert_eq!(tables.sum.requests, tables.rows.len() as u64, "the roll-up counts each once");
        tables.rows.keys().copied().collect()
    }

    fn weather(&self) -> Weather {
        if self.down.load(Ordering::SeqCst) {
            return Weather::Refused;
        }
        self.forecast.lock().expect("no panic holds it").pop().unwrap_or(Weather::Fair)
    }
}

#[async_trait]
impl UsageLog for MemoryLog {
    async fn applied(&self, journal: &str) -> Result<u64, UsageLogError> {
        match self.weather() {
            Weather::Fair => Ok(self.tables().applied.get(journal).copied().unwrap_or(0)),
            _ => Err(UsageLogError::unavailable("no answer")),
        }
    }

    /// Trusts the writer with everything but the batch that it repeats: the records are counted as
    /// they come, so that one sent twice shows.
    async fn apply(
        &self,
        journal: &str,
        last_seq: u64,
        records: &[CallRecord],
    ) -> Result<Applied, UsageLogError> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(records.len() as u64, Ordering::SeqCst);
        // As a database would, it lets other tasks run meanwhile.
        tokio::time::sleep(Duration::from_micros(100)).await;
        let weather = self.weather();
        match weather {
            Weather::Refused => return Err(UsageLogError::unavailable("no")),
            Weather::Panic => panic!("a usage log that panics"),
            Weather::Fair | Weather::AnswerLost => {}
        }
        let mut tables = self.tables();
        let before = tables.applied.insert(journal.to_owned(), last_seq).unwrap_or(0);
        let first_seq = last_seq + 1 - records.len() as u64;
        assert!(first_seq > before, "{journal}: {first_seq} after {before}");
        for record in records {
            *tables.rows.entry(number(record)).or_default() += 1;
            tables.order.push(number(record));
        }
        for sum in roll_up::fold(records).values() {
            tables.sum.merge(sum);
        }
        match weather {
            Weather::AnswerLost => Err(UsageLogError::unavailable("the answer was lost")),
            _ => Ok(Applied { written: records.len(), ..Applied::default() }),
        }
    }
}

/// A runtime that is driven by a thread of its own, like those that serve calls.
struct Runtime {
    handle: Handle,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Runtime {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let handle = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    thread::spawn(move || runtime.block_on(stopped));
    Runtime { handle, _stop: stop }
}

fn start(journal: &Arc<Journal>, log: &Arc<MemoryLog>, runtime: &Runtime) -> Writer {
    let log = Arc::clone(log) as Arc<dyn UsageLog>;
    Writer::start(Arc::clone(journal), log, runtime.handle.clone()).expect("a thread")
}

fn append(journal: &Journal, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        drop(journal.append(&record(n)).expect("room"));
    }
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn everything_appended_before_the_question_is_in_the_log_after_the_answer() {
    let runtime = runtime();
    for durability in [Durability::Os, Durability::Disk] {
        let dir = tempfile::tempdir().expect("a folder");
        let (journal, log) = (open(dir.path(), durability), Arc::default());
        let writer = start(&journal, &log, &runtime);
        for round in 0..20 {
            append(&journal, round * 50..round * 50 + 50);
            assert!(runtime.block_on(writer.caught_up(SOON)), "{durability:?} {round}");
            assert_eq!(log.calls().len() as u64, round * 50 + 50);
        }
        assert_eq!(journal.unapplied_bytes(), 0);
        runtime.block_on(writer.stop());
    }
}

#[test]
fn a_lone_record_is_moved_soon_without_being_asked_for() {
    let (dir, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let (journal, log) = (open(dir.path(), Durability::Os), Arc::default());
    let _writer = start(&journal, &log, &runtime);
    let mut waits = Vec::new();
    for n in 1..=15 {
        append(&journal, [n]);
        let started = Instant::now();
        while log.calls().len() as u64 != n {
            assert!(started.elapsed() < SOON, "record {n} is not moved");
            thread::sleep(Duration::from_millis(1));
        }
        waits.push(started.elapsed());
        // Until the writer sleeps for good, to be woken by the next one.
        thread::sleep(Duration::from_millis(30));
    }
    waits.sort();
    assert!(waits[waits.len() / 2] < Duration::from_millis(250), "{waits:?}");
}

#[test]
fn each_record_is_applied_once_however_the_log_fails() {
    use Weather::{AnswerLost, Fair, Panic, Refused};
    let runtime = runtime();
    for (round, kinds) in
        [&[Refused][..], &[AnswerLost], &[Panic], &[Refused, Fair, AnswerLost, Panic, Fair]]
            .into_iter()
            .enumerate()
    {
        let dir = tempfile::tempdir().expect("a folder");
        let (journal, log) = (open(dir.path(), Durability::Os), Arc::<MemoryLog>::default());
        let forecast = (0..5).map(|day| kinds[(day * 7 + round) % kinds.len()]);
        *log.forecast.lock().expect("free") = forecast.collect();
        let writer = start(&journal, &log, &runtime);
        for part in 0..10 {
            append(&journal, part * 300..part * 300 + 300);
            thread::sleep(Duration::from_millis(2));
        }
        assert!(runtime.block_on(writer.caught_up(SOON)), "{kinds:?}");
        assert_eq!(log.calls(), (0..3000).collect(), "{kinds:?}");
        assert!(log.tables().order.is_sorted(), "{kinds:?}");
        assert!(log.forecast.lock().expect("free").is_empty(), "{kinds:?}: the weather came");
        runtime.block_on(writer.stop());
    }
}

/// What a server finds at its start when the one before it died after the database had taken a
/// batch and before the journal knew.
#[test]
fn a_new_server_goes_on_where_the_log_stands_and_not_where_the_journal_does() {
    let (dir, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let log = Arc::<MemoryLog>::default();
    for life in 0..6 {
        let journal = open(dir.path(), Durability::Os);
        let writer = start(&journal, &log, &runtime);
        append(&journal, life * 700..life * 700 + 700);
        // The journal is copied while batches are being applied: the copy knows nothing of them.
        let copy = copy(dir.path());
        assert!(runtime.block_on(writer.caught_up(SOON)));
        runtime.block_on(writer.stop());
        drop(journal);
        replace(dir.path(), copy.path());
    }
    let journal = open(dir.path(), Durability::Os);
    assert!(journal.unapplied_bytes() > 0, "there is something to apply twice");
    let writer = start(&journal, &log, &runtime);
    assert!(runtime.block_on(writer.caught_up(SOON)));
    assert_eq!(log.calls(), (0..4200).collect());
    runtime.block_on(writer.stop());
}

fn copy(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    replace(copy.path(), dir);
    copy
}

fn replace(dir: &Path, with: &Path) {
    for entry in std::fs::read_dir(with).expect("readable") {
        let path = entry.expect("readable").path();
        // A file may be removed at this very moment, since all that is in it was applied.
        if let Ok(bytes) = std::fs::read(&path) {
            std::fs::write(dir.join(path.file_name().expect("a name")), bytes).expect("written");
        }
    }
}

#[test]
fn while_the_log_is_away_the_journal_keeps_all_and_the_writer_catches_up_in_large_batches() {
    let (dir, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let (journal, log) = (open(dir.path(), Durability::Os), Arc::<MemoryLog>::default());
    log.down.store(true, Ordering::SeqCst);
    let writer = start(&journal, &log, &runtime);
    append(&journal, 0..10_000);
    assert!(!runtime.block_on(writer.caught_up(Duration::from_millis(100))));
    assert!(log.calls().is_empty() && journal.unapplied_bytes() > 1_000_000);
    let attempts = log.attempts.load(Ordering::SeqCst);
    assert!(attempts < 20, "{attempts} attempts in 100 ms");
    log.down.store(false, Ordering::SeqCst);
    assert!(runtime.block_on(writer.caught_up(SOON)));
    assert_eq!(log.calls(), (0..10_000).collect());
    assert_eq!(journal.unapplied_bytes(), 0);
    assert_eq!(log.largest.load(Ordering::SeqCst), 2048);
    runtime.block_on(writer.stop());
}

#[test]
fn stopping_moves_what_there_is_and_lets_go_of_the_folder() {
    let (dir, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let log = Arc::<MemoryLog>::default();
    for life in 0..5 {
        let journal = open(dir.path(), Durability::Disk);
        let writer = start(&journal, &log, &runtime);
        append(&journal, life * 600..life * 600 + 599);
        let last = journal.append(&record(life * 600 + 599)).expect("room");
        runtime.block_on(last).expect("durable");
        runtime.block_on(writer.stop());
        assert_eq!(log.calls(), (0..life * 600 + 600).collect());
        assert_eq!(Arc::strong_count(&journal), 1, "nobody else holds the journal");
    }
}

#[test]
fn stopping_does_not_wait_for_a_log_that_is_away() {
    let (dir, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let (journal, log) = (open(dir.path(), Durability::Os), Arc::<MemoryLog>::default());
    log.down.store(true, Ordering::SeqCst);
    let writer = start(&journal, &log, &runtime);
    append(&journal, 0..10);
    thread::sleep(Duration::from_millis(30));
    let stopped = async { tokio::time::timeout(SOON, writer.stop()).await };
    runtime.block_on(stopped).expect("it stops");
    drop(journal);
    let journal = open(dir.path(), Durability::Os);
    log.down.store(false, Ordering::SeqCst);
    let writer = start(&journal, &log, &runtime);
    assert!(runtime.block_on(writer.caught_up(SOON)));
    assert_eq!(log.calls(), (0..10).collect(), "nothing is lost by it");
}

#[test]
fn many_wait_for_durability_on_several_runtimes_and_all_are_woken() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path(), Durability::Disk);
    thread::scope(|scope| {
        for part in 0..3 {
            let journal = &journal;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                let tasks = tokio::task::LocalSet::new();
                for waiter in 0..100 {
                    let journal = Arc::clone(journal);
                    tasks.spawn_local(async move {
                        for n in 0..5 {
                            let receipt = journal.append(&record(n)).expect("room");
                            if (part + waiter + n) % 7 == 0 {
                                // A caller that leaves must not keep others from being woken.
                                let leaving = tokio::time::timeout(Duration::ZERO, receipt);
                                drop(leaving.await);
                            } else {
                                receipt.await.expect("durable");
                            }
                        }
                    });
                }
                let all = async { tokio::time::timeout(SOON, tasks).await };
                runtime.expect("a runtime").block_on(all).expect("all are woken");
            });
        }
    });
    assert_eq!(journal.last_seq(), 1500);
}
