//! The thread that makes records durable, many with one sync, and finds the way back after the disk
//! has failed.
//!
//! A file whose sync failed once is never synced again: the system may have dropped the data and
//! forgotten the error, so that a second sync would confirm what is lost. The frames it was to
//! confirm are kept in memory until they are confirmed, and written again to a new file.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::disk::DiskFile;
use super::durability::Durability;
use super::frame;
use super::segment::Active;
use super::spool::Spool;

/// There must be this much room before records are taken again.
const RESERVE_BYTES: u64 = 1 << 20;
/// A buffer that grew beyond this in a burst is given back.
const KEPT_BYTES: usize = 4 << 20;

/// Runs on a thread of its own until told to stop.
pub(crate) struct Keeper {
    spool: Arc<Spool>,
    stop: Arc<AtomicBool>,
    /// The frames from the first that is not durable on, as far as they left the tail.
    syncing: Vec<u8>,
    /// Whether the file they were written to is not to be trusted.
    distrusted: bool,
    /// Segments that hold nothing once the next sync succeeds.
    void: Vec<u64>,
}

/// What one sync covers.
struct Group {
    files: Vec<Arc<dyn DiskFile>>,
    dir: bool,
    last_seq: u64,
}

impl Keeper {
    pub(crate) fn new(spool: Arc<Spool>, stop: Arc<AtomicBool>) -> Self {
        Self { spool, stop, syncing: Vec::new(), distrusted: false, void: Vec::new() }
    }

    /// Keeps the journal until told to stop; then syncs what there is, and marks the end.
    pub(crate) fn run(mut self) {
        let spool = Arc::clone(&self.spool);
        spool.keeper_bell.adopt();
        while !self.stopping() {
            spool.keeper_bell.sleep_unless(|| self.has_work(), None);
            self.sync();
            if spool.is_refusing() && !self.stopping() {
                spool.keeper_bell.pause(spool.settings.retry);
                self.rewrite();
            }
        }
        spool.end_turn();
        if self.distrusted {
            self.rewrite();
        }
        self.sync();
        self.mark_end();
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn has_work(&self) -> bool {
        self.stopping() || self.spool.is_refusing() || self.spool.wants_sync()
    }

    /// One sync for everything that was written before it.
    fn sync(&mut self) {
        if self.distrusted || !self.spool.wants_sync() {
            return;
        }
        let group = self.collect();
        let started = Instant::now();
        match self.sync_group(&group) {
            Ok(()) => {
                metrics::histogram!("byok_journal_sync_seconds").record(started.elapsed());
                self.acknowledge(group.last_seq);
                self.zero_ahead();
            }
            Err(error) => {
                tracing::error!(%error, "a sync of the journal failed; writing to a new file");
                self.rewrite();
            }
        }
    }

    fn collect(&mut self) -> Group {
        let mut tail = self.spool.tail();
        std::mem::swap(&mut tail.unsynced.frames, &mut self.syncing);
        let mut files = std::mem::take(&mut tail.unsynced.files);
        files.push(tail.active.file());
        let dir = std::mem::take(&mut tail.unsynced.dir);
        Group { files, dir, last_seq: tail.next_seq - 1 }
    }

    fn sync_group(&self, group: &Group) -> io::Result<()> {
        group.files.iter().try_for_each(|file| file.sync())?;
        if group.dir {
            self.spool.settings.disk.sync_dir(&self.spool.settings.dir)?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, last_seq: u64) {
        self.spool.forget_synced(self.syncing.len());
        self.syncing.clear();
        self.syncing.shrink_to(KEPT_BYTES);
        self.spool.progress.acknowledge(last_seq);
        self.spool.writer_bell.ring();
    }

    fn zero_ahead(&self) {
        let limit = self.spool.settings.segment_bytes;
        if let Err(error) = self.spool.tail().active.zero_ahead(limit) {
            tracing::debug!(%error, "the journal's next bytes cannot be written ahead");
        }
    }

    /// Starts a new file with what is not durable yet; those who wait learn when that fails too.
    fn rewrite(&mut self) {
        match self.try_rewrite() {
            Ok(()) => {
                self.distrusted = false;
                self.spool.resume();
            }
            Err(error) => {
                self.distrusted = self.spool.settings.durability == Durability::Disk;
                self.spool.refuse(&error);
                self.spool.progress.fail(self.spool.written());
            }
        }
    }

    fn try_rewrite(&mut self) -> io::Result<()> {
        let group = self.start_over()?;
        if self.spool.settings.durability == Durability::Disk {
            self.sync_group(&group)?;
        }
        self.acknowledge(group.last_seq);
        self.spool.remove(&std::mem::take(&mut self.void));
        Ok(())
    }

    /// Writes the frames that are not durable to a new segment, which appends go to from now on.
    fn start_over(&mut self) -> io::Result<Group> {
        let spool = &self.spool;
        let mut tail = spool.tail();
        self.syncing.append(&mut tail.unsynced.frames);
        self.syncing.append(&mut tail.gathered);
        let mut active = spool.create_segment(&mut tail, spool.acked() + 1)?;
        if let Err(error) = fill(&mut active, &self.syncing) {
            spool.remove(&[active.header.number]);
            return Err(error);
        }
        let files = vec![active.file()];
        self.void.extend(spool.begin_segment(&mut tail, active));
        tail.unsynced.files.clear();
        tail.unsynced.dir = false;
        Ok(Group { files, dir: true, last_seq: tail.next_seq - 1 })
    }

    /// Says that all records were acknowledged, so that damage to the last ones will be noticed.
    fn mark_end(&self) {
        let mut tail = self.spool.tail();
        let last_seq = tail.next_seq - 1;
        let has_records = last_seq >= tail.active.header.first_seq;
        if has_records && self.spool.acked() == last_seq && !self.spool.is_refusing() {
            // Without it the next opening merely trusts the tail less.
            drop(tail.active.append(&frame::mark(last_seq)));
        }
    }
}

fn fill(active: &mut Active, frames: &[u8]) -> io::Result<()> {
    active.reserve(RESERVE_BYTES.max(frames.len() as u64))?;
    active.append(frames)
}
