//! A body that may not fall silent for too long.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::alarm::Alarm;

/// Why a [`TimedBody`] ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimedBodyError<E> {
    /// Nothing came for too long.
    #[error("the body fell silent")]
    Idle,
    /// The body itself failed.
    #[error("the body broke off")]
    Broken(#[source] E),
}

pin_project! {
    /// Wraps a request's body as the server hands it out: a client that announces a body and then
    /// sends nothing, or a byte now and then, must not hold a call for ever.
    ///
    /// Only time spent waiting counts, not time in which nobody polls. The timer is made at the
    /// first wait, so a body that is all there costs nothing.
    pub struct TimedBody<B> {
        #[pin]
        body: B,
        limit: Duration,
        alarm: Option<Alarm>,
        waiting: bool,
        failed: bool,
    }
}

impl<B> TimedBody<B> {
    /// Allows each wait for a piece of `body` to take as long as `limit`.
    pub fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, alarm: None, waiting: false, failed: false }
    }
}

impl<B: Body> Body for TimedBody<B> {
    type Data = B::Data;
    type Error = TimedBodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = self.project();
        if *this.failed {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            *this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(TimedBodyError::Broken)));
        }
        let alarm = this.alarm.get_or_insert_with(|| Alarm::new(*this.limit));
        if !*this.waiting {
            *this.waiting = true;
            alarm.set(*this.limit);
        }
        alarm.poll(cx).map(|()| {
            *this.failed = true;
            Some(Err(TimedBodyError::Idle))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
