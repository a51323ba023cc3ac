//! Reads a journal folder as the last server left it: finds the end of what was written, and tells
//! a torn tail from damage.
//!
//! A crash may leave the tail of the journal cut, full of holes, or (after a power loss) with its
//! blocks in any state that was not synced. None of that was acknowledged, so it does not count. But a
//! frame or a header that says "acknowledged through n" proves that every record through n was once
//! whole: if one of those cannot be read any more, the journal is not opened.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::catalog::Entry;
use super::error::JournalError;
use super::frame::{self, HEAD};
use super::id::JournalId;
use super::segment::{self, BadHeader, HEADER, Header};

/// What is in a folder.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The folder's id; `None` for a folder without segments.
    pub(crate) journal: Option<JournalId>,
    /// The segments with records, sealed.
    pub(crate) segments: Vec<Entry>,
    /// The sequence number of the next record.
    pub(crate) next_seq: u64,
    /// The number of the next segment.
    pub(crate) next_number: u64,
    /// Bytes of the records' frames.
    pub(crate) bytes: u64,
    /// Files that hold nothing of interest.
    pub(crate) void: Vec<PathBuf>,
    /// What nobody was promised, and does not count.
    pub(crate) torn: Option<TornTail>,
}

/// Bytes that are not whole records. They may stay where they are: the next segment's first record
/// is the one that should have been there, and so voids them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TornTail {
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
    /// In this file and in those after it.
    pub(crate) bytes: u64,
}

/// One segment file, not yet looked into.
struct Found {
    path: PathBuf,
    number: u64,
    len: u64,
    header: Result<Header, BadHeader>,
    /// The first record that a later file holds instead.
    void_from: u64,
}

impl Found {
    /// The oldest file may have no header only if its server crashed while starting it. (A younger
    /// one may lack it after a power loss: its first records were never acknowledged then, and the
    /// file before it is still there.)
    fn never_begun(&self) -> Result<PathBuf, JournalError> {
        if self.len > HEADER as u64 {
            return Err(JournalError::damaged(&self.path, 0, "its header cannot be read"));
        }
        Ok(self.path.clone())
    }
}

/// How far a file's frames are whole.
struct Walk {
    next_seq: u64,
    /// Bytes of header and whole frames of interest.
    end: usize,
    frame_bytes: u64,
    /// Whether something else follows.
    broken: bool,
}

/// Looks at all segments in `dir`; changes nothing.
///
/// # Errors
/// [`JournalError::Damaged`] when a record that was acknowledged cannot be read, or a file is not
/// of this journal; [`JournalError::Io`] when reading fails.
pub(crate) fn recover(dir: &Path) -> Result<Recovered, JournalError> {
    let found = find(dir)?;
    let mut recovered = Recovered {
        journal: journal_id(&found)?,
        segments: Vec::new(),
        next_seq: 1,
        next_number: found.last().map_or(1, |last| last.number + 1),
        bytes: 0,
        void: Vec::new(),
        torn: None,
    };
    let mut started = false;
    // Every record below was durable before the files at hand were started.
    let mut floor = 0;
    for (index, file) in found.iter().enumerate() {
        let next_seq = started.then_some(recovered.next_seq);
        let Ok(header) = file.header else {
            match next_seq {
                None if file.void_from > floor => recovered.void.push(file.never_begun()?),
                Some(next) if file.void_from > next => {
                    recovered.tear(&found[index..], 0, next)?;
                    break;
                }
                _ => recovered.void.push(file.path.clone()),
            }
            continue;
        };
        floor = floor.max(header.acked + 1);
        if header.first_seq >= file.void_from {
            recovered.void.push(file.path.clone());
            continue;
        }
        if next_seq.is_some_and(|next| header.first_seq != next) {
            recovered.tear(&found[index..], 0, recovered.next_seq)?;
            break;
        }
        let bytes = read(&file.path)?;
        let walk = walk(&bytes, header.first_seq, file.void_from);
        started = true;
        recovered.take(file, &header, &walk);
        if walk.broken {
            recovered.tear(&found[index..], walk.end, walk.next_seq)?;
            break;
        }
    }
    Ok(recovered)
}

impl Recovered {
    fn take(&mut self, file: &Found, header: &Header, walk: &Walk) {
        self.next_seq = walk.next_seq;
        self.bytes += walk.frame_bytes;
        if walk.next_seq == header.first_seq {
            self.void.push(file.path.clone());
        } else {
            self.segments.push(Entry {
                number: header.number,
                run: header.run,
                first_seq: header.first_seq,
                last_seq: Some(walk.next_seq - 1),
            });
        }
    }

    /// Ends the journal at byte `end` of the first of `rest`, where record `next_seq` should be,
    /// unless something after that proves that the record was acknowledged.
    fn tear(&mut self, rest: &[Found], end: usize, next_seq: u64) -> Result<(), JournalError> {
        let mut torn_bytes = 0;
        for (index, file) in rest.iter().enumerate() {
            let bytes = read(&file.path)?;
            let from = if index == 0 { end } else { 0 };
            torn_bytes += bytes.len().saturating_sub(from) as u64;
            let header = file.header.as_ref().ok().filter(|_| from == 0).map(|header| header.acked);
            let last_possible = next_seq.saturating_add(torn_bytes);
            let after = &bytes[from.min(bytes.len())..];
            let witness = header.max(highest_acked(after, next_seq..=last_possible));
            if let Some(acked) = witness.filter(|acked| *acked >= next_seq) {
                let what = format!(
                    "record {next_seq} cannot be read, though records through {acked} were \
                     acknowledged; restore the file, or move the folder away to start without \
                     what is in it"
                );
                return Err(JournalError::damaged(&rest[0].path, end, what));
            }
            if (index > 0 || end == 0) && !self.void.contains(&file.path) {
                self.void.push(file.path.clone());
            }
        }
        self.torn =
            Some(TornTail { file: rest[0].path.clone(), offset: end as u64, bytes: torn_bytes });
        Ok(())
    }
}

fn find(dir: &Path) -> Result<Vec<Found>, JournalError> {
    let unreadable = |error| JournalError::io("read", dir, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if let Some(number) = segment::number(&path) {
            let (len, start) = read_start(&path)?;
            let header = Header::decode(&start);
            found.push(Found { path, number, len, header, void_from: u64::MAX });
        }
    }
    found.sort_by_key(|file| file.number);
    let mut void_from = u64::MAX;
    for file in found.iter_mut().rev() {
        file.void_from = void_from;
        if let Ok(header) = file.header {
            void_from = void_from.min(header.first_seq);
        }
    }
    Ok(found)
}

/// The id that all files carry.
fn journal_id(found: &[Found]) -> Result<Option<JournalId>, JournalError> {
    let mut id = None;
    for file in found {
        let refuse = |what: &str| Err(JournalError::damaged(&file.path, 0, what));
        match file.header {
            Err(BadHeader::Damaged) => {}
            Err(BadHeader::Version(version)) => {
                return refuse(&format!(
                    "it is of version {version}, which this program does not know"
                ));
            }
            Ok(header) if header.number != file.number => {
                return refuse("it is a copy of another file of this journal, under a wrong name");
            }
            Ok(header) if *id.get_or_insert(header.journal) != header.journal => {
                return refuse("it belongs to another journal than the files before it");
            }
            Ok(_) => {}
        }
    }
    Ok(id)
}

/// Follows the frames from the header on, up to the first that a later file holds instead.
fn walk(bytes: &[u8], first_seq: u64, void_from: u64) -> Walk {
    let mut walk = Walk { next_seq: first_seq, end: HEADER, frame_bytes: 0, broken: false };
    while walk.next_seq < void_from && walk.end < bytes.len() {
        match frame::parse(&bytes[walk.end..]) {
            Some(frame) if frame.payload.is_empty() && frame.seq + 1 == walk.next_seq => {
                walk.end += HEAD;
            }
            Some(frame) if !frame.payload.is_empty() && frame.seq == walk.next_seq => {
                let size = HEAD + frame.payload.len();
                walk.end += size;
                walk.frame_bytes += size as u64;
                walk.next_seq += 1;
            }
            _ => {
                // Zeros to the end were written ahead of frames that never came.
                walk.broken = bytes[walk.end..].iter().any(|byte| *byte != 0);
                break;
            }
        }
    }
    walk
}

/// The highest acknowledgement in any whole frame in `bytes` whose sequence number is possible.
///
/// Looks at every offset, since after damage nothing says where frames start.
fn highest_acked(bytes: &[u8], possible: RangeInclusive<u64>) -> Option<u64> {
    (0..bytes.len().saturating_sub(HEAD - 1))
        .filter(|at| {
            let head = bytes[*at..].first_chunk().expect("in range");
            possible.contains(&frame::seq_of(head))
        })
        .filter_map(|at| frame::parse(&bytes[at..]))
        .map(|frame| frame.acked)
        .max()
}

fn read(path: &Path) -> Result<Vec<u8>, JournalError> {
    std::fs::read(path).map_err(|error| JournalError::io("read", path, error))
}

fn read_start(path: &Path) -> Result<(u64, Vec<u8>), JournalError> {
    use std::io::Read;
    let mut start = Vec::with_capacity(HEADER);
    std::fs::File::open(path)
        .and_then(|file| {
            let len = file.metadata()?.len();
            file.take(HEADER as u64).read_to_end(&mut start)?;
            Ok((len, start))
        })
        .map_err(|error| JournalError::io("read", path, error))
}
