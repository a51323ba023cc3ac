//! Opening, closing, and how much there may be.

use super::*;
use crate::samples::{open, record};

#[test]
fn records_come_back_in_order_with_the_sequence_counting_on_over_openings() {
    for durability in [Durability::Os, Durability::Disk] {
        let dir = tempfile::tempdir().expect("a folder");
        for opening in 0..3 {
            let journal = open_on(fast_disk(), dir.path(), durability);
            assert_eq!(journal.last_seq(), opening * 10);
            for n in 1..=10 {
                let receipt = journal.append(&record(opening * 10 + n)).expect("room");
                block_on(receipt).expect("durable");
            }
            assert_eq!(numbers(&journal), (1..=opening * 10 + 10).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_record_is_what_it_was_when_it_comes_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path(), Durability::Os);
    let odd = byok_domain::CallRecord {
        ref_id: byok_domain::RefId::parse("客户 \"7\"\\").expect("plain"),
        model: None,
        usage: None,
        cost: None,
        error: Some(byok_domain::ErrorClass::Truncated),
        first_byte_ms: None,
        objects: ["file-1", "file-2"]
            .map(|id| byok_domain::call::ProviderObject { kind: "file".into(), id: id.into() })
            .into(),
        ..record(1)
    };
    block_on(journal.append(&odd).expect("room")).expect("durable");
    let mut reader = reader::Reader::new(Arc::clone(journal.spool()));
    let batch = reader.read(10).expect("readable").expect("a batch");
    assert_eq!(batch.records, [odd]);
    assert_eq!(batch.bytes, journal.unapplied_bytes());
    assert!(reader.read(10).expect("readable").is_none());
}

#[test]
fn a_second_server_is_refused_and_told_which_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path(), Durability::Os);
    let second = Journal::open(dir.path(), Durability::Os, ROOM, fresh_id());
    let message = second.expect_err("in use").to_string();
    assert!(message.contains(&*dir.path().to_string_lossy()), "{message}");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    assert!(first.append(&record(1)).is_ok(), "the first one is not disturbed");
    drop(first);
    assert_eq!(numbers(&open(dir.path(), Durability::Os)), [1]);
}

#[test]
fn the_folder_and_its_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().expect("a folder");
    let dir = parent.path().join("data/journal");
    let _journal = open(&dir, Durability::Os);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("lock")), 0o600);
    assert_eq!(mode(&segment::path(&dir, 1)), 0o600);
}

#[test]
fn a_full_journal_has_no_room_for_new_calls_but_takes_those_in_flight() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(dir.path(), Durability::Os, 720, fresh_id()).expect("opens");
    let mut sizes = Vec::new();
    for n in 1..=4 {
        sizes.push(journal.has_room());
        drop(journal.append(&record(n)).expect("in flight"));
    }
    assert_eq!(sizes, [true, true, true, false], "{} bytes", journal.unapplied_bytes());
    let bytes = journal.unapplied_bytes();
    drop(journal);
    let journal = Journal::open(dir.path(), Durability::Os, 720, fresh_id()).expect("opens");
    assert_eq!(journal.unapplied_bytes(), bytes, "what was found counts too");
    assert!(!journal.has_room());
    journal.spool().release(2, bytes / 2);
    assert!(journal.has_room());
}

#[test]
fn a_record_beyond_the_limit_is_refused_and_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path(), Durability::Os);
    let huge =
        byok_domain::CallRecord { operation: "x".repeat(frame::MAX_PAYLOAD).into(), ..record(1) };
    assert_eq!(journal.append(&huge).expect_err("too large"), JournalFull);
    assert!(journal.has_room(), "others are not concerned");
    assert!(journal.append(&record(2)).is_ok());
    assert_eq!(numbers(&journal), [2]);
}

#[test]
fn segments_are_removed_once_applied_and_the_sequence_still_counts_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = || {
        let names = std::fs::read_dir(dir.path()).expect("readable");
        names
            .filter(|entry| segment::number(&entry.as_ref().expect("readable").path()).is_some())
            .count()
    };
    let journal = open_on(fast_disk(), dir.path(), Durability::Os);
    for n in 1..=40 {
        drop(journal.append(&record(n)).expect("room"));
    }
    assert!(files() >= 8, "{} files", files());
    journal.spool().release(40, journal.unapplied_bytes());
    assert_eq!((files(), journal.unapplied_bytes()), (1, 0));
    drop(journal);
    let journal = open(dir.path(), Durability::Os);
    assert_eq!(journal.last_seq(), 40);
    assert!(journal.append(&record(41)).is_ok());
    assert_eq!(numbers(&journal).last(), Some(&41));
}
