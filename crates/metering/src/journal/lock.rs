//! One server a folder: an exclusive lock that goes when its process does.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::JournalError;

/// Holds the folder for as long as it lives.
pub(crate) struct FolderLock {
    file: File,
}

impl FolderLock {
    pub(crate) fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| JournalError::io("open", &path, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(in_use(dir, &mut file)),
            Err(error) => return Err(JournalError::io("lock", &path, error.into())),
        }
        // Only for the message above: a full disk must not keep the server from starting.
        drop(file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())));
        Ok(Self { file })
    }
}

impl Drop for FolderLock {
    /// Closing the file would not do: a child process that is just being started has it open, too.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn in_use(dir: &Path, file: &mut File) -> JournalError {
    let mut pid = String::new();
    let pid = file.read_to_string(&mut pid).ok().map(|_| pid.trim().to_owned());
    JournalError::InUse { dir: dir.to_owned(), pid: pid.filter(|pid| !pid.is_empty()) }
}
