//! The service, told who calls, and watched for when each exchange begins and ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use pin_project_lite::pin_project;

use super::PeerAddr;

/// What a protocol keeps count of its exchanges with.
pub(super) trait Exchanges {
    /// Lives as long as the exchange: until the answer's body is dropped.
    type Exchange: Exchange;

    /// The service has a request.
    #[must_use]
    fn begin(&self) -> Self::Exchange;
}

/// One request and its answer.
pub(super) trait Exchange {
    /// The service or its answer's body was asked for more, and had it or not.
    fn asked<T>(_found: &Poll<T>) {}
}

/// The service of one connection.
pub(super) struct Observed<S, E> {
    service: S,
    peer: PeerAddr,
    exchanges: E,
}

impl<S, E> Observed<S, E> {
    pub(super) fn new(service: S, peer: PeerAddr, exchanges: E) -> Self {
        Self { service, peer, exchanges }
    }
}

impl<S, B, E> Service<Request<Incoming>> for Observed<S, E>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    E: Exchanges,
{
    type Response = Response<ObservedBody<B, E::Exchange>>;
    type Error = S::Error;
    type Future = ObservedAnswer<S::Future, E::Exchange>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let exchange = self.exchanges.begin();
        request.extensions_mut().insert(self.peer);
        ObservedAnswer { answer: self.service.call(request), exchange: Some(exchange) }
    }
}

pin_project! {
    /// An answer to come.
    pub(super) struct ObservedAnswer<F, E> {
        #[pin]
        answer: F,
        exchange: Option<E>,
    }
}

impl<F, B, E, X> Future for ObservedAnswer<F, X>
where
    F: Future<Output = Result<Response<B>, E>>,
    X: Exchange,
{
    type Output = Result<Response<ObservedBody<B, X>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = this.answer.poll(cx);
        X::asked(&answer);
        let answer = ready!(answer);
        let exchange = this.exchange.take();
        Poll::Ready(
            answer.map(|answer| answer.map(|body| ObservedBody { body, _exchange: exchange })),
        )
    }
}

pin_project! {
    /// An answer's body, whose end is the end of the exchange: hyper drops it once it is written.
    pub(super) struct ObservedBody<B, E> {
        #[pin]
        body: B,
        _exchange: Option<E>,
    }
}

impl<B: Body<Data = Bytes>, E: Exchange> Body for ObservedBody<B, E> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = self.project().body.poll_frame(cx);
        E::asked(&frame);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
