//! What opening makes of files that are not as they were written.

use super::*;
use crate::samples::record;

/// A journal of three openings with records 1 to 9, not closed at the end, as files.
///
/// The last three records were written, and in `Disk` mode synced, in one go.
fn crashed(durability: Durability) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for opening in 0..3 {
        let journal = open_on(fast_disk(), dir.path(), durability);
        let receipts: Vec<_> =
            (1..=3).map(|n| journal.append(&record(opening * 3 + n)).expect("room")).collect();
        for receipt in receipts {
            block_on(receipt).expect("durable");
        }
        if opening == 2 {
            if durability == Durability::Disk {
                await_zeros(dir.path());
            }
            return image(dir.path());
        }
    }
    unreachable!("the last opening returns")
}

/// Waits until the keeper has written zeros ahead, which it does once it has told that all is synced.
fn await_zeros(dir: &Path) {
    let last = segments(dir).pop().expect("a file");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !std::fs::read(&last).expect("readable").ends_with(&[0; 100]) {
        assert!(std::time::Instant::now() < deadline, "no zeros");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The same, closed.
fn closed(durability: Durability) -> tempfile::TempDir {
    let dir = crashed(durability);
    drop(open_on(fast_disk(), dir.path(), durability));
    let dir = image(dir.path());
    // The opening that closed it left a file without records; the one before it got its mark.
    let journal = open_on(fast_disk(), dir.path(), durability);
    for n in 10..=12 {
        block_on(journal.append(&record(n)).expect("room")).expect("durable");
    }
    drop(journal);
    image(dir.path())
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("readable");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| segment::number(path).is_some());
    paths.sort();
    paths
}

/// Overwrites one byte.
fn put(file: &Path, at: usize, byte: u8) {
    let file = std::fs::OpenOptions::new().write(true).open(file).expect("there");
    std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at as u64).expect("written");
}

/// The numbers of the records in `dir`, or why it is not opened.
fn reopened(dir: &Path) -> Result<Vec<u64>, JournalError> {
    // Only what recovery says: opening would sync, thousands of times.
    let recovered = recover(dir)?;
    let ranges = recovered
        .segments
        .iter()
        .map(|entry| entry.first_seq..=entry.last_seq.expect("recovered segments are sealed"));
    Ok(ranges.flatten().collect())
}

#[test]
fn a_crashed_journal_has_everything() {
    for durability in [Durability::Os, Durability::Disk] {
        let dir = crashed(durability);
        assert_eq!(reopened(dir.path()).expect("opens"), (1..=9).collect::<Vec<_>>());
        let journal = open_on(fast_disk(), dir.path(), durability);
        assert_eq!(numbers(&journal), (1..=9).collect::<Vec<_>>());
    }
}

#[test]
fn a_tail_cut_at_any_byte_gives_the_whole_records_before_the_cut() {
    for durability in [Durability::Os, Durability::Disk] {
        let dir = crashed(durability);
        let last = segments(dir.path()).pop().expect("three files");
        let bytes = std::fs::read(&last).expect("readable");
        let mut ends = vec![segment::HEADER];
        while let Some(frame) = frame::parse(&bytes[ends[ends.len() - 1]..]) {
            ends.push(ends[ends.len() - 1] + frame::HEAD + frame.payload.len());
        }
        let file = std::fs::OpenOptions::new().write(true).open(&last).expect("there");
        for len in (0..bytes.len()).rev() {
            file.set_len(len as u64).expect("cut");
            let whole = ends.iter().filter(|end| **end <= len).count().saturating_sub(1);
            let expected: Vec<_> = (1..=6 + whole as u64).collect();
            assert_eq!(reopened(dir.path()).expect("opens"), expected, "{len} bytes");
        }
    }
}

#[test]
fn zeros_that_were_written_ahead_are_the_end_and_not_a_torn_tail() {
    let dir = crashed(Durability::Disk);
    let last = segments(dir.path()).pop().expect("three files");
    let bytes = std::fs::read(&last).expect("readable");
    assert!(bytes.ends_with(&[0; 100]), "there are some");
    assert_eq!(recover(dir.path()).expect("opens").torn, None);
    put(&last, bytes.len() - 50, 1);
    let torn = recover(dir.path()).expect("opens").torn.expect("a torn write");
    assert_eq!(torn.offset + torn.bytes, bytes.len() as u64);
}

#[test]
fn after_a_cut_the_sequence_counts_on_from_the_last_whole_record() {
    let dir = crashed(Durability::Os);
    let last = segments(dir.path()).pop().expect("three files");
    let bytes = std::fs::read(&last).expect("readable");
    std::fs::write(&last, &bytes[..bytes.len() - 1]).expect("written");
    let journal = open_on(fast_disk(), dir.path(), Durability::Os);
    assert_eq!(journal.last_seq(), 8);
    assert!(journal.append(&record(100)).is_ok());
    assert_eq!(numbers(&journal), [1, 2, 3, 4, 5, 6, 7, 8, 100]);
    drop(journal);
    let journal = open_on(fast_disk(), dir.path(), Durability::Os);
    assert_eq!(numbers(&journal), [1, 2, 3, 4, 5, 6, 7, 8, 100], "the cut is for good");
}

#[test]
fn a_flipped_bit_anywhere_never_loses_a_record_that_is_known_to_be_acknowledged() {
    for (dir, records) in [
        (crashed(Durability::Os), 9),
        (crashed(Durability::Disk), 9),
        (closed(Durability::Os), 12),
        (closed(Durability::Disk), 12),
    ] {
        let is_closed = records == 12;
        let all: Vec<_> = (1..=records).collect();
        let files = segments(dir.path());
        for (index, file) in files.iter().enumerate() {
            let bytes = std::fs::read(file).expect("readable");
            for (at, byte) in bytes.iter().enumerate() {
                put(file, at, byte ^ 1 << (at % 8));
                match reopened(dir.path()) {
                    Ok(found) if found == all => {}
                    // The last group before a sudden death is not known to be acknowledged, and
                    // cannot be told from a torn write.
                    Ok(found) => {
                        assert!(!is_closed && index == files.len() - 1, "file {index} byte {at}");
                        assert!(all.starts_with(&found), "file {index} byte {at}: {found:?}");
                        assert!(found.len() >= all.len() - 3, "file {index} byte {at}");
                    }
                    Err(JournalError::Damaged { file: named, offset, .. }) => {
                        assert_eq!(&named, file, "byte {at}");
                        assert!(offset <= at as u64, "byte {at} reported at {offset}");
                    }
                    Err(other) => panic!("file {index} byte {at}: {other}"),
                }
                put(file, at, *byte);
            }
        }
        assert_eq!(reopened(dir.path()).expect("opens"), all, "restored");
    }
}

#[test]
fn files_that_are_missing_foreign_or_copied_are_refused() {
    let foreign = crashed(Durability::Os);
    for (what, reason, damage) in [
        (
            "a missing file",
            "cannot be read",
            &(|files: &[std::path::PathBuf]| {
                std::fs::remove_file(&files[1]).expect("removed");
            }) as &dyn Fn(&[std::path::PathBuf]),
        ),
        ("a foreign file", "another journal", &|files| {
            std::fs::copy(&segments(foreign.path())[2], &files[2]).map(drop).expect("copied");
        }),
        ("a copy", "wrong name", &|files| {
            let copy = files[2].with_file_name("00000000000000000009.journal");
            std::fs::copy(&files[0], copy).map(drop).expect("copied");
        }),
        ("an emptied file", "cannot be read", &|files| {
            std::fs::write(&files[1], b"").expect("written");
        }),
        ("a file cut short", "cannot be read", &|files| {
            let bytes = std::fs::read(&files[1]).expect("readable");
            std::fs::write(&files[1], &bytes[..bytes.len() - 200]).expect("written");
        }),
    ] {
        let dir = crashed(Durability::Os);
        damage(&segments(dir.path()));
        let error = Journal::open(dir.path(), Durability::Os, ROOM, fresh_id()).expect_err(what);
        assert!(matches!(error, JournalError::Damaged { .. }), "{what}: {error}");
        assert!(error.to_string().contains(reason), "{what}: {error}");
    }
}

#[test]
fn what_follows_the_last_record_of_a_sealed_file_does_not_matter() {
    let dir = crashed(Durability::Os);
    let file = segments(dir.path()).remove(1);
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes.extend([7; 500]);
    std::fs::write(&file, bytes).expect("written");
    let journal = open_on(fast_disk(), dir.path(), Durability::Os);
    assert_eq!(numbers(&journal), (1..=9).collect::<Vec<_>>());
}

/// As after two failed syncs in a row: the first file was written again as the second, that again
/// as the third, and the system kept nothing of the second.
#[test]
fn an_unreadable_file_of_which_all_was_written_again_is_passed_over() {
    let dir = crashed(Durability::Disk);
    let bytes = std::fs::read(&segments(dir.path())[0]).expect("readable");
    let header = Header::decode(&bytes).expect("a header");
    let again = Header { number: 3, ..header };
    let image = tempfile::tempdir().expect("a folder");
    for (number, content) in [
        (1, header.encode().to_vec()),
        (2, vec![0; 500]),
        (3, [&again.encode(), &bytes[segment::HEADER..]].concat()),
    ] {
        std::fs::write(segment::path(image.path(), number), content).expect("written");
    }
    assert_eq!(reopened(image.path()).expect("opens"), [1, 2, 3]);
    std::fs::remove_file(segment::path(image.path(), 1)).expect("removed");
    let error =
        reopened(image.path()).expect_err("nothing says what was in the second").to_string();
    assert!(error.contains("00002.journal") && error.contains("header"), "{error}");
}

#[test]
fn a_frame_that_is_there_again_is_not_a_record_again() {
    for durability in [Durability::Os, Durability::Disk] {
        let dir = crashed(durability);
        let file = segments(dir.path()).pop().expect("files");
        let mut bytes = std::fs::read(&file).expect("readable");
        bytes.extend_from_within(segment::HEADER..);
        std::fs::write(&file, bytes).expect("written");
        let journal = open_on(fast_disk(), dir.path(), durability);
        assert_eq!(numbers(&journal), (1..=9).collect::<Vec<_>>());
        assert_eq!(journal.last_seq(), 9);
    }
}

#[test]
fn a_file_of_a_later_version_is_refused_by_name() {
    let dir = crashed(Durability::Os);
    let file = segments(dir.path()).pop().expect("files");
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes[8] = 3;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..12]);
    crc.update(&bytes[16..segment::HEADER]);
    bytes[12..16].copy_from_slice(&crc.finalize().to_le_bytes());
    std::fs::write(&file, bytes).expect("written");
    let error = reopened(dir.path()).expect_err("refused").to_string();
    assert!(error.contains("version 3") && error.contains("00003.journal"), "{error}");
}

#[test]
fn a_server_that_died_while_starting_a_file_leaves_no_trouble() {
    for len in [0, 1, segment::HEADER - 1] {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(segment::path(dir.path(), 1), vec![0; len]).expect("written");
        let journal = open_on(fast_disk(), dir.path(), Durability::Os);
        assert!(journal.append(&record(1)).is_ok());
        drop(journal);
        std::fs::write(segment::path(dir.path(), 3), vec![0; len]).expect("written");
        let journal = open_on(fast_disk(), dir.path(), Durability::Os);
        assert_eq!(numbers(&journal), [1]);
        assert_eq!(segments(dir.path()).len(), 2, "the torn file is removed");
    }
}

#[test]
fn what_a_failed_write_left_is_not_taken_for_what_was_written_over_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open_on(fast_disk(), dir.path(), Durability::Os);
    drop(journal.append(&record(1)).expect("room"));
    let file = std::fs::OpenOptions::new().append(true).open(segment::path(dir.path(), 1));
    io::Write::write_all(&mut file.expect("there"), &[7; 300]).expect("written");
    let mut reader = reader::Reader::new(Arc::clone(journal.spool()));
    for n in 1..=3 {
        let batch = reader.read(10).expect("readable").expect("a batch");
        assert_eq!(batch.records.iter().map(number).collect::<Vec<_>>(), [n]);
        drop(journal.append(&record(n + 1)).expect("room"));
    }
}

#[test]
fn damage_found_while_running_is_reported_and_nothing_is_skipped() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open_on(fast_disk(), dir.path(), Durability::Os);
    for n in 1..=3 {
        drop(journal.append(&record(n)).expect("room"));
    }
    let file = segment::path(dir.path(), 1);
    let mut bytes = std::fs::read(&file).expect("readable");
    let second = segment::HEADER + frame::size(&bytes[segment::HEADER..]).expect("a frame");
    bytes[second + 30] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let mut reader = reader::Reader::new(Arc::clone(journal.spool()));
    for _ in 0..3 {
        let error = reader.read(10).expect_err("damaged").to_string();
        assert!(error.contains(&format!("at byte {second}: record 2")), "{error}");
    }
    bytes[second + 30] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let batch = reader.read(10).expect("readable").expect("a batch");
    assert_eq!(batch.records.iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
}
