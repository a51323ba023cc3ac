//! The listener: whom it serves, whom it sends away, and whom it stops waiting for.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};

use byok_net::{PeerAddr, Server, ServerConfig, TimedBody, serve};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::support::soon;

static BIG: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 64 << 20]));

/// Answers `/big` with 64 MiB, panics at `/panic`, waits at `/slow`, reads the body at `/read`,
/// and tells everybody else who they are.
pub(crate) async fn service(
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let peer = request.extensions().get::<PeerAddr>().expect("a peer").0;
    let body = match request.uri().path() {
        "/big" => BIG.clone(),
        "/panic" => panic!("a service may fail"),
        "/slow" => {
            sleep(Duration::from_millis(1500)).await;
            Bytes::from_static(b"slow")
        }
        "/read" => {
            let body = TimedBody::new(request.into_body(), Duration::from_millis(1000));
            match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => Bytes::from(error.to_string()),
            }
        }
        _ => Bytes::from(peer.to_string()),
    };
    Ok(Response::new(Full::new(body)))
}

#[tokio::test]
async fn a_client_that_is_answered_before_it_has_sent_everything_gets_the_answer() {
    let server = serve(config(1), service_fn(service)).expect("a server");
    let mut tcp = connect(&server).await;
    let body = vec![b'x'; 16 << 20];
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    tcp.write_all(head.as_bytes()).await.expect("a write");
    // The answer is there long before this is over.
    soon("all that it has to send", tcp.write_all(&body)).await.expect("all is taken");
    let mut answer = Vec::new();
    soon("the close", tcp.read_to_end(&mut answer)).await.expect("a clean end");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    drop(tcp);

    // One that never ends does not hold up the end of the server.
    let mut tcp = connect(&server).await;
    tcp.write_all(head.as_bytes()).await.expect("a write");
    let mut first = [0; 15];
    soon("the answer", tcp.read_exact(&mut first)).await.expect("an answer");
    let began = Instant::now();
    server.shutdown();
    soon("the end", tokio::task::spawn_blocking(|| server.join())).await.expect("no panic");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

pub(crate) fn config(threads: usize) -> ServerConfig {
    ServerConfig {
        threads,
        header_timeout: Duration::from_millis(600),
        keep_alive: Duration::from_millis(4000),
        write_timeout: Duration::from_millis(1000),
        max_head: 8192,
        drain: Duration::from_secs(5),
        ..ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

fn start() -> Server {
    serve(config(1), service_fn(service)).expect("a server")
}

pub(crate) async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.local_addr()).await.expect("a connection")
}

/// Everything the server sends until it closes.
async fn rest(tcp: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = soon("the close", tcp.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer with a length, leaving the connection open.
pub(crate) async fn answer(tcp: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_some_and(|length| length.parse() == Ok(body.len())) {
                return text;
            }
        }
        let read = soon("an answer", tcp.read_buf(&mut all)).await.expect("a read");
        assert!(read > 0, "the server closed after {text:?}");
    }
}

pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn requests_on_one_connection_are_served_in_turn_and_know_their_peer() {
    let server = start();
    let mut tcp = connect(&server).await;
    let own = tcp.local_addr().expect("an address").to_string();
    for _ in 0..3 {
        tcp.write_all(GET).await.expect("a write");
        assert!(answer(&mut tcp).await.ends_with(&own));
    }
    tcp.write_all(&GET.repeat(3)).await.expect("a write");
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("a write");
    assert_eq!(rest(&mut tcp).await.matches(&own).count(), 4);
}

#[tokio::test]
async fn every_thread_listens_on_the_one_port() {
    for threads in [0, 1, 4] {
        let names = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
        let seen = std::sync::Arc::clone(&names);
        let service = service_fn(move |_: Request<Incoming>| {
            let name = std::thread::current().name().expect("a name").to_owned();
            seen.lock().expect("not poisoned").insert(name);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        });
        let server = serve(config(threads), service).expect("a server");
        for _ in 0..100 {
            let mut tcp = connect(&server).await;
            tcp.write_all(GET).await.expect("a write");
            answer(&mut tcp).await;
        }
        assert_eq!(names.lock().expect("not poisoned").len(), threads.max(1));
        server.shutdown();
        server.join();
    }
}

#[tokio::test]
async fn one_thread_refuses_a_port_that_is_taken() {
    let server = start();
    let taken = ServerConfig { listen: server.local_addr(), ..config(1) };
    let again = serve(taken, service_fn(service));
    assert_eq!(again.err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
}

/// Sends, waits for the close, and says after how many milliseconds it came, and with what.
async fn closed_after(server: &Server, pieces: &[&[u8]], pause: u64) -> (u128, String) {
    let mut tcp = connect(server).await;
    let started = Instant::now();
    for piece in pieces {
        if tcp.write_all(piece).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(pause)).await;
    }
    let rest = rest(&mut tcp).await;
    (started.elapsed().as_millis(), rest)
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_sent_away() {
    let server = start();
    let drip: Vec<&[u8]> = GET.chunks(1).collect();
    for (what, pieces, pause) in
        [("silent", vec![], 0), ("half a head", vec![&GET[..20]], 0), ("drip", drip, 100)]
    {
        let (after, sent) = closed_after(&server, &pieces, pause).await;
        assert!((450..8000).contains(&after), "{what}: {after}");
        assert_eq!(sent, "", "{what}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_kept_longer_than_a_head_may_take() {
    let server = start();
    let mut tcp = connect(&server).await;
    tcp.write_all(GET).await.expect("a write");
    answer(&mut tcp).await;
    sleep(Duration::from_millis(1500)).await;
    tcp.write_all(GET).await.expect("a write");
    answer(&mut tcp).await;
    let idle = Instant::now();
    assert_eq!(rest(&mut tcp).await, "");
    assert!((3500..8000).contains(&idle.elapsed().as_millis()), "{:?}", idle.elapsed());
}

#[tokio::test]
async fn a_second_head_may_not_take_longer_than_the_first() {
    let server = start();
    let mut tcp = connect(&server).await;
    tcp.write_all(GET).await.expect("a write");
    answer(&mut tcp).await;
    sleep(Duration::from_millis(600)).await;
    tcp.write_all(&GET[..10]).await.expect("a write");
    let begun = Instant::now();
    rest(&mut tcp).await;
    assert!((500..2800).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_service_may_take_longer_than_any_head() {
    let server = start();
    let mut tcp = connect(&server).await;
    tcp.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
    assert!(answer(&mut tcp).await.ends_with("slow"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up_and_one_that_reads_slowly_is_not() {
    let server = start();
    let mut tcp = connect(&server).await;
    tcp.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
    sleep(Duration::from_millis(2500)).await;
    let got = rest(&mut tcp).await.len();
    assert!(got < 64 << 20, "{got}");

    let mut tcp = connect(&server).await;
    tcp.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("a write");
    let mut got = 0;
    let mut buffer = vec![0; 4 << 20];
    let mut pauses = 8;
    loop {
        let read = soon("a read", tcp.read(&mut buffer)).await.expect("a read");
        if read == 0 {
            break;
        }
        got += read;
        if pauses > 0 {
            pauses -= 1;
            sleep(Duration::from_millis(200)).await;
        }
    }
    assert!(got > 64 << 20, "{got}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_an_error_of_the_body() {
    let server = start();
    let mut tcp = connect(&server).await;
    tcp.write_all(b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab")
        .await
        .expect("a write");
    assert!(answer(&mut tcp).await.ends_with("the body fell silent"));
    let mut tcp = connect(&server).await;
    tcp.write_all(b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n")
        .await
        .expect("a write");
    for piece in [b"ab", b"cd", b"ef", b"gh"] {
        sleep(Duration::from_millis(400)).await;
        tcp.write_all(piece).await.expect("a write");
    }
    assert!(answer(&mut tcp).await.ends_with("abcdefgh"));
}

#[tokio::test]
async fn a_head_with_too_much_in_it_is_answered_with_431() {
    let server = start();
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "y".repeat(10_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    let endless = format!("GET / HTTP/1.1\r\na: {}", "y".repeat(300_000));
    for head in [long, many, endless] {
        let mut tcp = connect(&server).await;
        let _ = tcp.write_all(head.as_bytes()).await;
        let mut start = [0; 12];
        soon("an answer", tcp.read_exact(&mut start)).await.expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 431", "{:.40}", head);
    }
    let uri = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(9_000));
    let (_, sent) = closed_after(&server, &[uri.as_bytes()], 0).await;
    assert!(sent.starts_with("HTTP/1.1 4"), "{sent}");
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_no_other() {
    let server = start();
    let mut bystander = connect(&server).await;
    bystander.write_all(GET).await.expect("a write");
    answer(&mut bystander).await;
    for _ in 0..3 {
        let (_, sent) =
            closed_after(&server, &[b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n"], 0).await;
        assert_eq!(sent, "");
    }
    bystander.write_all(GET).await.expect("a write");
    answer(&mut bystander).await;
}

#[tokio::test]
async fn requests_whose_end_is_in_doubt_are_refused_and_their_connection_closed() {
    let server = start();
    for head in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: 5, 5, 6",
        "content-length : 5",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: xchunked",
        "transfer-encoding : chunked",
        "a b: c",
        "a: b\r\n folded: c",
        "a: b\0",
    ] {
        let raw =
            format!("POST / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
        let (_, sent) = closed_after(&server, &[raw.as_bytes()], 0).await;
        assert!(sent.starts_with("HTTP/1.1 400"), "{head}: {sent}");
        assert_eq!(sent.matches("HTTP/1.1").count(), 1, "{head}: {sent}");
    }
}
