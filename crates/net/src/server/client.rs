//! The other end of a connection: who it is, what it is at, and how long we wait for it.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    PeerAddr, ServerConfig,
    live::Ticket,
    phase::{LINGER, Phase},
};
use crate::alarm::Alarm;

/// What a connection has, whatever it speaks.
pub(super) struct Client {
    pub(super) peer: PeerAddr,
    pub(super) config: Arc<ServerConfig>,
    pub(super) phase: Arc<Phase>,
    ticket: Ticket,
    alarm: Alarm,
    /// The wait that the alarm is set for.
    timed: Option<u32>,
    registered: bool,
}

impl Client {
    pub(super) fn new(peer: SocketAddr, config: Arc<ServerConfig>, ticket: Ticket) -> Self {
        let waits = [config.header_timeout, config.keep_alive, config.write_timeout];
        let shortest = waits.into_iter().fold(LINGER, Duration::min);
        Self {
            peer: PeerAddr(peer),
            config,
            phase: Arc::default(),
            ticket,
            alarm: Alarm::new(shortest),
            timed: None,
            registered: false,
        }
    }

    /// Whether the server drains. The task is woken when that begins.
    pub(super) fn should_finish(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.registered {
            self.registered = true;
            self.ticket.register(cx.waker());
        }
        self.ticket.is_draining()
    }

    /// Ready when the client has kept us waiting for too long.
    pub(super) fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (turn, Some(limit)) = self.phase.wait(&self.config) else { return Poll::Pending };
        if self.timed != Some(turn) {
            self.timed = Some(turn);
            self.alarm.set(limit);
        }
        self.alarm.poll(cx)
    }

    /// Does what comes before the first request; `None` if the client takes too long over it, or
    /// the server drains.
    pub(super) async fn patiently<F: Future>(&mut self, step: F) -> Option<F::Output> {
        let mut step = pin!(step);
        poll_fn(|cx| {
            if self.should_finish(cx) {
                return Poll::Ready(None);
            }
            if let Poll::Ready(done) = step.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            ready!(self.poll_patience(cx));
            Poll::Ready(None)
        })
        .await
    }
}
