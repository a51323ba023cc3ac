//! A server that answers each connection with the next of its replies, whatever it is asked.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use byok_client::{Builder, Byok};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// One for all: each would read the operating system's certificates.
static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let byok = Byok::builder(KEY).base_url("http://localhost").build().expect("a client");
    byok.openai_compatible("c").expect("headers").http_client
});

pub(crate) const KEY: &str = "byo_sk_test_canary";

/// What is done with a connection, once its request has come.
pub(crate) enum Reply {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and nothing more; it is told when the client has left.
    Stall(Vec<u8>, oneshot::Sender<()>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// Method and path.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) struct Script {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Script {
    pub(crate) async fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        Self::on(listener, address, replies)
    }

    pub(crate) fn on(
        listener: TcpListener,
        address: String,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let replies: Vec<Reply> = replies.into_iter().collect();
        tokio::spawn(async move {
            for reply in replies {
                let Ok((connection, _)) = listener.accept().await else { return };
                tokio::spawn(serve(connection, reply, seen.clone()));
            }
            // Nobody listens any more.
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn builder(&self) -> Builder {
        builder(&self.url())
    }

    pub(crate) fn client(&self) -> Byok {
        self.builder().build().expect("a client")
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }

    pub(crate) fn only_request(&self) -> Request {
        let [request] = self.requests().try_into().expect("one request");
        request
    }
}

pub(crate) fn builder(url: &str) -> Builder {
    let patience = Duration::from_secs(20);
    Byok::builder(KEY)
        .base_url(url)
        .http_client(HTTP.clone())
        .timeout(patience)
        .call_timeout(patience)
}

async fn serve(mut connection: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<Request>>>) {
    let mut bytes = Vec::new();
    let request = loop {
        if let Some(request) = whole(&bytes) {
            break request;
        }
        let mut piece = [0; 4096];
        match connection.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    };
    seen.lock().expect("no panic").push(request);
    match reply {
        Reply::Bytes(bytes) => {
            // The client may have left, which is its good right.
            let _ = connection.write_all(&bytes).await;
            let _ = connection.shutdown().await;
        }
        Reply::Stall(bytes, left) => {
            let _ = connection.write_all(&bytes).await;
            let mut rest = [0; 64];
            while !matches!(connection.read(&mut rest).await, Ok(0) | Err(_)) {}
            let _ = left.send(());
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Request> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = Request { head: text(&bytes[..end]), body: text(&bytes[end + 4..]) };
    let length =
        request.header("content-length").map_or(0, |value| value.parse().expect("a length"));
    (bytes.len() - end - 4 >= length).then_some(request)
}

/// An answer with its length.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nx-request-id: req-1\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        head.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn json(body: &str) -> Reply {
    Reply::Bytes(answer("200 OK", &[], body))
}

pub(crate) fn refusal(status: &str, headers: &[(&str, &str)]) -> Reply {
    let body = r#"{"error":"some_code","message":"Do something.","requestId":"req-9"}"#;
    Reply::Bytes(answer(status, headers, body))
}

/// The answer to a call, in its envelope.
pub(crate) fn envelope(data: &str) -> Reply {
    let headers = [("x-byo-provider", "openai"), ("x-byo-key-source", "byok")];
    Reply::Bytes(answer("200 OK", &headers, &enveloped(data)))
}

pub(crate) fn enveloped(data: &str) -> String {
    format!(
        r#"{{"success":true,"statusCode":200,"provider":"openai","requestId":"req-1","keySource":"byok","data":{data},"usage":{{"inputTokens":3,"outputTokens":4,"totalTokens":7,"cacheReadTokens":1,"cacheWriteTokens":0,"reasoningTokens":2}},"costUsd":0.000706}}"#
    )
}
