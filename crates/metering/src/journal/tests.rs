//! The journal against real files.

use super::*;
use crate::samples::{number, open, record};

/// The numbers of the calls that the journal in `dir` gives back, by its own way of reading.
fn numbers(journal: &Journal) -> Vec<u64> {
    let mut reader = reader::Reader::new(Arc::clone(journal.spool()));
    let mut numbers = Vec::new();
    while let Some(batch) = reader.read(100).expect("readable") {
        let first = batch.last_seq + 1 - batch.records.len() as u64;
        assert_eq!(first, reader.next_seq() - batch.records.len() as u64);
        numbers.extend(batch.records.iter().map(number));
    }
    numbers
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn records_come_back_in_order_with_the_sequence_counting_on_over_openings() {
    for durability in [Durability::Os, Durability::Disk] {
        let dir = tempfile::tempdir().expect("a folder");
        for opening in 0..3 {
            let journal = open(dir.path(), durability);
            assert_eq!(journal.last_seq(), opening * 10);
            for n in 1..=10 {
                let receipt = journal.append(&record(opening * 10 + n)).expect("room");
                block_on(receipt.durable()).expect("durable");
            }
            assert_eq!(numbers(&journal), (1..=opening * 10 + 10).collect::<Vec<_>>());
        }
    }
}
