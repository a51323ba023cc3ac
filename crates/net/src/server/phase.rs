//! What a connection is doing, and for how long it may.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::ServerConfig;

/// No byte has come yet.
const FRESH: u8 = 0;
/// The last answer is done; waiting for the next request.
const IDLE: u8 = 1;
/// Within the head of a request.
const HEAD: u8 = 2;
/// The service has the request.
const BUSY: u8 = 3;
/// No stream is open. Unlike [`IDLE`] it does not end with the next byte, which may be a ping.
const RESTING: u8 = 4;
/// The same, and the client has been told to go.
const LEAVING: u8 = 5;
/// Nothing more is written; what the client still sends is read to its end.
const LINGERING: u8 = 6;

/// How long a client may go on sending what nobody wants. One whose connection is closed before it
/// has sent everything gets an error from its own system, and not the answer.
pub(super) const LINGER: Duration = Duration::from_secs(30);

/// How often it is read from in one turn.
const READS: u32 = 16;

/// Shared by the socket, the service and the task of one connection. They all run on one thread,
/// so the atomics are plain memory; they are here because the task's type must be `Send`.
///
/// hyper has a timer for heads, but it allocates one a request and cannot tell a slow head from
/// an idle connection.
#[derive(Default)]
pub(super) struct Phase {
    step: AtomicU8,
    /// The client does not take what we write.
    stuck: AtomicBool,
    /// Nobody's request is to be read any further.
    hurried: AtomicBool,
    /// Counts the waits, so that the task sees when a new one has begun.
    turn: AtomicU32,
}

impl Phase {
    /// The number of the present wait, and its limit if it has one.
    pub(super) fn wait(&self, config: &ServerConfig) -> (u32, Option<Duration>) {
        let limit = match self.step.load(Relaxed) {
            _ if self.stuck.load(Relaxed) => Some(config.write_timeout),
            IDLE | RESTING => Some(config.keep_alive),
            LEAVING => Some(config.write_timeout),
            LINGERING => Some(LINGER),
            BUSY => None,
            _ => Some(config.header_timeout),
        };
        (self.turn.load(Relaxed), limit)
    }

    /// TLS stands; the wait for the first request begins.
    pub(super) fn shook_hands(&self) {
        self.enter(FRESH);
    }

    /// Whether nothing has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.step.load(Relaxed) == FRESH
    }

    /// The service has the request.
    pub(super) fn serve(&self) {
        self.enter(BUSY);
    }

    /// The last open stream has ended.
    pub(super) fn rest(&self) {
        self.enter(RESTING);
    }

    /// No stream is open, and the client has been told to open no more.
    pub(super) fn leave(&self) {
        self.enter(LEAVING);
    }

    /// From now on the connection closes without lingering.
    pub(super) fn hurry(&self) {
        self.hurried.store(true, Relaxed);
    }

    /// Whether streams have been open, none is now, and the client takes what we write.
    pub(super) fn is_resting(&self) -> bool {
        self.step.load(Relaxed) == RESTING && !self.stuck.load(Relaxed)
    }

    fn enter(&self, step: u8) {
        self.step.store(step, Relaxed);
        self.turn();
    }

    fn turn(&self) {
        self.turn.store(self.turn.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn saw_bytes(&self) {
        match self.step.load(Relaxed) {
            // The wait goes on: a client may not double its time by sending one byte.
            FRESH => self.step.store(HEAD, Relaxed),
            IDLE => {
                self.step.store(HEAD, Relaxed);
                self.turn();
            }
            _ => {}
        }
    }

    fn saw_write<T>(&self, written: &Poll<T>) {
        let stuck = written.is_pending();
        if self.stuck.load(Relaxed) != stuck {
            self.stuck.store(stuck, Relaxed);
            self.turn();
        }
    }
}

/// Marks the end of an answer when it is dropped, together with the answer's body.
pub(super) struct Busy(pub(super) Arc<Phase>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(IDLE);
    }
}

/// A client's socket that notes what passes.
pub(super) struct Watched {
    pub(super) tcp: TcpStream,
    pub(super) phase: Arc<Phase>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.phase.saw_bytes();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.phase.saw_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.phase.saw_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.step.load(Relaxed) != LINGERING {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            self.phase.enter(LINGERING);
        }
        let mut unwanted = [MaybeUninit::uninit(); 4096];
        for _ in 0..READS {
            if self.phase.hurried.load(Relaxed) {
                return Poll::Ready(Ok(()));
            }
            let mut unwanted = ReadBuf::uninit(&mut unwanted);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut unwanted))?;
            if unwanted.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        // The others have their turn, and the clock: one that sends without end is not read for ever.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
