//! An OpenAI-shaped provider on a free loopback port, for tests of what real providers do too
//! rarely: lie, stall, cut off, redirect, answer nonsense.
//!
//! It lives on a thread and a runtime of its own, so that a test which blocks cannot stall it, and
//! is gone, with all its connections, when it is dropped.

mod answer;
mod aws_events;
mod compile;
mod connection;
mod faults;
mod gate;
mod gzip;
mod openai;
mod request;
mod script;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use answer::{Answer, Cut};
pub use aws_events::{aws_event, aws_exception};
pub use connection::Ending;
pub use faults::{echoing_authorization, failures_with_status_200, malformed};
pub use gate::Gate;
pub use openai::{COMPLETION_TOKENS, PROMPT_TOKENS};
pub use request::Seen;

use script::Shared;
use tokio::sync::oneshot;

/// The provider. Without a script it answers every route of OpenAI's that the server forwards,
/// correctly and with usage.
///
/// What answers a request, first match wins: what [`answer_next`](Self::answer_next) queued; a 401
/// if [`accept_only`](Self::accept_only) was called and the key is not among them; the latest
/// [`answer_at`](Self::answer_at) or [`answer_with`](Self::answer_with) whose path fits; OpenAI's
/// own kind of answer.
#[derive(Debug)]
pub struct FakeProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeProvider {
    /// Starts one on a free port of 127.0.0.1; it accepts connections when this returns.
    ///
    /// # Errors
    /// The port could not be bound or the thread not started.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("fake-provider".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = connection::accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL as OpenAI's clients want it: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on only these keys are valid; all others get OpenAI's 401.
    pub fn accept_only<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) {
        self.shared.script().keys = Some(keys.into_iter().map(Into::into).collect());
    }

    /// Answers the next request that nothing queued before it takes, whatever it asks.
    pub fn answer_next(&self, answer: Answer) {
        self.shared.script().next.push_back(answer);
    }

    /// Answers every request whose path, without its query, ends in `path` (`""`: every request).
    pub fn answer_at(&self, path: &str, answer: Answer) {
        self.answer_with(path, move |_| answer.clone());
    }

    /// As [`answer_at`](Self::answer_at), with an answer that depends on the request.
    pub fn answer_with(
        &self,
        path: &str,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) {
        self.shared.script().rules.push((path.to_owned(), Arc::new(answer)));
    }

    /// Forgets every script and key; requests stay recorded.
    pub fn behave(&self) {
        *self.shared.script() = script::Script::default();
    }

    /// Takes request bodies at `bytes_per_second` only (`None`: as fast as they come), with a
    /// receive buffer of a few kilobytes on connections made after this call.
    pub fn read_slowly(&self, bytes_per_second: Option<u32>) {
        self.shared.script().read_rate = bytes_per_second;
    }

    /// Every request so far, complete ones only, in order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.log().requests.clone()
    }

    /// As [`requests`](Self::requests), and forgets them.
    pub fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.log().requests)
    }

    /// Requests whose sender left before their body was complete, with the part that came.
    pub fn broken_requests(&self) -> Vec<Seen> {
        self.shared.log().broken.clone()
    }

    /// How each answer ended, in that order.
    pub fn endings(&self) -> Vec<Ending> {
        self.shared.log().endings.clone()
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.log().open
    }

    /// Connections accepted so far.
    pub fn accepted_connections(&self) -> u64 {
        self.shared.log().accepted
    }

    /// Answers during which the client closed its connection.
    pub fn clients_left(&self) -> usize {
        self.endings().iter().filter(|e| matches!(e, Ending::ClientLeft { .. })).count()
    }

    /// Waits until `condition` holds, looking again whenever something happens here; `false` when
    /// it still did not after `within`.
    pub async fn eventually(&self, within: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let mut changes = self.shared.changes();
        let watch = async {
            loop {
                changes.mark_unchanged();
                if condition(self) {
                    return true;
                }
                if changes.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(within, watch).await.unwrap_or_else(|_| condition(self))
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed already, and a second one here would abort the test run.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
