//! A connection that speaks HTTP/2.

use std::{
    error::Error, future::poll_fn, pin::pin, sync::Arc, task::Poll, task::ready, time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http2, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{client::Client, observed::Observed, stream_task::Spawner, streams::Streams};

/// Requests that a connection may have open at a time.
const STREAMS: u32 = 100;

/// Bytes of an answer that wait in memory for a client that reads slowly, besides the piece at
/// hand. A connection may hold as many for each of its streams.
const UNSENT: usize = 64 << 10;

/// How often a silent client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT: Duration = Duration::from_secs(20);

/// Serves a connection until it ends, breaks, or has kept us waiting for too long.
///
/// Windows are hyper's own: 1 MiB for a connection and all its streams together. So are the bounds
/// on streams that are opened only to be reset.
pub(super) async fn run<I, S, B>(io: I, service: S, mut client: Client)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // A request that nobody reads is reset by itself.
    client.phase.hurry();
    let streams = Streams::new(Arc::clone(&client.phase));
    let service = Observed::new(service, client.peer, Arc::clone(&streams));
    let max_head = u32::try_from(client.config.max_head).unwrap_or(u32::MAX);
    let mut connection = pin!(
        http2::Builder::new(Spawner { unread: client.config.write_timeout })
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(max_head)
            .max_send_buf_size(UNSENT)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WAIT)
            .serve_connection(TokioIo::new(io), service)
    );
    let mut finishing = false;
    poll_fn(|cx| {
        streams.register(cx.waker());
        let mut finish = client.should_finish(cx);
        loop {
            if finish && !finishing {
                finishing = true;
                // Nobody to say goodbye to yet.
                if client.phase.is_fresh() {
                    return Poll::Ready(());
                }
                streams.leave();
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a client's connection broke");
                }
                return Poll::Ready(());
            }
            ready!(client.poll_patience(cx));
            // An idle client is told, and given time to hang up; everybody else is cut off.
            if finishing || !client.phase.is_resting() {
                return Poll::Ready(());
            }
            finish = true;
        }
    })
    .await;
}
