//! The journal of call records: where a record is durable before its caller sees the end of the
//! answer.
//!
//! A folder of append-only files, one server a folder. [`append`](Journal::append) writes a record;
//! the [`Writer`](crate::Writer) reads it back and moves it to the usage log; a file whose records
//! all have moved is removed.

mod catalog;
mod disk;
mod durability;
mod error;
mod frame;
mod id;
mod keeper;
mod lock;
pub(crate) mod reader;
mod receipt;
mod recovery;
mod segment;
mod spool;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use byok_domain::CallRecord;

use self::catalog::{Catalog, Entry};
use self::disk::SystemDisk;
pub use self::durability::Durability;
pub use self::error::{JournalError, JournalFull};
use self::frame::FrameBuffer;
pub use self::id::JournalId;
use self::keeper::Keeper;
use self::lock::FolderLock;
pub use self::receipt::Receipt;
use self::recovery::{Recovered, TornTail, recover};
use self::segment::{Active, Header};
use self::spool::{Settings, Spool};

/// The size of a journal file in bytes, save for its last record.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Between attempts to write again, once that has failed.
const RETRY: Duration = Duration::from_millis(500);

thread_local! {
    static FRAME: RefCell<FrameBuffer> = RefCell::default();
}

/// An open journal. Dropping it syncs what there is, and lets go of the folder.
pub struct Journal {
    spool: Arc<Spool>,
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
    _lock: FolderLock,
}

impl Journal {
    /// Opens the journal in `dir`, creating the folder (readable by its owner only) if need be.
    ///
    /// `id` names this opening: 128 bits drawn anew each time. Unapplied records beyond `max_bytes`
    /// make [`has_room`](Self::has_room) say no.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another server has the folder, [`JournalError::Damaged`] when
    /// records that were acknowledged cannot be read, [`JournalError::Io`] when the file system
    /// fails. A torn tail, which nobody was promised, is passed over with a warning.
    pub fn open(
        dir: impl AsRef<Path>,
        durability: Durability,
        max_bytes: u64,
        id: JournalId,
    ) -> Result<Arc<Self>, JournalError> {
        Self::open_with(Settings {
            dir: dir.as_ref().to_owned(),
            disk: Arc::new(SystemDisk),
            durability,
            max_bytes,
            segment_bytes: SEGMENT_BYTES,
            retry: RETRY,
            journal: id,
            run: id,
        })
    }

    /// Opens with the settings as given, save that a folder that has an id keeps it.
    fn open_with(mut settings: Settings) -> Result<Arc<Self>, JournalError> {
        let dir = settings.dir.as_path();
        let failed = |what| move |error| JournalError::io(what, dir, error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create"))?;
        let lock = FolderLock::take(dir)?;
        let recovered = recover(dir)?;
        settle(&settings, &recovered)?;
        let (journal, run) = (recovered.journal.unwrap_or(settings.run), settings.run);
        let (number, first_seq) = (recovered.next_number, recovered.next_seq);
        let header = Header { journal, run, number, first_seq, acked: first_seq - 1 };
        let disk = &settings.disk;
        let active = Active::create(&**disk, dir, header).map_err(failed("create a file in"))?;
        active.file().sync().and_then(|()| disk.sync_dir(dir)).map_err(failed("sync"))?;
        let mut catalog = Catalog::default();
        recovered.segments.into_iter().for_each(|entry| catalog.push_sealed(entry));
        catalog.begin(Entry { number, run, first_seq, last_seq: None });
        for path in &recovered.void {
            drop(disk.remove(path));
        }
        settings.journal = journal;
        let spool = Arc::new(Spool::new(settings, active, catalog, recovered.bytes));
        let stop = Arc::new(AtomicBool::new(false));
        let keeper = Keeper::new(Arc::clone(&spool), Arc::clone(&stop));
        let keeper = thread::Builder::new()
            .name("byok-journal".to_owned())
            .spawn(move || keeper.run())
            .map_err(|error| {
                JournalError::io("start the thread for", &spool.settings.dir, error)
            })?;
        Ok(Arc::new(Self { spool, stop, keeper: Some(keeper), _lock: lock }))
    }

    /// Writes a record. It is durable when the receipt resolves.
    ///
    /// Whether there [`is room`](Self::has_room) is not asked: a call that was let in is recorded.
    ///
    /// # Errors
    /// [`JournalFull`] when the disk is full or failing; then nothing of the record is kept.
    pub fn append(&self, record: &CallRecord) -> Result<Receipt, JournalFull> {
        FRAME.with_borrow_mut(|frame| {
            frame.fill(record).map_err(|error| {
                tracing::error!(%error, "a call record cannot be written as MessagePack");
                JournalFull
            })?;
            if !frame.is_within_limit() {
                tracing::error!(id = %record.id, "a call record is too large for the journal");
                return Err(JournalFull);
            }
            self.spool.append(frame)
        })
    }

    /// Whether a call may be let in: its record will find room, as far as one can tell.
    pub fn has_room(&self) -> bool {
        self.spool.has_room()
    }

    /// The sequence number of the last record appended; 0 when there never was one.
    pub fn last_seq(&self) -> u64 {
        self.spool.written()
    }

    /// Bytes of records that are not in the usage log yet.
    pub fn unapplied_bytes(&self) -> u64 {
        self.spool.unapplied_bytes()
    }

    /// What a receipt promises.
    pub fn durability(&self) -> Durability {
        self.spool.settings.durability
    }

    pub(crate) fn io_error(&self, what: &'static str, error: io::Error) -> JournalError {
        JournalError::io(what, &self.spool.settings.dir, error)
    }

    pub(crate) const fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(keeper) = self.keeper.take() {
            keeper.thread().unpark();
            // It holds files of the folder: the lock must not go before it has.
            drop(keeper.join());
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("dir", &self.spool.settings.dir).finish_non_exhaustive()
    }
}

/// Makes what was found durable: the new segment will say that it was.
fn settle(settings: &Settings, recovered: &Recovered) -> Result<(), JournalError> {
    if let Some(TornTail { file, offset, bytes }) = &recovered.torn {
        let file = file.display();
        tracing::warn!(%file, offset, bytes, "the last server did not finish writing the journal");
    }
    for entry in &recovered.segments {
        let path = segment::path(&settings.dir, entry.number);
        let file = settings.disk.open(&path);
        file.and_then(|file| file.sync())
            .map_err(|error| JournalError::io("sync", &path, error))?;
    }
    let dir = &settings.dir;
    settings.disk.sync_dir(dir).map_err(|error| JournalError::io("sync", dir, error))
}
