//! The bodies of answers on the hot routes.

use std::pin::Pin;
use std::task::{Context, Poll};

use byok_gateway::{AnswerBody, AnswerError};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::envelope::EnvelopeBody;

/// A body on its way to the caller of a hot route, or of any route when the two are served by one
/// service.
pub enum CallBodyOut {
    /// The provider's bytes.
    Relayed(AnswerBody),
    /// The provider's bytes inside the envelope.
    Enveloped(EnvelopeBody),
    /// An answer of our own.
    Own(axum::body::Body),
}

impl CallBodyOut {
    pub(super) fn text(bytes: Bytes) -> Self {
        Self::Own(axum::body::Body::from(bytes))
    }
}

impl Body for CallBodyOut {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match &mut *self {
            Self::Relayed(body) => Pin::new(body).poll_frame(cx),
            Self::Enveloped(body) => Pin::new(body).poll_frame(cx),
            Self::Own(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Relayed(body) => body.is_end_stream(),
            Self::Enveloped(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Relayed(body) => body.size_hint(),
            Self::Enveloped(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}
