//! One client's connection, from its first byte to its last.

use std::{
    error::Error,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;

use super::{
    PeerAddr, ServerConfig,
    live::Ticket,
    phase::{Exchange, Phase, Watched},
};
use crate::alarm::Alarm;

/// Serves a connection until it ends, breaks, or has kept us waiting for too long.
pub(super) async fn run<S, B>(
    tcp: TcpStream,
    peer: SocketAddr,
    service: S,
    config: Arc<ServerConfig>,
    ticket: Ticket,
) where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let phase = Arc::new(Phase::default());
    let mut alarm =
        Alarm::new(config.header_timeout.min(config.keep_alive).min(config.write_timeout));
    let service = Observed { service, peer: PeerAddr(peer), phase: Arc::clone(&phase) };
    let io = TokioIo::new(Watched { tcp, phase: Arc::clone(&phase) });
    let mut connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(config.max_head)
            .serve_connection(io, service)
    );
    let mut registered = false;
    let mut finishing = false;
    let mut timed = None;
    poll_fn(|cx| {
        if !registered {
            registered = true;
            ticket.register(cx.waker());
        }
        if ticket.is_draining() && !finishing {
            finishing = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "a client's connection broke");
            }
            return Poll::Ready(());
        }
        let (turn, Some(limit)) = phase.wait(&config) else { return Poll::Pending };
        if timed != Some(turn) {
            timed = Some(turn);
            alarm.set(limit);
        }
        alarm.poll(cx)
    })
    .await;
}

/// The service, told who calls, and watched for when it begins and ends.
struct Observed<S> {
    service: S,
    peer: PeerAddr,
    phase: Arc<Phase>,
}

impl<S, B> Service<Request<Incoming>> for Observed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<ObservedBody<B>>;
    type Error = S::Error;
    type Future = ObservedAnswer<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.phase.begin();
        request.extensions_mut().insert(self.peer);
        ObservedAnswer {
            answer: self.service.call(request),
            exchange: Some(Exchange(Arc::clone(&self.phase))),
        }
    }
}

pin_project! {
    /// An answer to come.
    struct ObservedAnswer<F> {
        #[pin]
        answer: F,
        exchange: Option<Exchange>,
    }
}

impl<F, B, E> Future for ObservedAnswer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ObservedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        let exchange = this.exchange.take();
        Poll::Ready(
            answer.map(|answer| answer.map(|body| ObservedBody { body, _exchange: exchange })),
        )
    }
}

pin_project! {
    /// An answer's body, whose end is the end of the exchange: hyper drops it once it is written.
    struct ObservedBody<B> {
        #[pin]
        body: B,
        _exchange: Option<Exchange>,
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
