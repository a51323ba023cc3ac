//! A scripted upstream on a loopback socket, and the shortest way to call it.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use byok_net::{
    Base, EgressPolicy, ReceiveBody, ReceiveError, Resolve, SendBody, SendError, Timeouts,
    TrustedUrl, Upstream, resolve::Lookup,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// An upstream that runs one script a connection, and counts the connections.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Fake {
    pub(crate) async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Wire) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::start_on("127.0.0.1", script).await
    }

    pub(crate) async fn start_on<F, R>(host: &str, script: F) -> Self
    where
        F: Fn(Wire) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((host, 0)).await.expect("loopback can be bound");
        Self::on(listener, script)
    }

    pub(crate) fn on<F, R>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Wire) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Wire { tcp, unread: Vec::new() }));
            }
        });
        Self { address, connections }
    }

    /// An upstream that gives the same answer to every request of a connection.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut wire| async move {
            while wire.request().await.is_some() {
                wire.write(answer).await;
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn base(&self) -> Base {
        trusted(&format!("http://{}", self.address))
    }
}

/// The upstream's end of a connection.
pub(crate) struct Wire {
    pub(crate) tcp: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    /// The head of the next request, or none if the other side has closed.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Some(String::from_utf8(head).expect("heads are ASCII"));
            }
            self.more().await?;
        }
    }

    /// The next request: its head, and its body if it has a length or is chunked.
    pub(crate) async fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if let Some(length) = length {
            let length: usize = length.parse().expect("a length is a number");
            while self.unread.len() < length {
                self.more().await?;
            }
            let body = self.unread.drain(..length).collect();
            return Some((head, body));
        }
        if head.contains("transfer-encoding: chunked") {
            let end = b"0\r\n\r\n";
            while !self.unread.ends_with(end) {
                self.more().await?;
            }
            return Some((head, std::mem::take(&mut self.unread)));
        }
        Some((head, Vec::new()))
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.tcp.read_buf(&mut self.unread).await.ok()?;
        (read > 0).then_some(())
    }

    pub(crate) async fn write(&mut self, text: &str) {
        let _ = self.tcp.write_all(text.as_bytes()).await;
    }

    /// Waits until the other side has closed or reset the connection.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_some() {}
    }
}

pub(crate) fn trusted(url: &str) -> Base {
    Base::Trusted(Arc::new(TrustedUrl::parse(url).expect("a good base URL")))
}

pub(crate) fn customer(policy: &EgressPolicy, project: &str, url: &str) -> Base {
    let url = policy.parse(url).expect("a permitted base URL");
    Base::Customer { project: project.into(), url: Arc::new(url) }
}

pub(crate) fn policy(blocks: &[&str]) -> EgressPolicy {
    EgressPolicy::new(blocks.iter().map(|block| block.parse().expect("a block")).collect())
}

pub(crate) fn upstream() -> Upstream {
    Upstream::new(EgressPolicy::default(), Timeouts::default()).expect("no extra roots")
}

/// Time-outs of the given milliseconds.
pub(crate) fn timeouts(connect: u64, first_byte: u64, idle: u64) -> Timeouts {
    Timeouts {
        connect: Duration::from_millis(connect),
        first_byte: Duration::from_millis(first_byte),
        idle: Duration::from_millis(idle),
    }
}

pub(crate) fn get(base: &Base, path: &str) -> Request<SendBody> {
    let uri = base.uri(path).expect("a good path");
    Request::get(uri).body(SendBody::Empty).expect("a good request")
}

pub(crate) fn post(base: &Base, path: &str, body: SendBody) -> Request<SendBody> {
    let uri = base.uri(path).expect("a good path");
    Request::post(uri).body(body).expect("a good request")
}

/// The whole body of an answer.
pub(crate) async fn text(answer: Response<ReceiveBody>) -> Result<String, ReceiveError> {
    let bytes: Bytes = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).expect("test bodies are UTF-8"))
}

/// Sends a GET and reads the whole answer.
pub(crate) async fn fetch(upstream: &Upstream, base: &Base) -> Result<String, SendError> {
    let answer = upstream.send(base, get(base, "/v1/models")).await?;
    Ok(text(answer).await.expect("a whole answer"))
}

/// Fails the test rather than hang it.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(10), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen within ten seconds"),
    }
}

/// A resolver that gives its answers in turn, the last one for ever, and counts the questions.
pub(crate) struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| {
            answer.iter().map(|address| address.parse().expect("an address")).collect()
        };
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        let mut asked = self.asked.lock().expect("not poisoned");
        let turn = asked.len().min(self.answers.len() - 1);
        asked.push(name.to_owned());
        let answer = self.answers[turn].clone();
        Box::pin(async move { io::Result::Ok(answer) })
    }
}
