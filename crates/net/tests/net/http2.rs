//! HTTP/2 without TLS: how it begins, and that its streams do not get into each other's way.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use crate::{
    support::soon,
    trial::{Client2, Trial, config, get2, piece, text, text1},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn start() -> Trial {
    Trial::start(config(None))
}

/// The types of the frames that the server sends until it closes.
async fn frames(tcp: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = soon("the close", tcp.read_to_end(&mut all)).await;
    let mut types = Vec::new();
    let mut rest = &all[..];
    while let [a, b, c, kind, ..] = rest {
        types.push(*kind);
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    types
}

#[tokio::test]
async fn both_protocols_are_served_on_one_port_and_tell_who_asks() {
    let trial = start();
    let tcp = trial.dial().await;
    let peer = tcp.local_addr().expect("an address");
    let client = Client2::over(tcp).await;
    for _ in 0..3 {
        assert_eq!(client.text("/").await, format!("HTTP/2.0 trial.example {peer}"));
    }
    let tcp = trial.dial().await;
    let peer = tcp.local_addr().expect("an address");
    assert_eq!(text1(tcp, "/").await, format!("HTTP/1.1 none {peer}"));
}

#[tokio::test]
async fn the_protocol_is_known_however_small_the_pieces_it_comes_in() {
    let trial = start();
    let mut tcp = trial.dial().await;
    for byte in [PREFACE, SETTINGS].concat() {
        tcp.write_all(&[byte]).await.expect("a write");
        sleep(Duration::from_millis(10)).await;
    }
    let mut head = [0; 9];
    soon("the settings", tcp.read_exact(&mut head)).await.expect("a frame");
    assert_eq!(head[3], 4, "{head:?}");
    for method in ["P", "PR", "PRO", "PUT", "POST"] {
        let mut tcp = trial.dial().await;
        let request = format!("{method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        for byte in request.bytes() {
            tcp.write_all(&[byte]).await.expect("a write");
            sleep(Duration::from_millis(5)).await;
        }
        let mut answer = String::new();
        soon("the close", tcp.read_to_string(&mut answer)).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_begins_and_asks_for_nothing_is_sent_away() {
    let trial = start();
    let settled = [PREFACE, SETTINGS].concat();
    for begun in [&PREFACE[..1], &PREFACE[..3], &PREFACE[..10], PREFACE, &settled] {
        let mut tcp = trial.dial().await;
        let started = Instant::now();
        tcp.write_all(begun).await.expect("a write");
        frames(&mut tcp).await;
        let after = started.elapsed().as_millis();
        assert!((600..3000).contains(&after), "{} bytes: {after}", begun.len());
    }
}

#[tokio::test]
async fn a_hundred_requests_share_a_connection() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let started = Instant::now();
    let answers = futures_util::future::join_all((0..100).map(|_| client.text("/pieces"))).await;
    assert!(answers.iter().all(|answer| *answer == "piece".repeat(20)));
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_body_is_received_whole() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let sent = "z".repeat(3 << 20);
    let request = Request::post("http://trial.example/echo").body(Full::from(sent.clone()));
    let answer = soon("an answer", client.send(request.expect("a good request"))).await;
    assert!(text(answer.expect("an answer")).await == sent);
}

#[tokio::test]
async fn an_answer_arrives_piece_by_piece() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let mut answer = client.get("/pieces").await.expect("an answer");
    let started = Instant::now();
    for number in 1..=5 {
        assert_eq!(piece(&mut answer).await.expect("more").expect("a piece"), "piece");
        let after = started.elapsed().as_millis();
        assert!(after < number * 100 + 600, "piece {number} came after {after} ms");
    }
}

#[tokio::test]
async fn a_reset_ends_what_the_service_does_for_that_stream_and_no_other() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let mut pieces = client.get("/pieces").await.expect("an answer");
    // Dropping what waits for an answer resets its stream.
    let hang = tokio::time::timeout(Duration::from_millis(300), client.get("/hang")).await;
    assert!(hang.is_err());
    trial.given_up(1).await;
    let mut flood = client.get("/flood").await.expect("an answer");
    piece(&mut flood).await.expect("more").expect("a piece");
    assert_eq!(trial.count_given_up(), 1);
    drop(flood);
    trial.given_up(2).await;
    piece(&mut pieces).await.expect("more").expect("a piece");
    assert!(client.text("/").await.starts_with("HTTP/2.0"));
}

#[tokio::test]
async fn a_lost_connection_ends_all_its_streams() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let _flood = client.get("/flood").await.expect("an answer");
    let hang = tokio::time::timeout(Duration::from_millis(300), client.get("/hang")).await;
    assert!(hang.is_err());
    client.connection.abort();
    trial.given_up(2).await;
}

#[tokio::test]
async fn an_answer_left_unread_is_given_up_and_the_others_go_on() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let started = Instant::now();
    let mut unread = client.get("/flood").await.expect("an answer");
    let pieces = client.text("/pieces").await;
    assert_eq!(pieces, "piece".repeat(20));
    assert_eq!(trial.count_given_up(), 1, "after {:?}", started.elapsed());
    while let Some(Ok(_)) = piece(&mut unread).await {}
    assert!(client.text("/").await.starts_with("HTTP/2.0"));
}

#[tokio::test]
async fn an_answer_read_slowly_is_not_given_up() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let mut flood = client.get("/flood").await.expect("an answer");
    for _ in 0..8 {
        let mut read = 0;
        // More than the client's window each time, so that it opens anew.
        while read < 4 << 20 {
            read += piece(&mut flood).await.expect("more").expect("a piece").len();
        }
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(trial.count_given_up(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_while_and_then_ended() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    client.text("/").await;
    sleep(Duration::from_millis(1500)).await;
    client.text("/").await;
    let idle = Instant::now();
    soon("the end", client.connection).await.expect("no panic");
    assert!((2000..6000).contains(&idle.elapsed().as_millis()), "{:?}", idle.elapsed());
}

#[tokio::test]
async fn a_connection_with_a_stream_open_is_not_idle() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let hang = tokio::time::timeout(Duration::from_millis(4500), client.get("/hang")).await;
    assert!(hang.is_err(), "{hang:?}");
    assert!(client.text("/").await.starts_with("HTTP/2.0"));
}

#[tokio::test]
async fn a_head_with_too_much_in_it_is_answered_with_431() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let mut request = get2("/");
    request.headers_mut().insert("a", "y".repeat(10_000).parse().expect("a value"));
    let answer = soon("an answer", client.send(request)).await.expect("an answer");
    assert_eq!(answer.status(), 431);
    assert!(client.text("/").await.starts_with("HTTP/2.0"));
}

#[tokio::test]
async fn a_panic_ends_its_stream_and_no_other() {
    let trial = start();
    let client = Client2::over(trial.dial().await).await;
    let mut pieces = client.get("/pieces").await.expect("an answer");
    assert!(soon("an end", client.get("/panic")).await.is_err());
    piece(&mut pieces).await.expect("more").expect("a piece");
    assert!(client.text("/").await.starts_with("HTTP/2.0"));
}

#[tokio::test]
async fn a_stop_finishes_open_streams_and_closes_idle_connections() {
    let trial = start();
    let busy = Client2::over(trial.dial().await).await;
    let mut pieces = busy.get("/pieces").await.expect("an answer");
    piece(&mut pieces).await.expect("more").expect("a piece");
    let idle = Client2::over(trial.dial().await).await;
    idle.text("/").await;
    trial.server.shutdown();
    let started = Instant::now();
    soon("the close", idle.connection).await.expect("no panic");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(text(pieces).await, "piece".repeat(19));
    assert!(busy.get("/").await.is_err(), "no new stream");
    soon("the close", busy.connection).await.expect("no panic");
    let joined = tokio::task::spawn_blocking(move || trial.server.join());
    soon("the end", joined).await.expect("no panic");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_react_to_a_stop_does_not_hold_it_up() {
    let trial = start();
    let mut tcp = trial.dial().await;
    // HEADERS of GET / with :scheme http and the authority x, in HPACK's static table.
    let request = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86, 0x41, 1, b'x'];
    tcp.write_all(&[PREFACE, SETTINGS, &request].concat()).await.expect("a write");
    sleep(Duration::from_millis(300)).await;
    trial.server.shutdown();
    let started = Instant::now();
    let seen = frames(&mut tcp).await;
    assert!(seen.contains(&1) && seen.contains(&7), "an answer and GOAWAY: {seen:?}");
    let after = started.elapsed().as_millis();
    assert!((900..4000).contains(&after), "{after}");
}
