//! The body of an answer, relayed as it comes, with a limit on silence.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::pool::Lease;

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Nothing came for too long.
    #[error("the upstream fell silent within its answer")]
    Idle,
    /// The connection broke, or the framing did.
    #[error("the upstream's answer broke off")]
    Broken(#[source] hyper::Error),
}

/// The body of an upstream's answer.
///
/// Read to its end, it keeps the connection for the next call; dropped before, it closes it.
/// Only time spent waiting for the upstream counts as silence, not time in which nobody polls.
pub struct ReceiveBody {
    incoming: Incoming,
    /// None once the answer has ended, well or not.
    lease: Option<Lease>,
    /// Whether the alarm is set for a wait that began at an earlier poll.
    waiting: bool,
    idle: Duration,
}

impl ReceiveBody {
    pub(crate) fn new(incoming: Incoming, lease: Lease, idle: Duration) -> Self {
        let mut body = Self { incoming, lease: Some(lease), waiting: false, idle };
        if body.incoming.is_end_stream() {
            body.keep_connection();
        }
        body
    }

    fn keep_connection(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn fail(&mut self, error: ReceiveError) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        self.lease = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl fmt::Debug for ReceiveBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveBody").field("open", &self.lease.is_some()).finish_non_exhaustive()
    }
}

impl Body for ReceiveBody {
    type Data = Bytes;
    type Error = ReceiveError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let this = self.get_mut();
        let Some(lease) = &mut this.lease else { return Poll::Ready(None) };
        // What has been read already costs the connection no turn.
        let mut polled = Pin::new(&mut this.incoming).poll_frame(cx);
        if polled.is_pending() {
            lease.drive(cx);
            polled = Pin::new(&mut this.incoming).poll_frame(cx);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                if this.incoming.is_end_stream() {
                    lease.finish(cx);
                    this.keep_connection();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(ReceiveError::Broken(error)),
            Poll::Ready(None) => {
                this.keep_connection();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if !this.waiting {
                    this.waiting = true;
                    lease.start_waiting(this.idle);
                }
                match lease.poll_waited_too_long(cx) {
                    Poll::Ready(()) => this.fail(ReceiveError::Idle),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
