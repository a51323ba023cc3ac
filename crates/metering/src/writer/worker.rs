//! The writer's thread.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use byok_domain::CallRecord;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Signals;
use super::meters::Meters;
use crate::journal::reader::{Batch, Reader};
use crate::journal::{Journal, JournalId};
use crate::usage_log::{UsageLog, UsageLogError};

/// The most records in a transaction. A row of 1,000 costs the database half of what one of 250
/// costs it.
const BATCH: usize = 2048;
/// How long records gather before a batch that is not full is taken, unless somebody waits.
const GATHER: Duration = Duration::from_millis(100);
/// The first and the longest wait between attempts at a usage log that fails.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A nice value: a tenth of the weight of the threads that serve calls.
const PRIORITY: i32 = 10;

pub(super) struct Worker {
    reader: Reader,
    log: Arc<dyn UsageLog>,
    runtime: Handle,
    signals: Arc<Signals>,
    /// What the usage log has of the opening that is being read; `None` when it must be asked.
    known: Option<(JournalId, u64)>,
    trouble: Option<Trouble>,
    meters: Meters,
    journal: Arc<Journal>,
    // Last, so that it is dropped last: it tells `Writer::stop` that the journal is let go.
    applied: watch::Sender<u64>,
}

/// An episode of failures, logged once.
struct Trouble {
    since: Instant,
    wait: Duration,
}

/// The writer was told to stop, and cannot go on without more attempts.
struct GaveUp;

impl Worker {
    pub(super) fn new(
        journal: Arc<Journal>,
        log: Arc<dyn UsageLog>,
        runtime: Handle,
        signals: Arc<Signals>,
    ) -> (Self, watch::Receiver<u64>) {
        let reader = Reader::new(Arc::clone(journal.spool()));
        let (applied, receiver) = watch::channel(reader.next_seq() - 1);
        let meters = Meters::starting_at(journal.last_seq());
        let (known, trouble) = (None, None);
        let worker =
            Self { reader, log, runtime, signals, known, trouble, meters, journal, applied };
        (worker, receiver)
    }

    /// Moves records until told to stop, and then what is left.
    pub(super) fn run(mut self) {
        lower_priority();
        self.journal.spool().writer_bell.adopt();
        self.measure();
        while self.await_records() {
            if self.move_batch().is_err() {
                let left = self.lag();
                tracing::warn!(left, "records stay in the journal until the next start");
                break;
            }
        }
        self.measure();
    }

    /// Waits for records, and for more of them unless somebody waits; `false` when stopped.
    fn await_records(&self) -> bool {
        let bell = &self.journal.spool().writer_bell;
        while self.reader.ready() == 0 {
            if self.stopping() {
                return false;
            }
            bell.sleep_unless(|| self.reader.ready() > 0 || self.stopping(), None);
        }
        if self.reader.ready() < BATCH as u64 && !self.wanted() && !self.stopping() {
            bell.pause(GATHER);
        }
        true
    }

    fn move_batch(&mut self) -> Result<(), GaveUp> {
        let batch = loop {
            match self.reader.read(BATCH) {
                Ok(batch) => break batch,
                Err(error) => self.endure(&error)?,
            }
        };
        let Some(batch) = batch else { return Ok(()) };
        while let Err(error) = self.deliver(&batch) {
            self.endure(&error)?;
        }
        self.recover();
        self.journal.spool().release(batch.last_seq, batch.bytes);
        self.applied.send_replace(batch.last_seq);
        self.reader.reuse(batch);
        self.measure();
        Ok(())
    }

    /// Applies what the usage log does not have of `batch`.
    fn deliver(&mut self, batch: &Batch) -> Result<(), UsageLogError> {
        let run = batch.run.to_string();
        let applied = match self.known.take() {
            Some((known, applied)) if known == batch.run => applied,
            _ => self.ask(&run, batch)?,
        };
        let first_seq = batch.last_seq + 1 - batch.records.len() as u64;
        let have = usize::try_from((applied + 1).saturating_sub(first_seq)).unwrap_or(usize::MAX);
        if let Some(records @ [_, ..]) = batch.records.get(have..) {
            self.apply(&run, batch.last_seq, records)?;
        }
        self.known = Some((batch.run, applied.max(batch.last_seq)));
        Ok(())
    }

    fn ask(&self, run: &str, batch: &Batch) -> Result<u64, UsageLogError> {
        let applied = self.block_on(self.log.applied(run))?;
        let first_seq = batch.last_seq + 1 - batch.records.len() as u64;
        if applied > 0 && applied + 1 < first_seq {
            tracing::error!(
                journal = run,
                from = applied + 1,
                to = first_seq - 1,
                "these records are neither in the usage log nor in the journal; was the database \
                 restored from a backup?"
            );
        }
        Ok(applied)
    }

    fn apply(&self, run: &str, last: u64, records: &[CallRecord]) -> Result<(), UsageLogError> {
        self.block_on(self.log.apply(run, last, records)).map(drop)
    }

    /// A panic in there is a failure like any other: the thread must live to try again.
    fn block_on<T>(
        &self,
        future: impl Future<Output = Result<T, UsageLogError>>,
    ) -> Result<T, UsageLogError> {
        catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(future)))
            .unwrap_or_else(|_| Err(UsageLogError::unavailable("it panicked")))
    }

    /// Waits before the next attempt.
    fn endure(&mut self, error: &dyn Display) -> Result<(), GaveUp> {
        if self.stopping() {
            return Err(GaveUp);
        }
        let trouble = self.trouble.get_or_insert_with(|| {
            tracing::error!(%error, "records cannot be moved to the usage log; trying until they can");
            Trouble { since: Instant::now(), wait: RETRY.0 }
        });
        let until = Instant::now() + trouble.wait;
        trouble.wait = (trouble.wait * 2).min(RETRY.1);
        self.measure();
        while !self.stopping()
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            self.journal.spool().writer_bell.pause(left);
        }
        Ok(())
    }

    fn recover(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let after_s = trouble.since.elapsed().as_secs();
            tracing::info!(after_s, "records are moved to the usage log again");
        }
    }

    fn stopping(&self) -> bool {
        self.signals.stop.load(Ordering::SeqCst)
    }

    fn wanted(&self) -> bool {
        self.signals.wanted.load(Ordering::SeqCst) >= self.reader.next_seq()
    }

    fn lag(&self) -> u64 {
        (self.journal.last_seq() + 1).saturating_sub(self.reader.next_seq())
    }

    fn measure(&mut self) {
        let appended = self.journal.last_seq();
        let pending = (self.journal.unapplied_bytes(), self.lag());
        self.meters.report(appended, pending);
    }
}

/// For this thread only, which Linux takes for a process here. Without it calls are a little slower
/// while the journal is emptied.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, PRIORITY) {
        tracing::debug!(%error, "the writer keeps its priority");
    }
}
