//! The task of one HTTP/2 stream, and how long its answer may stay unread.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use pin_project_lite::pin_project;

use crate::alarm::Alarm;

thread_local! {
    /// What the service or the answer's body last said to the task that is being polled.
    static SAID: Cell<Said> = const { Cell::new(Said::Nothing) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Wait,
    Here,
}

/// Notes that the service or the answer's body was asked for more.
pub(super) fn asked<T>(found: &Poll<T>) {
    SAID.set(if found.is_pending() { Said::Wait } else { Said::Here });
}

/// Starts hyper's stream tasks.
#[derive(Clone)]
pub(super) struct Spawner {
    /// How long a client may leave an answer unread.
    pub(super) unread: Duration,
}

impl<F> Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(StreamTask { stream, limit: self.unread, alarm: None, unread: false });
    }
}

pin_project! {
    /// A stream is given up when its client takes nothing of an answer for too long. The socket
    /// does not show that: it goes on carrying the other streams.
    ///
    /// A task that waits has either just been told to wait by the service or the body, or has
    /// something at hand that the client's window has no room for.
    struct StreamTask<F> {
        #[pin]
        stream: F,
        limit: Duration,
        alarm: Option<Alarm>,
        unread: bool,
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        SAID.set(Said::Nothing);
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let said = SAID.get();
        if said == Said::Wait {
            *this.unread = false;
            return Poll::Pending;
        }
        let alarm = this.alarm.get_or_insert_with(|| Alarm::new(*this.limit));
        if !*this.unread || said == Said::Here {
            *this.unread = true;
            alarm.set(*this.limit);
        }
        alarm.poll(cx).map(|()| tracing::debug!("a client left its answer unread for too long"))
    }
}
