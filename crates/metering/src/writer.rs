//! Moves records from the journal to the usage log.

mod meters;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use self::worker::Worker;
use crate::journal::{Journal, JournalError};
use crate::usage_log::UsageLog;

/// The task that empties the journal into the usage log, in order, each record once.
///
/// It runs on a thread of its own at a lower priority, so that reading the journal back never takes
/// a core from calls in flight; the usage log's own work runs wherever its futures are driven by
/// the given runtime. Dropping it stops it after the batch at hand; see [`stop`](Self::stop).
#[derive(Debug)]
pub struct Writer {
    journal: Arc<Journal>,
    signals: Arc<Signals>,
    applied: watch::Receiver<u64>,
    thread: Thread,
}

/// What others tell the writer's thread.
#[derive(Debug, Default)]
struct Signals {
    stop: AtomicBool,
    /// Somebody waits for the records through this one.
    wanted: AtomicU64,
}

impl Writer {
    /// Starts moving what `journal` holds and will hold to `log`, whose futures are run with
    /// `runtime`.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the system starts no thread.
    pub fn start(
        journal: Arc<Journal>,
        log: Arc<dyn UsageLog>,
        runtime: Handle,
    ) -> Result<Self, JournalError> {
        let signals = Arc::new(Signals::default());
        let (worker, applied) =
            Worker::new(Arc::clone(&journal), log, runtime, Arc::clone(&signals));
        let thread = thread::Builder::new()
            .name("byok-writer".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| journal.io_error("start the writer of", error))?
            .thread()
            .clone();
        Ok(Self { journal, signals, applied, thread })
    }

    /// Waits until everything appended before this call is in the usage log, at most `within`.
    /// Returns whether it is.
    pub async fn caught_up(&self, within: Duration) -> bool {
        let wanted = self.journal.last_seq();
        let mut applied = self.applied.clone();
        if *applied.borrow() >= wanted {
            return true;
        }
        self.signals.wanted.fetch_max(wanted, Ordering::SeqCst);
        self.thread.unpark();
        let reached = applied.wait_for(|applied| *applied >= wanted);
        tokio::time::timeout(within, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Moves what is in the journal and stops. Gives up at the first refusal of the usage log: what
    /// is left is moved at the next start.
    pub async fn stop(mut self) {
        self.signal_stop();
        // The worker's end closes the channel.
        while self.applied.changed().await.is_ok() {}
    }

    fn signal_stop(&self) {
        self.signals.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.signal_stop();
    }
}
