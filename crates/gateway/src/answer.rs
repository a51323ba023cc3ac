//! What comes back of a call.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use byok_domain::routing::FallbackReason;
use byok_domain::{ErrorClass, KeySource, RequestId};
use byok_metering::meter::Summary;
use byok_metering::tap::{Tap, TapError};
use byok_net::{ReceiveBody, ReceiveError};
use byok_providers::HideUsageChunk;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::drain;
use crate::masking::Masking;
use crate::prefixed::Prefixed;

/// The provider's answer, on its way to the caller.
pub struct Answer {
    /// The call.
    pub id: RequestId,
    /// The provider's name in the API.
    pub provider: &'static str,
    /// Who paid.
    pub source: KeySource,
    /// Why credits paid, although the customer's own key goes first.
    pub fallback: Option<FallbackReason>,
    /// The provider's status.
    pub status: StatusCode,
    /// The provider's headers, as far as they are passed on.
    pub headers: HeaderMap,
    /// Whether the body is JSON.
    pub is_json: bool,
    /// Set when the provider refused.
    pub refusal: Option<Refusal>,
    /// The body.
    pub body: AnswerBody,
}

/// What a provider's refusal means.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Its class.
    pub class: ErrorClass,
    /// A sentence for a person.
    pub explanation: String,
}

/// Why an answer ended before its end. The caller's connection is broken off, so that no client
/// takes a part for the whole.
pub type AnswerError = Box<dyn Error + Send + Sync>;

/// The body of an [`Answer`]: the provider's bytes.
pub struct AnswerBody(Kind);

#[expect(
    clippy::large_enum_variant,
    reason = "one of them lives for each call, and a box would be an allocation for each"
)]
enum Kind {
    /// There already, and recorded.
    Whole(Bytes, Summary),
    /// Passing through.
    Relayed(Box<Relay>),
}

struct Relay {
    tap: Tap<Prefixed<ReceiveBody>>,
    hide: Option<HideUsageChunk>,
    mask: Masking,
    /// Why it breaks off, once all that came before is on its way.
    broken: Option<AnswerError>,
    over: bool,
    /// Whether it is read on for its usage when the caller leaves.
    drains: bool,
}

impl AnswerBody {
    /// A body that is there already.
    pub fn whole(bytes: Bytes) -> Self {
        Self::recorded(bytes, Summary::default())
    }

    /// A body that is there already, and what its call used and cost.
    pub fn recorded(bytes: Bytes, summary: Summary) -> Self {
        Self(Kind::Whole(bytes, summary))
    }

    pub(crate) fn relayed(
        tap: Tap<Prefixed<ReceiveBody>>,
        hide: Option<HideUsageChunk>,
        mask: Masking,
        drains: bool,
    ) -> Self {
        let (broken, over) = (None, false);
        Self(Kind::Relayed(Box::new(Relay { tap, hide, mask, broken, over, drains })))
    }

    /// What the call used and cost; known once the body has ended.
    pub fn summary(&self) -> Summary {
        match &self.0 {
            Kind::Whole(_, summary) => *summary,
            Kind::Relayed(relay) => relay.tap.summary(),
        }
    }

    /// Gives the body up: it has turned out to be no answer, and is not passed on any further.
    pub fn give_up(&mut self) {
        if let Kind::Relayed(relay) = &mut self.0 {
            relay.tap.give_up();
        }
    }

    /// The whole body, when it is there already.
    pub fn as_whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes, _) => Some(bytes),
            Kind::Relayed(_) => None,
        }
    }
}

impl Relay {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if let Some(error) = self.broken.take() {
                self.over = true;
                return Poll::Ready(Some(Err(error)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let rest = match ready!(Pin::new(&mut self.tap).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.pass(data),
                    // Trailers are headers, and none of them is on the list.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    // An error makes the server drop the connection with all that it has not
                    // written yet, at worst the answer's head: while it waits it writes.
                    self.broken = Some(broken(error));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => {
                    self.over = true;
                    self.last()
                }
            };
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(rest))));
            }
        }
    }

    fn pass(&mut self, data: Bytes) -> Bytes {
        let shown = match &mut self.hide {
            Some(hide) => hide.push(data),
            None => data,
        };
        self.mask.push(shown)
    }

    /// What was held back.
    fn last(&mut self) -> Bytes {
        let hidden = self.hide.as_mut().map(HideUsageChunk::finish).unwrap_or_default();
        let masked = self.mask.push(hidden);
        let open = self.mask.finish();
        if open.is_empty() { masked } else { [masked, open].concat().into() }
    }

    fn is_over(&self) -> bool {
        let nothing_held = self.hide.is_none() && !self.mask.holds() && self.broken.is_none();
        self.over || (nothing_held && self.tap.is_end_stream())
    }
}

fn broken(error: TapError<ReceiveError>) -> AnswerError {
    Box::new(error)
}

impl Drop for AnswerBody {
    /// The caller left, if the answer is not over.
    fn drop(&mut self) {
        if matches!(&self.0, Kind::Relayed(relay) if relay.drains && relay.tap.is_flowing())
            && let Kind::Relayed(relay) =
                std::mem::replace(&mut self.0, Kind::Whole(Bytes::new(), Summary::default()))
        {
            drain::begin(relay.tap);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match &mut self.0 {
            Kind::Whole(bytes, _) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes, _) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Relayed(relay) => relay.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes, _) => bytes.is_empty(),
            Kind::Relayed(relay) => relay.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Relayed(relay) if relay.hide.is_some() || relay.mask.holds() => {
                SizeHint::default()
            }
            Kind::Relayed(relay) => relay.tap.size_hint(),
        }
    }
}
