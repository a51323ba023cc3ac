//! Hundreds of clients that are slow on purpose, and one that is not.

use std::time::{Duration, Instant};

use byok_net::{Server, serve};
use hyper::service::service_fn;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::listening::{GET, answer, config, connect, service};

/// So many of each kind.
const SLOW: usize = 100;

#[derive(Clone, Copy)]
enum Kind {
    /// Says nothing.
    Silent,
    /// Sends its head byte by byte.
    Head,
    /// Sends a little of its body, and no more.
    Body,
    /// Reads nothing of a long answer.
    Deaf,
}

/// Attacks until it is sent away; tells after how long that was.
async fn attack(mut tcp: TcpStream, kind: Kind) -> Duration {
    let begun = Instant::now();
    let opening: &[u8] = match kind {
        Kind::Silent | Kind::Head => b"",
        Kind::Body => b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab",
        Kind::Deaf => b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n",
    };
    tcp.write_all(opening).await.expect("a write");
    if let Kind::Head = kind {
        for byte in GET.iter().cycle() {
            // Of `\r\n` this makes letters: the head never ends.
            if tcp.write_all(&[*byte | 0x20]).await.is_err() {
                return begun.elapsed();
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    if let Kind::Deaf = kind {
        sleep(Duration::from_secs(4)).await;
    }
    let mut read = vec![0; 1 << 20];
    while tcp.read(&mut read).await.is_ok_and(|length| length > 0) {}
    begun.elapsed()
}

async fn attacks(server: &Server) -> Vec<JoinHandle<Duration>> {
    let mut all = Vec::new();
    for kind in [Kind::Silent, Kind::Head, Kind::Body, Kind::Deaf] {
        for _ in 0..SLOW {
            all.push(tokio::spawn(attack(connect(server).await, kind)));
        }
    }
    all
}

/// How long nine in ten calls take at most, half of them on a connection of their own.
async fn good_client(server: &Server) -> Duration {
    let mut kept = connect(server).await;
    let mut took = Vec::new();
    for _ in 0..50 {
        for own in [false, true] {
            let begun = Instant::now();
            let mut fresh = if own { Some(connect(server).await) } else { None };
            let tcp = fresh.as_mut().unwrap_or(&mut kept);
            tcp.write_all(GET).await.expect("a write");
            answer(tcp).await;
            took.push(begun.elapsed());
        }
    }
    took.sort_unstable();
    took[took.len() * 9 / 10]
}

#[tokio::test]
async fn slow_clients_are_sent_away_and_delay_nobody() {
    let server = serve(config(1), service_fn(service)).expect("a server");
    let alone = good_client(&server).await;
    let attacks = attacks(&server).await;
    let beside = good_client(&server).await;
    // The attackers work on the client's own thread, and beside other tests.
    assert!(beside < alone * 4 + Duration::from_millis(30), "{alone:?} alone, {beside:?} beside");
    for attack in attacks {
        let ended = timeout(Duration::from_secs(30), attack).await.expect("it was sent away");
        let after = ended.expect("no panic");
        assert!(after < Duration::from_secs(12), "{after:?}");
    }
}
