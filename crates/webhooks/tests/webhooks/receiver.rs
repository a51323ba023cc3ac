//! A receiver that does what its path says, and remembers what it got.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request that came in whole.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    address: std::net::SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    /// Bytes of answers that were taken from it.
    taken: Arc<Mutex<u64>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = Self {
            address: listener.local_addr().expect("an address"),
            received: Arc::default(),
            taken: Arc::default(),
        };
        let own = receiver.clone();
        tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.serve(wire).await });
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("a lock").clone()
    }

    pub(crate) fn at(&self, path: &str) -> Vec<Received> {
        self.received().into_iter().filter(|request| request.path == path).collect()
    }

    pub(crate) fn taken(&self) -> u64 {
        *self.taken.lock().expect("a lock")
    }

    async fn serve(&self, mut wire: TcpStream) -> Option<()> {
        loop {
            let request = read(&mut wire).await?;
            let path = request.path.clone();
            self.received.lock().expect("a lock").push(request);
            match path.split('?').next().unwrap_or_default() {
                "/hang" => tokio::time::sleep(Duration::from_secs(3600)).await,
                "/trickle" => {
                    say(&mut wire, "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").await?;
                    loop {
                        say(&mut wire, "x").await?;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
                "/trickling-head" => {
                    say(&mut wire, "HTTP/1.1 200 OK\r\nx: ").await?;
                    loop {
                        say(&mut wire, "x").await?;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
                "/huge" => {
                    say(&mut wire, "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await?;
                    let piece = vec![b'x'; 64 * 1024];
                    for _ in 0..16_384 {
                        wire.write_all(&piece).await.ok()?;
                        *self.taken.lock().expect("a lock") += piece.len() as u64;
                    }
                }
                "/headers" => {
                    say(&mut wire, "HTTP/1.1 200 OK\r\n").await?;
                    for n in 0..100_000 {
                        say(&mut wire, &format!("x-{n}: y\r\n")).await?;
                    }
                }
                "/broken" => {
                    say(&mut wire, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await?;
                    return None;
                }
                "/no-http" => return say(&mut wire, "SSH-2.0-OpenSSH_9.2\r\n").await,
                "/close" => return None,
                "/429" => {
                    let head = "HTTP/1.1 429 Slow Down\r\nretry-after: 777\r\n";
                    say(&mut wire, &format!("{head}content-length: 0\r\n\r\n")).await?;
                }
                "/redirect" => {
                    let location = self.url("/secret-place");
                    let head = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\n");
                    say(&mut wire, &format!("{head}content-length: 0\r\n\r\n")).await?;
                }
                path => {
                    let status = path.trim_start_matches('/').parse().unwrap_or(200);
                    let answer = format!("HTTP/1.1 {status} Told\r\ncontent-length: 2\r\n\r\nok");
                    say(&mut wire, &answer).await?;
                }
            }
        }
    }
}

async fn say(wire: &mut TcpStream, text: &str) -> Option<()> {
    wire.write_all(text.as_bytes()).await.ok()
}

async fn read(wire: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("UTF-8");
            let path = head.split(' ').nth(1).expect("a path").to_owned();
            let mut request =
                Received { path, head, body: bytes[end + 4..].to_vec(), at: Instant::now() };
            let length: usize = request.header("content-length")?.parse().ok()?;
            if request.body.len() >= length {
                request.body.truncate(length);
                return Some(request);
            }
        }
        let mut piece = [0; 4096];
        match wire.read(&mut piece).await.ok()? {
            0 => return None,
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}
