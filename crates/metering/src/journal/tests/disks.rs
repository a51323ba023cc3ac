//! Disks that fail, and disks that lose power.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard};

use super::super::disk::DiskFile;
use super::*;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Create,
    Write,
    Sync,
    SyncDir,
}

/// The system's disk, with failures at given operations.
///
/// A write that fails has written half before; a sync that fails loses what it was to sync, and
/// would succeed the next time, as on Linux.
#[derive(Default)]
pub(super) struct FaultyDisk {
    /// The operation that fails, and from which to before which of its kind.
    plan: Mutex<Option<(Op, u64, u64)>>,
    done: Mutex<HashMap<Op, u64>>,
    /// Whether a file was synced after a sync of it had failed.
    pub(super) trusted_a_failed_file: AtomicBool,
    pub(super) failures: AtomicU64,
}

struct FaultyFile {
    disk: Arc<FaultyDisk>,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    half_written: AtomicBool,
    synced: AtomicU64,
    failed: AtomicBool,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with it")
}

impl FaultyDisk {
    /// From now on, the operations of kind `op` numbered `from` (1 is the next) to before `to` fail.
    pub(super) fn fail(&self, op: Op, from: u64, to: u64) {
        held(&self.done).clear();
        *held(&self.plan) = Some((op, from, to));
    }

    pub(super) fn heal(&self) {
        *held(&self.plan) = None;
    }

    /// How many operations of kind `op` were asked for.
    pub(super) fn count(&self, op: Op) -> u64 {
        held(&self.done).get(&op).copied().unwrap_or_default()
    }

    fn attempt(&self, op: Op) -> io::Result<()> {
        let mut done = held(&self.done);
        let n = done.entry(op).or_default();
        *n += 1;
        match *held(&self.plan) {
            Some((failing, from, to)) if failing == op && (from..to).contains(n) => {
                self.failures.fetch_add(1, Ordering::SeqCst);
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

/// A disk that never fails, and never takes time to sync.
pub(super) fn fast_disk() -> Arc<dyn Disk> {
    Arc::new(Handle(Arc::default()))
}

/// The journal holds it as this, so that files find their way back to it.
pub(super) struct Handle(pub(super) Arc<FaultyDisk>);

impl Handle {
    fn file(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile {
            disk: Arc::clone(&self.0),
            file,
            path: path.to_owned(),
            half_written: AtomicBool::default(),
            synced: AtomicU64::default(),
            failed: AtomicBool::default(),
        })
    }
}

impl Disk for Handle {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.attempt(Op::Create)?;
        Ok(self.file(path, SystemDisk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, SystemDisk.open(path)?))
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.0.attempt(Op::SyncDir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
}

impl DiskFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.half_written.swap(false, Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.disk.attempt(Op::Write).is_err() {
            self.half_written.store(true, Ordering::SeqCst);
            return self.file.write_at(&bytes[..bytes.len().div_ceil(2)], offset);
        }
        self.file.write_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    /// Syncs nothing: nobody cuts the power here.
    fn sync(&self) -> io::Result<()> {
        if self.failed.load(Ordering::SeqCst) {
            self.disk.trusted_a_failed_file.store(true, Ordering::SeqCst);
        }
        let len = std::fs::metadata(&self.path)?.len();
        if let Err(error) = self.disk.attempt(Op::Sync) {
            self.failed.store(true, Ordering::SeqCst);
            let from = self.synced.load(Ordering::SeqCst);
            let lost = usize::try_from(len - from.min(len)).expect("small files");
            self.file.write_at(&vec![0; lost], from)?;
            return Err(error);
        }
        self.synced.store(len, Ordering::SeqCst);
        Ok(())
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// A step in the life of a disk, as far as the loss of power is concerned.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create(u64),
    Write(u64, u64, Vec<u8>),
    Truncate(u64, u64),
    /// What was written to the file before step `.1` is durable.
    Synced(u64, usize),
    /// The creations and removals before this step are durable.
    DirSynced(usize),
    Remove(u64),
    /// The caller was told that call number `.0` is durable.
    Acknowledged(u64),
    /// The usage log has everything through call number `.0`.
    Applied(u64),
}

/// The system's disk; remembers what was done to it.
#[derive(Clone, Default)]
pub(super) struct TracedDisk(Arc<Mutex<Vec<Step>>>);

struct TracedFile {
    disk: TracedDisk,
    file: Arc<dyn DiskFile>,
    number: u64,
}

impl TracedDisk {
    pub(super) fn note(&self, step: Step) {
        held(&self.0).push(step);
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        held(&self.0).clone()
    }

    fn now(&self) -> usize {
        held(&self.0).len()
    }
}

impl Disk for TracedDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let number = segment::number(path).expect("a segment");
        self.note(Step::Create(number));
        let file = SystemDisk.create(path)?;
        Ok(Arc::new(TracedFile { disk: self.clone(), file, number }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let number = segment::number(path).expect("a segment");
        Ok(Arc::new(TracedFile { disk: self.clone(), file: SystemDisk.open(path)?, number }))
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let before = self.now();
        std::thread::yield_now();
        self.note(Step::DirSynced(before));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note(Step::Remove(segment::number(path).expect("a segment")));
        SystemDisk.remove(path)
    }
}

impl DiskFile for TracedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.note(Step::Write(self.number, offset, bytes.to_vec()));
        self.file.write_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.note(Step::Truncate(self.number, len));
        self.file.truncate(len)
    }

    /// Takes its time, so that records are written while it syncs.
    fn sync(&self) -> io::Result<()> {
        let before = self.disk.now();
        std::thread::sleep(Duration::from_micros(200));
        self.disk.note(Step::Synced(self.number, before));
        Ok(())
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
}
