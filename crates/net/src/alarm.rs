//! A deadline that moves often and a timer that moves seldom.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for the whole life of a connection.
///
/// Setting a deadline writes a field; the timer stays where it is in the runtime's wheel, rings
/// now and then, and is moved only then. Registering and cancelling a timer for every wait would
/// take the wheel's lock four times a call.
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Who is woken when the timer rings.
    sleeper: Option<Waker>,
    deadline: Instant,
    longest_nap: Duration,
}

impl Alarm {
    /// `longest_nap` is the shortest wait that will be asked for: the timer is never set further
    /// ahead, so that a nearer deadline never has to move it.
    pub(crate) fn new(longest_nap: Duration) -> Self {
        let first = Instant::now() + longest_nap;
        Self { sleep: Box::pin(sleep_until(first)), sleeper: None, deadline: first, longest_nap }
    }

    /// Sets the deadline to this far from now, which is no less than the longest nap.
    pub(crate) fn set(&mut self, wait: Duration) {
        debug_assert!(wait >= self.longest_nap);
        self.deadline = Instant::now() + wait;
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waits = self.sleeper.as_ref().is_some_and(|sleeper| sleeper.will_wake(cx.waker()));
        if waits && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            self.sleeper = Some(cx.waker().clone());
            ready!(self.sleep.as_mut().poll(cx));
            self.sleeper = None;
            let now = Instant::now();
            if now >= self.deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.deadline.min(now + self.longest_nap));
        }
    }
}
