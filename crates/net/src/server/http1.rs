//! A connection that speaks HTTP/1.1.

use std::{error::Error, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    client::Client,
    observed::{Exchange, Exchanges, Observed},
    phase::{Busy, Phase},
};

/// Serves a connection until it ends, breaks, or has kept us waiting for too long.
pub(super) async fn run<I, S, B>(io: I, service: S, mut client: Client)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = Observed::new(service, client.peer, Arc::clone(&client.phase));
    let mut connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(client.config.max_head)
            .serve_connection(TokioIo::new(io), service)
    );
    let mut finishing = false;
    poll_fn(|cx| {
        if client.should_finish(cx) && !finishing {
            finishing = true;
            client.phase.hurry();
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "a client's connection broke");
            }
            return Poll::Ready(());
        }
        client.poll_patience(cx)
    })
    .await;
}

/// One exchange at a time: the connection's phase is all there is to know.
impl Exchanges for Arc<Phase> {
    type Exchange = Busy;

    fn begin(&self) -> Busy {
        self.serve();
        Busy(Self::clone(self))
    }
}

impl Exchange for Busy {}
