//! The open streams of one HTTP/2 connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Poll, Waker},
};

use futures_util::task::AtomicWaker;

use super::{
    observed::{Exchange, Exchanges},
    phase::Phase,
    stream_task,
};

/// Counts a connection's streams: it is idle when there are none.
///
/// Streams run in tasks of their own on the connection's thread, so the atomics are plain memory
/// here too.
pub(super) struct Streams {
    phase: Arc<Phase>,
    open: AtomicU32,
    leaving: AtomicBool,
    connection: AtomicWaker,
}

impl Streams {
    pub(super) fn new(phase: Arc<Phase>) -> Arc<Self> {
        Arc::new(Self {
            phase,
            open: AtomicU32::new(0),
            leaving: AtomicBool::new(false),
            connection: AtomicWaker::new(),
        })
    }

    /// Whom to wake when the last stream has ended.
    pub(super) fn register(&self, waker: &Waker) {
        self.connection.register(waker);
    }

    /// The client has been told to open no more.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Relaxed);
        if self.open.load(Relaxed) == 0 {
            self.phase.leave();
        }
    }

    fn end(&self) {
        if self.open.fetch_sub(1, Relaxed) > 1 {
            return;
        }
        if self.leaving.load(Relaxed) {
            self.phase.leave();
        } else {
            self.phase.rest();
        }
        self.connection.wake();
    }
}

impl Exchanges for Arc<Streams> {
    type Exchange = Open;

    fn begin(&self) -> Open {
        if self.open.fetch_add(1, Relaxed) == 0 {
            self.phase.serve();
        }
        Open(Self::clone(self))
    }
}

/// A stream whose request the service has, and whose answer has not ended.
pub(super) struct Open(Arc<Streams>);

impl Exchange for Open {
    fn asked<T>(found: &Poll<T>) {
        stream_task::asked(found);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.end();
    }
}
