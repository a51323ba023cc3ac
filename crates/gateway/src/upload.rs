//! A request body on its way through: counted, and read for its model.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::multipart::FieldScan;

/// What is learned of a body while it is sent.
#[derive(Default)]
pub(crate) struct Learned {
    model: OnceLock<Arc<str>>,
    too_large: AtomicBool,
}

impl Learned {
    pub(crate) fn model(&self) -> Option<Arc<str>> {
        self.model.get().cloned()
    }

    pub(crate) fn too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Error)]
#[error("the body is longer than allowed")]
struct TooLarge;

/// Passes a body on, frame by frame.
pub(crate) struct Upload<B> {
    body: B,
    left: u64,
    scan: Option<FieldScan>,
    learned: Arc<Learned>,
}

impl<B> Upload<B> {
    pub(crate) fn new(body: B, limit: u64, scan: Option<FieldScan>) -> (Self, Arc<Learned>) {
        let learned = Arc::new(Learned::default());
        (Self { body, left: limit, scan, learned: Arc::clone(&learned) }, learned)
    }

    fn learn(&mut self, data: &Bytes) {
        let Some(scan) = &mut self.scan else { return };
        scan.push(data);
        if let Some(model) = scan.value() {
            let _ = self.learned.model.set(model.into());
            self.scan = None;
        }
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        // Trailers would be framing of the caller's own: they do not go on.
        let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
        let Some(left) = self.left.checked_sub(data.len() as u64) else {
            self.learned.too_large.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(TooLarge.into())));
        };
        self.left = left;
        self.learn(&data);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
