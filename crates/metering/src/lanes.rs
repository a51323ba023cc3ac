//! Journals side by side, one for each thread that serves calls.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use byok_domain::CallRecord;
use tokio::runtime::Handle;

use crate::journal::{Durability, Journal, JournalError, JournalFull, JournalId, Receipt};
use crate::usage_log::UsageLog;
use crate::writer::Writer;

/// Several journals in one folder. A thread appends to one of them, always the same, so that
/// threads that serve calls do not wait for one another: with one journal for two busy threads,
/// every call cost one and a half futex calls, and a thread preempted in its write held up all.
pub struct Lanes {
    lanes: Vec<Arc<Journal>>,
}

thread_local! {
    /// Where this thread appends, counted over all threads that ever did.
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

static NEXT_PLACE: AtomicUsize = AtomicUsize::new(0);

impl Lanes {
    /// Opens `wanted` journals below `dir`, and those that an earlier start with more threads left
    /// there. They share `max_bytes`; `id` gives each opening its id.
    ///
    /// # Errors
    /// As [`Journal::open`], for the first one that does not open.
    pub fn open(
        dir: &Path,
        wanted: usize,
        durability: Durability,
        max_bytes: u64,
        mut id: impl FnMut() -> JournalId,
    ) -> Result<Self, JournalError> {
        let wanted = wanted.max(1);
        let folder = |lane: usize| dir.join(format!("{lane:03}"));
        let mut count = wanted;
        while folder(count).is_dir() {
            count += 1;
        }
        let share = max_bytes / count as u64;
        let lanes = (0..count).map(|lane| Journal::open(folder(lane), durability, share, id()));
        Ok(Self { lanes: lanes.collect::<Result<_, _>>()? })
    }

    /// The journals themselves.
    pub fn journals(&self) -> impl Iterator<Item = &Arc<Journal>> {
        self.lanes.iter()
    }

    /// Writes a record into this thread's journal: see [`Journal::append`].
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append(&self, record: &CallRecord) -> Result<Receipt, JournalFull> {
        let place = PLACE.get().unwrap_or_else(|| {
            let place = NEXT_PLACE.fetch_add(1, Ordering::Relaxed);
            PLACE.set(Some(place));
            place
        });
        self.lanes[place % self.lanes.len()].append(record)
    }

    /// Whether every journal takes another call.
    pub fn has_room(&self) -> bool {
        self.lanes.iter().all(|journal| journal.has_room())
    }
}

/// The writers of all lanes, as one.
pub struct Writers(Vec<Writer>);

impl Writers {
    /// Starts a writer for each journal: see [`Writer::start`].
    ///
    /// # Errors
    /// As [`Writer::start`].
    pub fn start(
        lanes: &Lanes,
        log: &Arc<dyn UsageLog>,
        runtime: &Handle,
    ) -> Result<Self, JournalError> {
        let writer = |journal| Writer::start(Arc::clone(journal), Arc::clone(log), runtime.clone());
        Ok(Self(lanes.journals().map(writer).collect::<Result<_, _>>()?))
    }

    /// Waits until everything appended before this call is in the usage log, at most `within`.
    /// Returns whether it is.
    pub async fn caught_up(&self, within: Duration) -> bool {
        let all = async {
            for writer in &self.0 {
                if !writer.caught_up(within).await {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(within, all).await.unwrap_or(false)
    }

    /// Moves what is in the journals and stops: see [`Writer::stop`].
    pub async fn stop(self) {
        for writer in self.0 {
            writer.stop().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::record;

    fn open(dir: &Path, wanted: usize) -> Lanes {
        let mut next = 0;
        Lanes::open(dir, wanted, Durability::Os, 1 << 20, || {
            next += 1;
            JournalId::from_random(next)
        })
        .expect("opens")
    }

    #[test]
    fn two_threads_write_to_two_journals_and_fewer_threads_still_find_both() {
        let dir = tempfile::tempdir().expect("a folder");
        {
            let lanes = open(dir.path(), 2);
            std::thread::scope(|scope| {
                for n in 0..2 {
                    let lanes = &lanes;
                    scope.spawn(move || lanes.append(&record(n)).expect("kept"));
                }
            });
        }
        let lanes = open(dir.path(), 1);
        let kept: u64 = lanes.journals().map(|journal| journal.last_seq()).sum();
        assert_eq!((lanes.journals().count(), kept), (2, 2));
    }
}
