//! A request, written as it goes out.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::{Live, Reply};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request on a connection of its own.
#[derive(Clone)]
pub(crate) struct Request {
    address: SocketAddr,
    method: &'static str,
    target: String,
    key: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(address: SocketAddr, method: &'static str, target: &str, key: &str) -> Self {
        Self {
            address,
            method,
            target: target.to_owned(),
            key: Some(key.to_owned()),
            headers: Vec::new(),
            body: None,
        }
    }

    /// With this token instead of the project's secret key.
    pub(crate) fn key(mut self, token: &str) -> Self {
        self.key = Some(token.to_owned());
        self
    }

    /// Without a token.
    pub(crate) fn anonymous(mut self) -> Self {
        self.key = None;
        self
    }

    /// For a customer, on the drop-in routes.
    pub(crate) fn by(self, ref_id: &str) -> Self {
        self.header("x-byo-ref-id", ref_id)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        if content_type.is_empty() { self } else { self.header("content-type", content_type) }
    }

    /// The head up to what frames the body, without the blank line.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: byok\r\n", self.method, self.target);
        if let Some(key) = &self.key {
            head.push_str(&format!("authorization: Bearer {key}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    /// The whole request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = self
            .body
            .as_ref()
            .map_or_else(String::new, |body| format!("content-length: {}\r\n", body.len()));
        let head = format!("{}{length}connection: close\r\n\r\n", self.head());
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }

    /// A connection to the server, nothing sent yet.
    pub(crate) fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time above zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time above zero");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    /// Sends it; the answer has not been waited for.
    pub(crate) fn begin(&self) -> TcpStream {
        let mut stream = self.dial();
        stream.write_all(&self.bytes()).expect("the server reads");
        stream
    }

    /// Sends it and waits for the head of the answer.
    pub(crate) fn open(&self) -> Live {
        Live::read(self.begin())
    }

    /// Sends it and reads the whole answer, or what there is of it.
    pub(crate) fn send(&self) -> Reply {
        self.open().rest()
    }
}
