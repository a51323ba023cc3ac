//! One file of the journal: its name, its header, and the writing end of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::id::JournalId;

/// Bytes before the first frame.
pub(crate) const HEADER: usize = 72;

const MAGIC: &[u8; 8] = b"BYOKJRNL";
const VERSION: u32 = 2;
const EXTENSION: &str = "journal";
/// Zeros are written ahead once there are less than this many bytes of them…
const ZEROS_LOW: u64 = 256 << 10;
/// … until there are this many.
const ZEROS_HIGH: u64 = 768 << 10;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What a segment file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The folder's id, the same in all its files.
    pub(crate) journal: JournalId,
    /// The opening that wrote the file.
    pub(crate) run: JournalId,
    /// The file's place among the files; also its name.
    pub(crate) number: u64,
    /// The sequence number of the first frame. An earlier file's frames from here on are void:
    /// they were written again here, after a failed sync.
    pub(crate) first_seq: u64,
    /// Acknowledged through, when the file was started.
    pub(crate) acked: u64,
}

/// Why a header is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Cut off, or not what was written.
    Damaged,
    /// Sound, of a version this program does not know.
    Version(u32),
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.journal.to_bytes());
        bytes[32..48].copy_from_slice(&self.run.to_bytes());
        bytes[48..56].copy_from_slice(&self.number.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[64..].copy_from_slice(&self.acked.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(file: &[u8]) -> Result<Self, BadHeader> {
        let bytes: &[u8; HEADER] = file.first_chunk().ok_or(BadHeader::Damaged)?;
        let u64_at = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("in range"));
        let id_at =
            |at: usize| JournalId::from_bytes(*bytes[at..].first_chunk().expect("in range"));
        if &bytes[..8] != MAGIC || bytes[12..16] != checksum(bytes).to_le_bytes() {
            return Err(BadHeader::Damaged);
        }
        match u32::from_le_bytes(*bytes[8..].first_chunk().expect("in range")) {
            VERSION => Ok(Self {
                journal: id_at(16),
                run: id_at(32),
                number: u64_at(48),
                first_seq: u64_at(56),
                acked: u64_at(64),
            }),
            other => Err(BadHeader::Version(other)),
        }
    }
}

fn checksum(bytes: &[u8; HEADER]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..12]);
    crc.update(&bytes[16..]);
    crc.finalize()
}

/// The path of segment `number` in `dir`.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.{EXTENSION}"))
}

/// The number of the segment that a file of this name is; `None` for other files.
pub(crate) fn number(path: &Path) -> Option<u64> {
    (path.extension()? == EXTENSION).then(|| path.file_stem()?.to_str()?.parse().ok())?
}

/// The segment that frames are appended to.
pub(crate) struct Active {
    pub(crate) header: Header,
    file: Arc<dyn DiskFile>,
    /// Bytes of header and whole frames. What lies beyond is zeros, or the rest of a failed write.
    len: u64,
    /// Where the zeros written ahead end.
    zeroed: u64,
}

impl Active {
    /// Starts a file. Leaves none behind when that fails.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, header: Header) -> io::Result<Self> {
        let path = path(dir, header.number);
        let mut active = Self { header, file: disk.create(&path)?, len: 0, zeroed: 0 };
        match active.append(&header.encode()) {
            Ok(()) => Ok(active),
            Err(error) => {
                drop(disk.remove(&path));
                Err(error)
            }
        }
    }

    /// Writes all of `bytes`, or leaves the file as it was.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write_at(&bytes[written..], self.len + written as u64) {
                Ok(0) => return self.undo(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.undo(error),
            }
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Whether `more` bytes belong in the next file, if a file is to have at most `limit`.
    pub(crate) fn is_full(&self, more: usize, limit: u64) -> bool {
        self.len > HEADER as u64 && self.len + more as u64 > limit
    }

    /// Writes zeros where the next frames will lie, at most up to `limit`: a sync of bytes that were
    /// there before has no metadata to write, which makes it twice as fast.
    ///
    /// # Errors
    /// When the disk takes no more. That is no failure yet: frames have their own way to find out.
    pub(crate) fn zero_ahead(&mut self, limit: u64) -> io::Result<()> {
        if self.zeroed > self.len + ZEROS_LOW {
            return Ok(());
        }
        let end = (self.len + ZEROS_HIGH).min(limit);
        self.zeroed = self.zeroed.max(self.len);
        while self.zeroed < end {
            let bytes = usize::try_from(end - self.zeroed).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.zeroed += self.file.write_at(&ZEROS[..bytes], self.zeroed)? as u64;
        }
        Ok(())
    }

    /// Sees that there is room for a while, as far as the file system can tell.
    pub(crate) fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.file.reserve(bytes)
    }

    /// The file, to be synced by somebody else.
    pub(crate) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Cuts a partial write away. Should that fail too, nothing is wrong yet: part of a frame is
    /// never read, and the next append writes over it.
    fn undo(&self, error: io::Error) -> io::Result<()> {
        drop(self.file.truncate(self.len));
        Err(error)
    }
}
