//! The writing end of the journal, shared by those who append and the thread that syncs.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::catalog::{Catalog, Entry};
use super::disk::{Disk, DiskFile};
use super::durability::Durability;
use super::error::JournalFull;
use super::frame::FrameBuffer;
use super::id::JournalId;
use super::receipt::{Progress, Receipt};
use super::segment::{self, Active, Header};
use crate::bell::Bell;

/// Frames kept in memory until they are synced; with more of them, the disk hangs.
const MAX_UNSYNCED_BYTES: u64 = 64 << 20;

/// What a journal is opened with.
pub(crate) struct Settings {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) durability: Durability,
    /// Unapplied bytes from which on [`Spool::has_room`] says no.
    pub(crate) max_bytes: u64,
    /// A file that would grow beyond this is sealed, and the next one started.
    pub(crate) segment_bytes: u64,
    /// Between attempts to write again, once that has failed.
    pub(crate) retry: Duration,
    /// The folder's id.
    pub(crate) journal: JournalId,
    /// The id of this opening.
    pub(crate) run: JournalId,
}

/// What the journal, its keeper, its receipts and its reader share.
pub(crate) struct Spool {
    pub(crate) settings: Settings,
    pub(crate) progress: Arc<Progress>,
    /// Rung when there is something to sync or to repair.
    pub(crate) keeper_bell: Bell,
    /// Rung when there is something to apply.
    pub(crate) writer_bell: Bell,
    tail: Mutex<Tail>,
    catalog: Mutex<Catalog>,
    written: AtomicU64,
    unapplied_bytes: AtomicU64,
    unsynced_bytes: AtomicU64,
    refusing: AtomicBool,
}

/// What is guarded by the lock that orders appends.
pub(crate) struct Tail {
    pub(crate) active: Active,
    pub(crate) next_seq: u64,
    pub(crate) next_number: u64,
    /// Frames that wait for the end of the turn they were appended in.
    pub(crate) gathered: Vec<u8>,
    pub(crate) unsynced: Unsynced,
}

/// What a sync must cover, or a new file after a failed write.
#[derive(Default)]
pub(crate) struct Unsynced {
    /// Sealed files with unsynced frames.
    pub(crate) files: Vec<Arc<dyn DiskFile>>,
    /// Whether a file was created.
    pub(crate) dir: bool,
    /// The frames, byte for byte: after a failed sync the file cannot be asked what they were.
    pub(crate) frames: Vec<u8>,
}

impl Spool {
    /// Starts with `active`, new and empty; `unapplied_bytes` are in the segments before it.
    pub(crate) fn new(
        settings: Settings,
        active: Active,
        catalog: Catalog,
        unapplied_bytes: u64,
    ) -> Self {
        let Header { number, first_seq, .. } = active.header;
        Self {
            settings,
            progress: Arc::new(Progress::starting_at(first_seq - 1)),
            keeper_bell: Bell::default(),
            writer_bell: Bell::default(),
            tail: Mutex::new(Tail {
                active,
                next_seq: first_seq,
                next_number: number + 1,
                gathered: Vec::new(),
                unsynced: Unsynced::default(),
            }),
            catalog: Mutex::new(catalog),
            written: AtomicU64::new(first_seq - 1),
            unapplied_bytes: AtomicU64::new(unapplied_bytes),
            unsynced_bytes: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
        }
    }

    /// The last record appended, durable or not.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The last record that may be applied: one that no later failure takes back.
    pub(crate) fn acked(&self) -> u64 {
        self.progress.acked()
    }

    /// Whether something was written that is not synced, and has to be.
    pub(crate) fn wants_sync(&self) -> bool {
        self.settings.durability == Durability::Disk && self.written() > self.acked()
    }

    pub(crate) fn unapplied_bytes(&self) -> u64 {
        self.unapplied_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::SeqCst)
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.is_refusing()
            && self.unapplied_bytes() < self.settings.max_bytes
            && self.unsynced_bytes.load(Ordering::Relaxed) < MAX_UNSYNCED_BYTES
    }

    /// Takes no more records, until the keeper finds that it can.
    pub(crate) fn refuse(&self, error: &io::Error) {
        if !self.refusing.swap(true, Ordering::SeqCst) {
            tracing::error!(%error, dir = %self.settings.dir.display(),
                "the journal cannot be written; calls are refused until it can");
        }
        self.keeper_bell.ring();
    }

    /// Takes records again.
    pub(crate) fn resume(&self) {
        if self.refusing.swap(false, Ordering::SeqCst) {
            tracing::info!(dir = %self.settings.dir.display(), "the journal can be written again");
        }
    }

    /// `bytes` of frames need not be kept in memory any more.
    pub(crate) fn forget_synced(&self, bytes: usize) {
        self.unsynced_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Everything through `seq` is in the usage log, `bytes` of frames since the last time.
    pub(crate) fn release(&self, seq: u64, bytes: u64) {
        self.unapplied_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let done = self.catalog().release(seq);
        self.remove(&done);
    }

    /// Removes segments that hold nothing of interest. One that stays does no harm: it is found
    /// void, or applied already, the next time.
    pub(crate) fn remove(&self, numbers: &[u64]) {
        for number in numbers {
            let path = segment::path(&self.settings.dir, *number);
            if let Err(error) = self.settings.disk.remove(&path) {
                tracing::warn!(%error, file = %path.display(), "cannot remove a journal file");
            }
        }
    }

    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a frame.
    pub(crate) fn append(
        self: &Arc<Self>,
        frame: &mut FrameBuffer,
    ) -> Result<Receipt, JournalFull> {
        let mut tail = self.tail();
        if self.is_refusing() {
            return Err(JournalFull);
        }
        let seq = tail.next_seq;
        let bytes = frame.place(seq, self.acked());
        let begins_turn = match self.settings.durability {
            Durability::Os => {
                tail.gathered.extend_from_slice(bytes);
                tail.gathered.len() == bytes.len()
            }
            Durability::Disk => {
                if let Err(error) = self.write(&mut tail, bytes, seq) {
                    self.refuse(&error);
                    return Err(JournalFull);
                }
                tail.unsynced.frames.extend_from_slice(bytes);
                false
            }
        };
        tail.next_seq = seq + 1;
        self.unapplied_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.unsynced_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.written.store(seq, Ordering::SeqCst);
        drop(tail);
        if self.settings.durability == Durability::Disk {
            self.keeper_bell.ring();
        }
        Ok(Receipt::new(seq, Arc::clone(&self.progress), begins_turn.then(|| Arc::clone(self))))
    }

    /// Writes the frames that were gathered in a turn, all at once.
    ///
    /// When that fails, those who wait learn it. The frames are kept for the keeper to write to a
    /// new file: they have their places in the sequence.
    pub(crate) fn end_turn(&self) {
        let mut tail = self.tail();
        if tail.gathered.is_empty() {
            return;
        }
        let (first, last) = (self.acked() + 1, tail.next_seq - 1);
        let mut frames = std::mem::take(&mut tail.gathered);
        let written = if self.is_refusing() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            self.write(&mut tail, &frames, first)
        };
        match written {
            Ok(()) => {
                self.forget_synced(frames.len());
                frames.clear();
                tail.gathered = frames;
                drop(tail);
                self.progress.acknowledge_here(last);
                self.writer_bell.ring();
            }
            Err(error) => {
                tail.unsynced.frames.append(&mut frames);
                drop(tail);
                self.refuse(&error);
                self.progress.fail(last);
            }
        }
    }

    /// Writes frames from `first_seq` on to the active segment, or, when that is full or fails, to
    /// a new one.
    fn write(&self, tail: &mut Tail, bytes: &[u8], first_seq: u64) -> io::Result<()> {
        if !tail.active.is_full(bytes.len(), self.settings.segment_bytes) {
            match tail.active.append(bytes) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "the journal file is sealed early"),
            }
        }
        let mut active = self.create_segment(tail, first_seq)?;
        if let Err(error) = active.append(bytes) {
            self.remove(&[active.header.number]);
            return Err(error);
        }
        if self.settings.durability == Durability::Disk {
            let sealed = tail.active.file();
            tail.unsynced.files.push(sealed);
        }
        let void = self.begin_segment(tail, active);
        self.remove(&void);
        Ok(())
    }

    /// Creates the next segment, to hold the records from `first_seq` on.
    pub(crate) fn create_segment(&self, tail: &mut Tail, first_seq: u64) -> io::Result<Active> {
        let Settings { dir, disk, journal, run, .. } = &self.settings;
        let acked = self.acked();
        let number = tail.next_number;
        tail.next_number += 1;
        let header = Header { journal: *journal, run: *run, number, first_seq, acked };
        Active::create(&**disk, dir, header)
    }

    /// Makes `active` the segment that is appended to. Returns the segments that hold nothing now.
    pub(crate) fn begin_segment(&self, tail: &mut Tail, active: Active) -> Vec<u64> {
        let Header { number, run, first_seq, .. } = active.header;
        tail.active = active;
        tail.unsynced.dir = true;
        self.catalog().begin(Entry { number, run, first_seq, last_seq: None })
    }
}
