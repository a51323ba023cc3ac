//! The promise of durability for one record, and those who wait for it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::JournalError;

/// Resolves when its record is durable; a future that may be polled wherever the caller lives.
///
/// Dropping it changes nothing about the record.
#[derive(Debug)]
#[must_use = "the record is not durable before the receipt resolves"]
pub struct Receipt(State);

#[derive(Debug)]
enum State {
    Durable,
    Waiting { seq: u64, progress: Arc<Progress>, registered: Option<Waker> },
}

impl Receipt {
    pub(crate) const fn durable_at_once() -> Self {
        Self(State::Durable)
    }

    pub(crate) const fn waiting(seq: u64, progress: Arc<Progress>) -> Self {
        Self(State::Waiting { seq, progress, registered: None })
    }

    /// Whether the record is known to be durable.
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            State::Durable => true,
            State::Waiting { seq, progress, .. } => progress.acked() >= *seq,
        }
    }

    /// Waits until the record is durable.
    ///
    /// # Errors
    /// [`JournalError::NotDurable`] when the disk did not confirm it: whoever waits must then not
    /// act as if the record were kept. (It may be, if the disk comes back.)
    pub async fn durable(self) -> Result<(), JournalError> {
        self.await
    }
}

impl Future for Receipt {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Durable => Poll::Ready(Ok(())),
            State::Waiting { seq, progress, registered } => progress.poll(*seq, registered, cx),
        }
    }
}

/// How far the journal is durable.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    acked: AtomicU64,
    failed: AtomicU64,
    waiting: Mutex<Vec<(u64, Waker)>>,
}

impl Progress {
    pub(crate) fn starting_at(seq: u64) -> Self {
        Self { acked: AtomicU64::new(seq), ..Self::default() }
    }

    /// The last record that is durable.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::SeqCst)
    }

    /// Everything through `seq` is durable.
    pub(crate) fn acknowledge(&self, seq: u64) {
        self.acked.fetch_max(seq, Ordering::SeqCst);
        self.wake(seq);
    }

    /// Everything through `seq` that is not durable has failed to be.
    pub(crate) fn fail(&self, seq: u64) {
        self.failed.fetch_max(seq, Ordering::SeqCst);
        self.wake(seq);
    }

    fn outcome(&self, seq: u64) -> Option<Result<(), JournalError>> {
        if self.acked() >= seq {
            Some(Ok(()))
        } else if self.failed.load(Ordering::SeqCst) >= seq {
            Some(Err(JournalError::NotDurable))
        } else {
            None
        }
    }

    fn poll(
        &self,
        seq: u64,
        registered: &mut Option<Waker>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), JournalError>> {
        if let Some(outcome) = self.outcome(seq) {
            return Poll::Ready(outcome);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Again, under the lock: `wake` may just have passed by.
        if let Some(outcome) = self.outcome(seq) {
            return Poll::Ready(outcome);
        }
        if !registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            waiting.push((seq, cx.waker().clone()));
            *registered = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wake(&self, through: u64) {
        let woken: Vec<_> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extract_if(.., |(seq, _)| *seq <= through).collect()
        };
        for (_, waker) in woken {
            waker.wake();
        }
    }
}
