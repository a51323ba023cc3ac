//! The body of an outgoing request.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

/// What may go wrong in a streamed body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed body whose type is of no interest.
pub type BoxBody = UnsyncBoxBody<Bytes, BodyError>;

/// The body of an outgoing request: nothing, one piece, or a stream.
#[derive(Debug, Default)]
pub enum SendBody {
    /// No body.
    #[default]
    Empty,
    /// The whole body at once; sent with its length.
    Full(Bytes),
    /// A body that arrives while it is sent; chunked unless it knows its exact length.
    Stream(BoxBody),
}

impl SendBody {
    /// Boxes a streamed body.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self::Stream(body.map_err(Into::into).boxed_unsync())
    }
}

impl From<Bytes> for SendBody {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A body on the wire, which tells that it moves: the wait for an answer's first byte counts from
/// the last piece of the question, and a large upload may take its time.
pub(crate) struct Outgoing {
    body: SendBody,
    moved: Option<Upload>,
}

/// Shared with the caller who waits for the answer.
#[derive(Clone)]
pub(crate) struct Upload(Arc<AtomicBool>);

impl Upload {
    /// Whether a piece was taken since the last time this was asked.
    pub(crate) fn moved(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Outgoing {
    pub(crate) fn new(body: SendBody) -> (Self, Option<Upload>) {
        let moved = match body {
            SendBody::Stream(_) => Some(Upload(Arc::new(AtomicBool::new(false)))),
            SendBody::Empty | SendBody::Full(_) => None,
        };
        (Self { body, moved: moved.clone() }, moved)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Upload(moved)) = &this.moved {
            moved.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
