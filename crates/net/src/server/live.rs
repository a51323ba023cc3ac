//! The connections of one thread that are open, so that a drain can reach and await them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use tokio::sync::Notify;

/// Who is open, and whether they should finish.
///
/// A connection looks at one flag each time it is polled; it registers its waker once, because a
/// task's waker does not change. Awaiting a broadcast instead would take a lock at every poll.
#[derive(Default)]
pub(super) struct Live {
    draining: AtomicBool,
    open: Mutex<Open>,
    gone: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    wakers: HashMap<u64, Option<Waker>>,
}

impl Live {
    /// Counts a new connection until the ticket is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Ticket {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.wakers.insert(number, None);
        Ticket { live: Arc::clone(self), number }
    }

    /// Asks every connection to finish, and waits until the last one has.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let wakers: Vec<Waker> = self.open().wakers.values().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
        while !self.open().wakers.is_empty() {
            self.gone.notified().await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among the live ones.
pub(super) struct Ticket {
    live: Arc<Live>,
    number: u64,
}

impl Ticket {
    /// Where to wake this connection when the drain begins.
    pub(super) fn register(&self, waker: &Waker) {
        self.live.open().wakers.insert(self.number, Some(waker.clone()));
    }

    pub(super) fn is_draining(&self) -> bool {
        self.live.draining.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.live.open().wakers.remove(&self.number);
        self.live.gone.notify_one();
    }
}
