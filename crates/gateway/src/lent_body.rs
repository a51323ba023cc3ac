//! An upload that comes back when the attempt that borrowed it has taken nothing of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use byok_net::{BodyError, BoxBody, SendBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// Where an upload lies between attempts.
type Home = Arc<Mutex<Option<BoxBody>>>;

/// A body that may be lent out, as long as nobody has taken a piece of it.
pub(crate) struct Lendable(Home);

impl Lendable {
    pub(crate) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(Arc::new(Mutex::new(Some(body.map_err(Into::into).boxed_unsync()))))
    }

    /// Whether it is here, whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Lends it; nothing is lent when it is not here.
    pub(crate) fn lend(&self) -> SendBody {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.map_or(SendBody::Empty, |body| {
            SendBody::stream(Lent { body: Some(body), home: Arc::clone(&self.0), taken: false })
        })
    }
}

struct Lent {
    body: Option<BoxBody>,
    home: Home,
    taken: bool,
}

impl Body for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        self.taken = true;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lent {
    /// The connection drops what it did not send; here is the only place that learns of it.
    fn drop(&mut self) {
        if !self.taken {
            *self.home.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn an_upload_comes_back_only_if_nothing_of_it_was_taken() {
        let upload = Lendable::new(Full::new(Bytes::from_static(b"file")));
        let lent = upload.lend();
        assert!(!upload.is_whole());
        drop(lent);
        assert!(upload.is_whole());
        let mut lent = upload.lend();
        assert!(lent.frame().await.is_some());
        drop(lent);
        assert!(!upload.is_whole());
    }
}
