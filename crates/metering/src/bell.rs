//! Wakes a thread that sleeps, and costs next to nothing while it does not.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// One thread sleeps by it, any thread rings it.
///
/// Ringing is one atomic load while the thread is awake, so it may be done for every call.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    asleep: AtomicBool,
    sleeper: OnceLock<Thread>,
}

impl Bell {
    /// Makes the calling thread the one that sleeps by this bell.
    pub(crate) fn adopt(&self) {
        drop(self.sleeper.set(thread::current()));
    }

    /// Wakes the thread if it sleeps. What it is woken for must be visible before (`SeqCst`).
    pub(crate) fn ring(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.interrupt();
        }
    }

    /// Ends a sleep or a [`pause`](Self::pause), at the price of a system call.
    pub(crate) fn interrupt(&self) {
        if let Some(sleeper) = self.sleeper.get() {
            sleeper.unpark();
        }
    }

    /// Sleeps until rung or until `limit` has passed, unless `ready` says that there is something
    /// to do. May return early.
    pub(crate) fn sleep_unless(&self, ready: impl FnOnce() -> bool, limit: Option<Duration>) {
        self.asleep.store(true, Ordering::SeqCst);
        if !ready() {
            match limit {
                Some(limit) => thread::park_timeout(limit),
                None => thread::park(),
            }
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Sleeps for `time` whoever rings; only [`interrupt`](Self::interrupt) ends it early.
    pub(crate) fn pause(&self, time: Duration) {
        thread::park_timeout(time);
    }
}
