//! TLS on the listener: what is agreed on, whom it waits for, and how its certificate changes.

use std::time::{Duration, Instant};

use byok_net::{Identity, InvalidIdentity};
use rustls::{HandshakeKind, SupportedProtocolVersion};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use crate::{
    support::soon,
    trial::{Client2, Pair, Trial, config, piece, text, text1},
};

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn start() -> (Pair, Trial) {
    let pair = Pair::new();
    let trial = Trial::start(config(Some(pair.identity())));
    (pair, trial)
}

#[tokio::test]
async fn the_protocol_is_the_one_agreed_on() {
    let (pair, trial) = start();
    for versions in [TLS12, TLS13] {
        for (offered, spoken) in [
            (&["h2", "http/1.1"][..], "HTTP/2.0 trial.example"),
            (&["http/1.1", "h2"], "HTTP/2.0 trial.example"),
            (&["h2"], "HTTP/2.0 trial.example"),
            (&["http/1.1"], "HTTP/1.1 none"),
            (&[], "HTTP/1.1 none"),
        ] {
            let tls = trial.dial_tls(pair.client(versions, offered)).await.expect("a handshake");
            let answer = match spoken.starts_with("HTTP/2") {
                true => Client2::over(tls).await.text("/").await,
                false => text1(tls, "/").await,
            };
            assert!(answer.starts_with(spoken), "{offered:?}: {answer}");
        }
        let strange = trial.dial_tls(pair.client(versions, &["ftp"])).await;
        assert!(strange.is_err());
    }
}

#[tokio::test]
async fn sessions_are_resumed() {
    let (pair, trial) = start();
    for versions in [TLS12, TLS13] {
        let client = pair.client(versions, &["http/1.1"]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut tls = trial.dial_tls(client.clone()).await.expect("a handshake");
            let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            tls.write_all(request).await.expect("a write");
            let mut answer = String::new();
            tls.read_to_string(&mut answer).await.expect("an end that is told");
            assert!(answer.contains("HTTP/1.1 none"), "{answer}");
            assert_eq!(tls.get_ref().1.handshake_kind(), Some(expected));
        }
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_is_dropped_and_holds_nobody_up() {
    let (pair, trial) = start();
    let hello = [22, 3, 1, 2, 0, 1, 0, 1];
    for begun in [&[][..], &hello[..1], &hello] {
        let mut stalled = trial.dial().await;
        let started = Instant::now();
        stalled.write_all(begun).await.expect("a write");
        let tls = trial.dial_tls(pair.client(TLS13, &["h2"])).await.expect("a handshake");
        assert!(Client2::over(tls).await.text("/").await.starts_with("HTTP/2.0"));
        assert!(started.elapsed() < Duration::from_millis(700), "{:?}", started.elapsed());
        let mut rest = Vec::new();
        let _ = soon("the close", stalled.read_to_end(&mut rest)).await;
        let after = started.elapsed().as_millis();
        assert!((600..3000).contains(&after), "{} bytes: {after}", begun.len());
    }
}

#[tokio::test]
async fn a_handshake_that_drips_gets_no_more_time() {
    let (_, trial) = start();
    let mut tcp = trial.dial().await;
    let started = Instant::now();
    // A ClientHello of 512 bytes begins, and goes on byte by byte.
    for byte in [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].into_iter().chain([0; 40]) {
        if tcp.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let mut rest = Vec::new();
    let _ = soon("the close", tcp.read_to_end(&mut rest)).await;
    // Writing on after the close fails at the second byte.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_client_that_shakes_hands_and_asks_for_nothing_is_sent_away() {
    let (pair, trial) = start();
    for protocol in ["h2", "http/1.1"] {
        let started = Instant::now();
        let client = pair.client(TLS13, &[protocol]);
        let mut tls = trial.dial_tls(client).await.expect("a handshake");
        let mut rest = Vec::new();
        let _ = soon("the close", tls.read_to_end(&mut rest)).await;
        let after = started.elapsed().as_millis();
        assert!((600..3000).contains(&after), "{protocol}: {after}");
    }
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_is_sent_away_without_an_http_answer() {
    let (pair, trial) = start();
    let mut tcp = trial.dial().await;
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
    let mut rest = Vec::new();
    let _ = soon("the close", tcp.read_to_end(&mut rest)).await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    let tls = trial.dial_tls(pair.client(TLS13, &[])).await.expect("a handshake");
    assert!(text1(tls, "/").await.starts_with("HTTP/1.1"));
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let (pair, trial) = start();
    let mut tls = trial.dial_tls(pair.client(TLS13, &[])).await.expect("a handshake");
    tls.write_all(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
    trial.given_up(1).await;
}

#[tokio::test]
async fn a_new_certificate_counts_from_the_next_handshake_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let identity = old.identity();
    let trial = Trial::start(config(Some(identity.clone())));
    let tls = trial.dial_tls(old.client(TLS13, &["h2"])).await.expect("a handshake");
    let client = Client2::over(tls).await;
    let mut pieces = client.get("/pieces").await.expect("an answer");
    piece(&mut pieces).await.expect("more").expect("a piece");

    identity.replace(&new.identity());
    assert!(trial.dial_tls(old.client(TLS13, &["h2"])).await.is_err());
    let tls = trial.dial_tls(new.client(TLS13, &["h2"])).await.expect("a handshake");
    assert!(Client2::over(tls).await.text("/").await.starts_with("HTTP/2.0"));

    assert!(client.text("/").await.starts_with("HTTP/2.0"), "the old connection goes on");
    assert_eq!(text(pieces).await, "piece".repeat(19));
}

#[tokio::test]
async fn a_stop_finishes_open_streams() {
    let (pair, trial) = start();
    let tls = trial.dial_tls(pair.client(TLS13, &["h2"])).await.expect("a handshake");
    let client = Client2::over(tls).await;
    let mut pieces = client.get("/pieces").await.expect("an answer");
    piece(&mut pieces).await.expect("more").expect("a piece");
    let mut http1 = trial.dial_tls(pair.client(TLS13, &[])).await.expect("a handshake");
    http1.write_all(b"GET /pieces HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a write");
    let mut first = [0; 1];
    http1.read_exact(&mut first).await.expect("an answer");
    let mut shaking = trial.dial().await;
    let mut fresh = trial.dial_tls(pair.client(TLS13, &["h2"])).await.expect("a handshake");

    trial.server.shutdown();
    let started = Instant::now();
    let mut rest = Vec::new();
    let _ = soon("the close", shaking.read_to_end(&mut rest)).await;
    let _ = soon("the close", fresh.read_to_end(&mut rest)).await;
    assert!(started.elapsed() < Duration::from_millis(700), "{:?}", started.elapsed());
    assert_eq!(text(pieces).await, "piece".repeat(19));
    let mut rest = String::new();
    soon("the end", http1.read_to_string(&mut rest)).await.expect("an end that is told");
    assert_eq!(rest.matches("piece").count(), 20);
    let joined = tokio::task::spawn_blocking(move || trial.server.join());
    soon("the end", joined).await.expect("no panic");
}

#[test]
fn a_certificate_and_a_key_that_cannot_be_served_with_are_told_apart() {
    let (pair, other) = (Pair::new(), Pair::new());
    let both = format!("{}{}", pair.key, pair.chain);
    let encrypted = pair.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let broken = |what| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let (broken_chain, broken_key) = (broken("CERTIFICATE"), broken("PRIVATE KEY"));
    let no_base64 = pair.chain.replace("\nMI", "\n!!");
    for (chain, key, expected) in [
        (&pair.chain, &pair.key, None),
        (&both, &both, None),
        (&String::new(), &pair.key, Some(InvalidIdentity::Certificate)),
        (&pair.key, &pair.key, Some(InvalidIdentity::Certificate)),
        (&broken_chain, &pair.key, Some(InvalidIdentity::Certificate)),
        (&no_base64, &pair.key, Some(InvalidIdentity::Certificate)),
        (&pair.chain, &String::new(), Some(InvalidIdentity::Key)),
        (&pair.chain, &pair.chain, Some(InvalidIdentity::Key)),
        (&pair.chain, &broken_key, Some(InvalidIdentity::Key)),
        (&pair.chain, &encrypted, Some(InvalidIdentity::Key)),
        (&pair.chain, &other.key, Some(InvalidIdentity::Mismatch)),
    ] {
        let read = Identity::from_pem(chain.as_bytes(), key.as_bytes());
        assert_eq!(read.err(), expected, "{chain}{key}");
    }
}
