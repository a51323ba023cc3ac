//! What happens to whom when the server is told to end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant},
};

use byok_net::{Server, ServerConfig, serve};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{body::Incoming, service::service_fn};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::soon;

/// A service that answers with as many pieces as the path says, one every 100 ms.
fn start(drain: Duration) -> Server {
    let service = service_fn(|request: Request<Incoming>| async move {
        let pieces: u32 = request.uri().path()[1..].parse().expect("a number");
        let body = futures_util::stream::unfold(pieces, |left| async move {
            if left == 0 {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"piece"))), left - 1))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(body)))
    });
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    serve(ServerConfig { threads: 2, drain, ..ServerConfig::new(listen) }, service)
        .expect("a server")
}

async fn ask(server: &Server, pieces: u32) -> TcpStream {
    let mut tcp = TcpStream::connect(server.local_addr()).await.expect("a connection");
    let request = format!("GET /{pieces} HTTP/1.1\r\nhost: x\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.expect("a write");
    tcp
}

async fn rest(mut tcp: TcpStream) -> String {
    let mut all = Vec::new();
    let _ = soon("the close", tcp.read_to_end(&mut all)).await;
    String::from_utf8(all).expect("ASCII")
}

async fn ended(server: Server) -> Duration {
    let started = Instant::now();
    let joined = tokio::task::spawn_blocking(move || server.join());
    soon("the end", joined).await.expect("no panic");
    started.elapsed()
}

#[tokio::test]
async fn live_answers_are_finished_idle_connections_closed_and_new_ones_refused() {
    let server = start(Duration::from_secs(20));
    let address = server.local_addr();
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(ask(&server, 40).await);
    }
    let mut idle = ask(&server, 1).await;
    let fresh = TcpStream::connect(address).await.expect("a connection");
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).await.expect("an answer") > 0);

    server.shutdown();
    let started = Instant::now();
    rest(fresh).await;
    rest(idle).await;
    assert!(started.elapsed() < Duration::from_millis(2000), "idle ones close at once");
    soon("the end of listening", async {
        // A thread that was not scheduled yet listens a moment longer.
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for stream in streams {
        let answer = rest(stream).await;
        assert_eq!(answer.matches("piece").count(), 40);
        assert!(answer.ends_with("0\r\n\r\n"));
    }
    assert!(ended(server).await < Duration::from_secs(5), "nothing is left to wait for");
}

#[tokio::test]
async fn what_outlives_the_drain_is_cut_and_not_ended_cleanly() {
    let server = start(Duration::from_millis(500));
    let stream = ask(&server, 10_000).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.shutdown();
    let took = ended(server).await;
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(3), "{took:?}");
    let answer = rest(stream).await;
    assert!(answer.contains("piece") && !answer.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_server_with_nothing_to_do_ends_at_once() {
    let server = start(Duration::from_secs(60));
    server.shutdown();
    server.shutdown();
    assert!(ended(server).await < Duration::from_secs(1));
}
