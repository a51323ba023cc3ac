//! The journal against real files, failing disks and sudden deaths.

mod disks;
mod faults;
mod folder;
mod kill;
mod power_loss;
mod recovery;

use std::collections::BTreeSet;
use std::path::Path;

use self::disks::fast_disk;
use super::disk::Disk;
use super::*;
use crate::samples::{ROOM, fresh_id, number};

/// The numbers of the calls that `journal` gives back, by its own way of reading.
fn numbers(journal: &Journal) -> Vec<u64> {
    let mut reader = reader::Reader::new(Arc::clone(journal.spool()));
    let mut numbers = Vec::new();
    while let Some(batch) = reader.read(100).expect("readable") {
        assert_eq!(batch.last_seq + 1, reader.next_seq());
        numbers.extend(batch.records.iter().map(number));
    }
    numbers
}

/// `numbers` as a set; panics when one is there twice.
fn distinct(numbers: &[u64]) -> BTreeSet<u64> {
    let set: BTreeSet<_> = numbers.iter().copied().collect();
    assert_eq!(set.len(), numbers.len(), "a record is there twice");
    set
}

/// Opens a journal of small files, about four records each, on `disk`.
fn open_on(disk: Arc<dyn Disk>, dir: &Path, durability: Durability) -> Arc<Journal> {
    let id = fresh_id();
    let opened = Journal::open_with(Settings {
        dir: dir.to_owned(),
        disk,
        durability,
        max_bytes: ROOM,
        segment_bytes: 1300,
        retry: Duration::from_millis(2),
        journal: id,
        run: id,
    });
    opened.expect("the journal opens")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), future).await };
    runtime.expect("a runtime").block_on(limited).expect("it ends in time")
}

/// The folder as a sudden death of the process leaves it.
fn image(dir: &Path) -> tempfile::TempDir {
    let image = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(dir).expect("readable") {
        let path = entry.expect("readable").path();
        std::fs::copy(&path, image.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    image
}
