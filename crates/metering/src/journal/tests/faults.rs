//! A disk that fails: nothing acknowledged is lost, nothing is there twice, and the journal comes
//! back when the disk does.

use std::time::Instant;

use super::disks::{FaultyDisk, Handle, Op};
use super::*;
use crate::samples::record;

/// Appends the calls `numbers`, three at a time; returns those acknowledged. Calls that find no
/// room are not made.
fn append(journal: &Journal, numbers: std::ops::Range<u64>) -> BTreeSet<u64> {
    let mut acked = BTreeSet::new();
    let numbers: Vec<_> = numbers.collect();
    for group in numbers.chunks(3) {
        let receipts: Vec<_> = group
            .iter()
            .filter(|_| journal.has_room())
            .filter_map(|n| journal.append(&record(*n)).ok().map(|receipt| (*n, receipt)))
            .collect();
        for (n, receipt) in receipts {
            if block_on(receipt).is_ok() {
                acked.insert(n);
            }
        }
    }
    acked
}

fn await_room(journal: &Journal) {
    let started = Instant::now();
    while !journal.has_room() {
        assert!(started.elapsed() < Duration::from_secs(10), "the journal does not come back");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn whatever_operation_fails_for_however_long_what_was_acknowledged_is_kept_once() {
    use Durability::{Disk, Os};
    let mut failures = 0;
    for (durability, op) in [
        (Os, Op::Create),
        (Os, Op::Write),
        (Disk, Op::Create),
        (Disk, Op::Write),
        (Disk, Op::Sync),
        (Disk, Op::SyncDir),
    ] {
        for (from, lasting) in (1..=20).flat_map(|from| [(from, 1), (from, 4)]) {
            let what = format!("{durability:?}: {op:?} {from} and {} more", lasting - 1);
            let dir = tempfile::tempdir().expect("a folder");
            let disk = Arc::new(FaultyDisk::default());
            let handle = Arc::new(Handle(Arc::clone(&disk)));
            let journal = open_on(handle, dir.path(), durability);
            disk.fail(op, from, from + lasting);
            let mut acked = append(&journal, 1..25);
            disk.heal();
            await_room(&journal);
            let after = append(&journal, 25..31);
            assert_eq!(after, (25..31).collect(), "{what}: it works again");
            acked.extend(after);
            assert!(distinct(&numbers(&journal)).is_superset(&acked), "{what}, read back");
            let image = image(dir.path());
            drop(journal);
            for (how, dir) in [("killed", image.path()), ("closed", dir.path())] {
                let journal = open_on(fast_disk(), dir, durability);
                let found = distinct(&numbers(&journal));
                assert!(found.is_superset(&acked), "{what}, {how}: {acked:?} of {found:?}");
                assert!(found.iter().all(|n| (1..31).contains(n)), "{what}, {how}");
            }
            assert!(!disk.trusted_a_failed_file.load(Ordering::SeqCst), "{what}");
            failures += disk.failures.load(Ordering::SeqCst);
        }
    }
    assert!(failures > 100, "only {failures} operations failed: the plan misses its target");
}

#[test]
fn one_failed_sync_is_made_up_for_in_a_new_file_and_nobody_notices() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(FaultyDisk::default());
    let journal = open_on(Arc::new(Handle(Arc::clone(&disk))), dir.path(), Durability::Disk);
    assert_eq!(append(&journal, 1..4).len(), 3);
    disk.fail(Op::Sync, 1, 2);
    assert_eq!(append(&journal, 4..7).len(), 3, "acknowledged all the same");
    assert_eq!(disk.failures.load(Ordering::SeqCst), 1);
    assert!(journal.has_room());
    assert_eq!(numbers(&journal), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn while_syncs_fail_callers_are_told_and_calls_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(FaultyDisk::default());
    let journal = open_on(Arc::new(Handle(Arc::clone(&disk))), dir.path(), Durability::Disk);
    disk.fail(Op::Sync, 1, u64::MAX);
    let receipt = journal.append(&record(1)).expect("room");
    assert!(!receipt.is_ready());
    let error = block_on(receipt).expect_err("the disk failed");
    assert!(matches!(error, JournalError::NotDurable));
    assert!(!journal.has_room());
    assert_eq!(journal.append(&record(2)).expect_err("refused"), JournalFull);
    thread::sleep(Duration::from_millis(50));
    assert!(!journal.has_room(), "trying again does not make it so");
    disk.heal();
    await_room(&journal);
    assert_eq!(append(&journal, 3..5).len(), 2);
    assert_eq!(numbers(&journal), [1, 3, 4], "the provider did answer call 1: it counts");
}

#[test]
fn what_a_turn_gathered_is_written_once_and_also_when_nobody_waits_for_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(FaultyDisk::default());
    let journal = open_on(Arc::new(Handle(Arc::clone(&disk))), dir.path(), Durability::Os);
    let writes = || disk.count(Op::Write);
    let before = writes();
    let receipts: Vec<_> = (1..=10).map(|n| journal.append(&record(n)).expect("room")).collect();
    assert!(receipts.iter().all(|receipt| !receipt.is_ready()));
    assert_eq!((writes(), numbers(&journal).len()), (before, 0), "the turn is not over");
    for receipt in receipts {
        block_on(receipt).expect("durable");
    }
    assert_eq!(writes() - before, 1);
    drop(journal.append(&record(11)).expect("room"));
    assert_eq!(numbers(&journal).len(), 11);
}

#[test]
fn a_full_disk_refuses_calls_until_there_is_room() {
    for durability in [Durability::Os, Durability::Disk] {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(FaultyDisk::default());
        let journal = open_on(Arc::new(Handle(Arc::clone(&disk))), dir.path(), durability);
        assert_eq!(append(&journal, 1..3).len(), 2);
        disk.fail(Op::Write, 1, u64::MAX);
        // What is synced is written at once, and can be refused; the rest when its turn is over.
        let kept = match durability {
            Durability::Disk => {
                assert_eq!(journal.append(&record(3)).expect_err("full"), JournalFull);
                0
            }
            Durability::Os => {
                let error = block_on(journal.append(&record(3)).expect("room")).expect_err("full");
                assert!(matches!(error, JournalError::NotDurable));
                1
            }
        };
        assert!(!journal.has_room());
        thread::sleep(Duration::from_millis(50));
        let files = std::fs::read_dir(dir.path()).expect("readable").count();
        assert!(files <= 3, "{files} files: every attempt leaves one");
        disk.heal();
        await_room(&journal);
        assert_eq!(append(&journal, 4..6).len(), 2);
        let all: Vec<_> = [1, 2].into_iter().chain((3..4).take(kept)).chain([4, 5]).collect();
        assert_eq!(numbers(&journal), all, "the provider did answer a call that was let in");
        assert_eq!(journal.last_seq(), 4 + kept as u64, "what was refused has no number");
    }
}

/// Writes that the system itself cuts short: a process may be kept from making files larger than a
/// limit, and told so instead of killed.
#[test]
fn a_file_that_the_system_does_not_let_grow_is_sealed_and_the_next_one_started() {
    const DIR: &str = "BYOK_TEST_SMALL_FILES";
    if let Ok(dir) = std::env::var(DIR) {
        let journal = crate::samples::open(Path::new(&dir), Durability::Os);
        assert_eq!(append(&journal, 1..200).len(), 199);
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let name = "journal::tests::faults::\
                a_file_that_the_system_does_not_let_grow_is_sealed_and_the_next_one_started";
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 20; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().expect("this program"))
        .arg(name)
        .env(DIR, dir.path())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("sh runs");
    assert!(status.success());
    let sizes: Vec<_> = std::fs::read_dir(dir.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").metadata().expect("there").len())
        .collect();
    assert!(sizes.len() > 3 && sizes.iter().all(|size| *size <= 20 * 1024), "{sizes:?}");
    let journal = crate::samples::open(dir.path(), Durability::Os);
    assert_eq!(numbers(&journal), (1..200).collect::<Vec<_>>());
}
