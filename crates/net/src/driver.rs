//! What moves a connection's bytes: the call that uses it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::{send_body::Outgoing, stream::Stream};

/// hyper's half of a connection that reads and writes.
pub(crate) type Wire = http1::Connection<TokioIo<Stream>, Outgoing>;

/// Moves a connection's bytes when the call that uses it is polled. A task of its own for each
/// connection would be woken for every piece of every answer, only to wake the call.
///
/// Dropping it closes the socket. (Dropping the sender alone would let hyper finish what it writes
/// first: a provider would bill for an answer nobody reads any more.)
pub(crate) enum Driver {
    /// Moved by whoever polls it.
    Lent(Pin<Box<Wire>>),
    /// Moved by a task, until its exchange is over and the connection is used again.
    Alone { _task: Task },
    /// The connection is closed.
    Closed,
}

impl Driver {
    pub(crate) fn new(wire: Wire) -> Self {
        Self::Lent(Box::pin(wire))
    }

    /// Moves what can be moved. What came of it is told by the sender's side.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Self::Lent(wire) = self
            && let Poll::Ready(_) = wire.as_mut().poll(cx)
        {
            *self = Self::Closed;
        }
    }

    /// Goes on in a task: nobody will poll it for a while, and it is not done.
    pub(crate) fn go_on_alone(&mut self) {
        if let Self::Lent(wire) = std::mem::replace(self, Self::Closed) {
            let task = tokio::spawn(async move {
                let _ = wire.await;
            });
            *self = Self::Alone { _task: Task(task.abort_handle()) };
        }
    }
}

/// A task that ends with whoever holds this.
pub(crate) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
