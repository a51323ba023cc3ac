//! One client's connection: read a request, do what the answer says, notice when the client goes.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::answer::{Cut, Mark};
use super::compile::Step;
use super::request::Seen;
use super::script::Shared;
use crate::wire::{self, ChunkDecoder, Framing};

/// What a client that keeps sending while it is answered may send ahead.
const PIPELINED_LIMIT: usize = 1 << 20;

/// How long a peer gets to close its side after a FIN; dropping the socket at once could turn
/// the FIN into an RST.
const LINGER: Duration = Duration::from_secs(2);

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its last byte was written.
    Complete,
    /// Cut as scripted.
    Cut(Cut),
    /// The client closed, or reset, the connection first.
    ClientLeft {
        /// Bytes of head and body that had been written by then.
        after_bytes: u64,
    },
}

pub(super) async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    loop {
        // An accept fails when the client has gone already; the next may well not.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let number = shared.note(|log| {
                log.open += 1;
                log.accepted += 1;
                log.accepted
            });
            // Broken connections are what this is for; what a test wants to know is in the log.
            let _ = Connection::new(stream, number, &shared).run().await;
            shared.note(|log| log.open -= 1);
        });
    }
}

struct Connection<'a> {
    stream: TcpStream,
    buffer: BytesMut,
    number: u64,
    shared: &'a Shared,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, number: u64, shared: &'a Shared) -> Self {
        Self { stream, buffer: BytesMut::new(), number, shared }
    }

    async fn run(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        if self.shared.script().read_rate.is_some() {
            SockRef::from(&self.stream).set_recv_buffer_size(4096)?;
        }
        while let Some(request) = self.request().await? {
            let answer = self.shared.answer(&request);
            let keep = wire::keeps_alive(&request.head);
            let steps = answer.steps(request.method == "HEAD");
            self.shared.note(|log| log.requests.push(request));
            let ending = self.send(steps).await;
            self.shared.note(|log| log.endings.push(ending));
            match ending {
                Ending::Complete if keep => {}
                Ending::Complete | Ending::Cut(Cut::Finish) => return self.finish().await,
                Ending::Cut(Cut::Reset) => {
                    return SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                }
                Ending::ClientLeft { .. } => return Ok(()),
            }
        }
        Ok(())
    }

    /// The next request; `None` when the client closed instead of sending one.
    async fn request(&mut self) -> io::Result<Option<Seen>> {
        let length = loop {
            if let Some(length) = wire::head_length(&self.buffer) {
                break length;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = self.buffer.split_to(length).freeze();
        let framing = wire::framing(&head);
        let mut request = Seen::new(self.number, head, framing);
        if request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = BytesMut::new();
        let read = self.body(framing, &mut body).await;
        request.body = body.freeze();
        if read.is_err() {
            self.shared.note(|log| log.broken.push(request));
            return Ok(None);
        }
        Ok(Some(request))
    }

    async fn body(&mut self, framing: Framing, body: &mut BytesMut) -> io::Result<()> {
        match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => {
                let length = usize::try_from(length).map_err(io::Error::other)?;
                loop {
                    let missing = length - body.len();
                    body.extend_from_slice(&self.buffer.split_to(missing.min(self.buffer.len())));
                    if body.len() == length {
                        return Ok(());
                    }
                    self.more().await?;
                }
            }
            Framing::Chunked => {
                let mut decoder = ChunkDecoder::default();
                loop {
                    let used = decoder
                        .decode(&self.buffer, |run| body.extend_from_slice(run))
                        .map_err(io::Error::other)?;
                    let _ = self.buffer.split_to(used);
                    if decoder.is_done() {
                        return Ok(());
                    }
                    self.more().await?;
                }
            }
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let rate = self.shared.script().read_rate;
        let read = if let Some(rate) = rate {
            let mut small = [0; 1024];
            let read = self.stream.read(&mut small).await?;
            self.buffer.extend_from_slice(&small[..read]);
            sleep(Duration::from_secs_f64(read as f64 / f64::from(rate.max(1)))).await;
            read
        } else {
            self.stream.read_buf(&mut self.buffer).await?
        };
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    async fn send(&mut self, steps: Vec<Step>) -> Ending {
        let (mut reader, mut writer) = self.stream.split();
        let mut written = 0;
        for step in steps {
            if let Step::Close(cut) = step {
                return Ending::Cut(cut);
            }
            let done = tokio::select! {
                // An answer that can still be written is: only waiting is cut short.
                biased;
                done = perform(step, &mut writer, &mut written) => done.is_ok(),
                () = client_leaves(&mut reader, &mut self.buffer) => false,
            };
            if !done {
                return Ending::ClientLeft { after_bytes: written };
            }
        }
        Ending::Complete
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut rest = [0; 4096];
        let drained = timeout(LINGER, async {
            while self.stream.read(&mut rest).await? > 0 {}
            Ok(())
        });
        drained.await.unwrap_or(Ok(()))
    }
}

async fn perform(step: Step, writer: &mut WriteHalf<'_>, written: &mut u64) -> io::Result<()> {
    match step {
        Step::Send(bytes) => write(writer, bytes, written).await,
        Step::Fill { byte, length } => {
            let block = Bytes::from(vec![byte; 64 << 10]);
            let mut left = length;
            while left > 0 {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
                write(writer, block.slice(..take), written).await?;
                left -= take as u64;
            }
            Ok(())
        }
        Step::Wait(Mark::Pause(pause)) => {
            sleep(pause).await;
            Ok(())
        }
        Step::Wait(Mark::Hold(gate)) => {
            gate.passed().await;
            Ok(())
        }
        Step::Wait(Mark::Stall | Mark::Cut(_)) | Step::Close(_) => pending().await,
    }
}

async fn write(writer: &mut WriteHalf<'_>, mut bytes: Bytes, written: &mut u64) -> io::Result<()> {
    while !bytes.is_empty() {
        *written += writer.write_buf(&mut bytes).await? as u64;
    }
    Ok(())
}

/// Returns when the client has closed its side or the connection broke; keeps what it sends ahead.
async fn client_leaves(reader: &mut ReadHalf<'_>, buffer: &mut BytesMut) {
    while buffer.len() < PIPELINED_LIMIT {
        match reader.read_buf(buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    pending().await
}
