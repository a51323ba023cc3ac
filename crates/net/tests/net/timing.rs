//! How long we wait, for what, and what does not count as waiting.

use std::time::{Duration, Instant};

use byok_net::{EgressPolicy, ReceiveError, SendBody, SendError, Upstream};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};

use crate::support::{Fake, get, post, soon, text, timeouts, trusted};

fn client(connect: u64, first_byte: u64, idle: u64) -> Upstream {
    Upstream::new(EgressPolicy::default(), timeouts(connect, first_byte, idle)).expect("a client")
}

/// An upstream that sends what it is told, then waits, and tells when it is left.
async fn stalling(sent: &'static str) -> (Fake, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut wire| {
        let tell = tell.clone();
        async move {
            wire.request().await;
            wire.write(sent).await;
            wire.closed().await;
            let _ = tell.send(());
        }
    })
    .await;
    (fake, told)
}

#[tokio::test]
async fn a_host_that_never_completes_tls_is_a_connect_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = trusted(&format!("https://{}", listener.local_addr().expect("an address")));
    let started = Instant::now();
    let sent = soon("the time-out", client(300, 5000, 5000).send(&base, get(&base, "/"))).await;
    assert!(matches!(sent, Err(SendError::Timeout { sent: false })));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_a_time_out_and_closes_the_connection() {
    for sent in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let (fake, mut told) = stalling(sent).await;
        let base = fake.base();
        let started = Instant::now();
        let sent = soon("the time-out", client(5000, 300, 200).send(&base, get(&base, "/"))).await;
        assert!(matches!(sent, Err(SendError::Timeout { sent: true })));
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(4), "{took:?}");
        soon("the close", told.recv()).await;
    }
}

#[tokio::test]
async fn silence_within_an_answer_is_an_error_and_closes_the_connection() {
    let (fake, mut told) =
        stalling("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
    let (base, upstream) = (fake.base(), client(5000, 5000, 300));
    let mut body = upstream.send(&base, get(&base, "/")).await.expect("an answer").into_body();
    assert!(body.frame().await.expect("a frame").is_ok());
    let started = Instant::now();
    let end = soon("the time-out", body.frame()).await.expect("an error");
    assert!(matches!(end, Err(ReceiveError::Idle)));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(4), "{took:?}");
    soon("the close", told.recv()).await;
    assert!(body.frame().await.is_none(), "an error is the end");
}

#[tokio::test]
async fn a_slow_answer_may_take_any_time_if_it_keeps_moving() {
    let fake = Fake::start(|mut wire| async move {
        while wire.request().await.is_some() {
            sleep(Duration::from_millis(300)).await;
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
            for _ in 0..10 {
                sleep(Duration::from_millis(200)).await;
                wire.write("x").await;
            }
        }
    })
    .await;
    let (base, upstream) = (fake.base(), client(5000, 1500, 1000));
    for _ in 0..2 {
        let answer = upstream.send(&base, get(&base, "/")).await.expect("an answer");
        assert_eq!(text(answer).await.expect("a body"), "xxxxxxxxxx");
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_reader_that_pauses_is_not_an_upstream_that_is_silent() {
    let fake = Fake::start(|mut wire| async move {
        wire.request().await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await;
        sleep(Duration::from_millis(1800)).await;
        wire.write("cd").await;
        wire.closed().await;
    })
    .await;
    let (base, upstream) = (fake.base(), client(5000, 5000, 1000));
    let mut body = upstream.send(&base, get(&base, "/")).await.expect("an answer").into_body();
    assert!(body.frame().await.expect("a frame").is_ok());
    sleep(Duration::from_millis(1500)).await;
    assert!(body.frame().await.expect("a frame").is_ok());
}

#[tokio::test]
async fn the_wait_for_an_answer_begins_when_the_upload_has_ended() {
    let fake = Fake::start(|mut wire| async move {
        wire.request().await;
        sleep(Duration::from_millis(200)).await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let (base, upstream) = (fake.base(), client(5000, 1000, 5000));
    let pieces = futures_util::stream::unfold(0, |sent| async move {
        sleep(Duration::from_millis(250)).await;
        (sent < 8)
            .then(|| (Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"x"))), sent + 1))
    });
    let body = SendBody::stream(StreamBody::new(pieces));
    let answer = upstream.send(&base, post(&base, "/", body)).await.expect("an answer");
    assert_eq!(text(answer).await.expect("a body"), "ok");
}

#[tokio::test]
async fn an_upload_that_stops_is_a_time_out() {
    let (fake, mut told) = stalling("").await;
    let (base, upstream) = (fake.base(), client(5000, 300, 5000));
    use futures_util::StreamExt;
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data("x".into()))]);
    let body = SendBody::stream(StreamBody::new(first.chain(futures_util::stream::pending())));
    let sent = soon("the time-out", upstream.send(&base, post(&base, "/", body))).await;
    assert!(matches!(sent, Err(SendError::Timeout { sent: true })));
    soon("the close", told.recv()).await;
}
