//! The reading end of the journal: takes records back out of the segment files, in order.
//!
//! It reads what recovery found and what is being written in the same way, so that the way taken
//! after a crash is the way taken all day.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use byok_domain::CallRecord;

use super::catalog::Entry;
use super::error::JournalError;
use super::frame::{self, HEAD};
use super::id::JournalId;
use super::segment::{self, HEADER};
use super::spool::Spool;

/// Bytes asked of the system at a time.
const CHUNK: usize = 128 << 10;

/// Reads each record once; remembers where it is.
pub(crate) struct Reader {
    spool: Arc<Spool>,
    next_seq: u64,
    open: Option<Open>,
    /// An empty list, with the room that the last batch took.
    spare: Vec<CallRecord>,
}

/// Consecutive records of one opening of the journal.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) run: JournalId,
    /// The sequence number of the last of them.
    pub(crate) last_seq: u64,
    /// Their frames' size in the journal.
    pub(crate) bytes: u64,
    pub(crate) records: Vec<CallRecord>,
}

/// The segment being read.
struct Open {
    entry: Entry,
    path: PathBuf,
    file: File,
    /// What was read of the file, and not taken yet, lies in `buffer[taken..]`, and in the file
    /// from `offset` on.
    buffer: Vec<u8>,
    taken: usize,
    offset: usize,
    /// The record at `offset`.
    seq: u64,
}

impl Reader {
    pub(crate) fn new(spool: Arc<Spool>) -> Self {
        let next_seq = spool.catalog().first_seq();
        Self { spool, next_seq, open: None, spare: Vec::new() }
    }

    /// The sequence number of the next record.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// How many records can be read.
    pub(crate) fn ready(&self) -> u64 {
        (self.spool.acked() + 1).saturating_sub(self.next_seq)
    }

    /// The next records, at most `limit`; `None` when all were read.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read; reading again starts with the same records.
    pub(crate) fn read(&mut self, limit: usize) -> Result<Option<Batch>, JournalError> {
        // The buffer may hold the rest of a write that failed and was taken back since: what looks
        // like damage is looked at again in the file.
        let stale = self.open.is_some();
        match self.try_read(limit) {
            Err(JournalError::Damaged { .. }) if stale => self.try_read(limit),
            outcome => outcome,
        }
    }

    fn try_read(&mut self, limit: usize) -> Result<Option<Batch>, JournalError> {
        let acked = self.spool.acked();
        if self.next_seq > acked {
            return Ok(None);
        }
        // Forgotten unless all goes well: it is then in the middle of something.
        let open = self.open.take();
        let mut open = self.find(open)?;
        while open.seq < self.next_seq {
            open.next_payload()?;
        }
        let last = open.entry.last_seq.unwrap_or(acked).min(acked);
        let (entry, start) = (open.entry, open.offset);
        let mut records = std::mem::take(&mut self.spare);
        while records.len() < limit && open.seq <= last {
            records.push(open.next_record()?);
        }
        let last_seq = open.seq - 1;
        let bytes = (open.offset - start) as u64;
        self.next_seq = open.seq;
        self.open = Some(open);
        Ok(Some(Batch { run: entry.run, last_seq, bytes, records }))
    }

    /// Takes a batch back that is done with: its room, a megabyte, is for the next one.
    pub(crate) fn reuse(&mut self, batch: Batch) {
        self.spare = batch.records;
        self.spare.clear();
    }

    /// The segment that the next record is in, opened already or anew.
    fn find(&self, open: Option<Open>) -> Result<Open, JournalError> {
        let entry = self.spool.catalog().find(self.next_seq);
        let Some(entry) = entry else {
            let what = format!("record {} is in none of the files", self.next_seq);
            return Err(JournalError::damaged(&self.spool.settings.dir, 0, what));
        };
        match open {
            Some(open) if open.entry.number == entry.number => Ok(Open { entry, ..open }),
            _ => Open::new(segment::path(&self.spool.settings.dir, entry.number), entry),
        }
    }
}

impl Open {
    fn new(path: PathBuf, entry: Entry) -> Result<Self, JournalError> {
        let file = File::open(&path).map_err(|error| JournalError::io("read", &path, error))?;
        let (buffer, seq) = (Vec::with_capacity(CHUNK), entry.first_seq);
        Ok(Self { entry, path, file, buffer, taken: 0, offset: HEADER, seq })
    }

    fn next_record(&mut self) -> Result<CallRecord, JournalError> {
        let (seq, offset) = (self.seq, self.offset);
        let record = rmp_serde::from_slice(self.next_payload()?);
        record.map_err(|error| {
            let what = format!("record {seq} is not understood: {error}");
            JournalError::damaged(&self.path, offset, what)
        })
    }

    fn next_payload(&mut self) -> Result<&[u8], JournalError> {
        let size = loop {
            self.fill(HEAD)?;
            let size = frame::size(&self.buffer[self.taken..]).ok_or_else(|| self.damage())?;
            self.fill(size)?;
            if size > HEAD {
                break size;
            }
            self.take(HEAD);
        };
        let start = self.taken;
        let sound = frame::parse(&self.buffer[start..]).is_some_and(|frame| frame.seq == self.seq);
        if !sound {
            return Err(self.damage());
        }
        self.take(size);
        self.seq += 1;
        Ok(&self.buffer[start + HEAD..start + size])
    }

    /// Sees that `size` bytes are in the buffer.
    fn fill(&mut self, size: usize) -> Result<(), JournalError> {
        if self.buffer.len() - self.taken >= size {
            return Ok(());
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let have = self.buffer.len();
        self.buffer.resize(have + CHUNK.max(size), 0);
        let mut end = have;
        while end < size {
            match self.file.read_at(&mut self.buffer[end..], (self.offset + end) as u64) {
                Ok(0) => break,
                Ok(n) => end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(JournalError::io("read", &self.path, error)),
            }
        }
        self.buffer.truncate(end);
        if end < size { Err(self.damage()) } else { Ok(()) }
    }

    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        self.offset += bytes;
    }

    fn damage(&self) -> JournalError {
        let what = format!("record {} cannot be read", self.seq);
        JournalError::damaged(&self.path, self.offset, what)
    }
}
