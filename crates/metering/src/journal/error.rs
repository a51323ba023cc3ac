//! What can go wrong with the journal.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a journal cannot be opened or read, or a record is not known to be durable.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another server has the folder open.
    #[error(
        "the journal folder {} is in use by another server{}; stop it, or give this one a folder of its own",
        .dir.display(), .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process that has it, if it left its number.
        pid: Option<String>,
    },
    /// A file operation failed.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried (`read`, `create`, …).
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not as it was written, where that loses records that were acknowledged.
    #[error("the journal file {} is damaged at byte {offset}: {what}", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where the damage starts.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The disk did not take the record.
    #[error("the disk did not confirm the record")]
    NotDurable,
}

impl JournalError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(file: &Path, offset: usize, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), offset: offset as u64, what: what.into() }
    }
}

/// The journal takes no record at the moment: its disk is full or failing.
///
/// Why is logged once, by the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the journal takes no records at the moment")]
pub struct JournalFull;
