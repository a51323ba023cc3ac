//! Which connections are used again, by whom, and which are closed.

use std::{sync::Arc, time::Duration};

use byok_net::{EgressPolicy, Timeouts, Upstream};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::support::{Fake, customer, fetch, get, policy, soon, text, upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again_after_every_kind_of_whole_answer() {
    for answer in [
        OK,
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
    ] {
        let fake = Fake::answering(answer).await;
        let (upstream, base) = (upstream(), fake.base());
        for _ in 0..20 {
            fetch(&upstream, &base).await.expect("an answer");
        }
        assert_eq!(fake.connections(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_when_the_end_of_an_answer_comes_late() {
    let fake = Fake::start(|mut wire| async move {
        while wire.head().await.is_some() {
            wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for piece in ["2\r\nok\r\n", "0\r\n", "\r\n"] {
                tokio::time::sleep(Duration::from_millis(5)).await;
                wire.write(piece).await;
            }
        }
    })
    .await;
    let (upstream, base) = (upstream(), fake.base());
    for _ in 0..5 {
        assert_eq!(fetch(&upstream, &base).await.expect("an answer"), "ok");
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_body_read_only_to_its_last_byte_still_gives_the_connection_back() {
    let fake = Fake::answering(OK).await;
    let (upstream, base) = (upstream(), fake.base());
    for _ in 0..5 {
        let mut body = upstream.send(&base, get(&base, "/")).await.expect("an answer").into_body();
        let frame = body.frame().await.expect("a frame").expect("a good one");
        assert_eq!(frame.into_data().expect("data"), "ok");
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_says_close_ends_its_connection() {
    let fake =
        Fake::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
            .await;
    let (upstream, base) = (upstream(), fake.base());
    for _ in 0..3 {
        fetch(&upstream, &base).await.expect("an answer");
    }
    assert_eq!(fake.connections(), 3);
}

#[tokio::test]
async fn a_kept_connection_the_upstream_has_closed_costs_nothing() {
    let fake = Fake::start(|mut wire| async move {
        wire.head().await;
        wire.write(OK).await;
    })
    .await;
    let (upstream, base) = (upstream(), fake.base());
    for _ in 0..50 {
        fetch(&upstream, &base).await.expect("an answer");
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.connections(), 50);
}

#[tokio::test]
async fn projects_and_origins_never_share_a_connection() {
    let fake = Fake::answering(OK).await;
    let policy = policy(&["127.0.0.1/32"]);
    let upstream = Upstream::new(policy.clone(), Timeouts::default()).expect("a client");
    let url = format!("http://{}", fake.address);
    let bases = [
        customer(&policy, "a", &url),
        customer(&policy, "b", &url),
        customer(&policy, "a", &format!("http://127.0.0.1.:{}", fake.address.port())),
        fake.base(),
    ];
    for (at, connections) in [1, 2, 2, 3].into_iter().enumerate() {
        fetch(&upstream, &bases[at]).await.expect("an answer");
        fetch(&upstream, &bases[at]).await.expect("an answer");
        assert_eq!(fake.connections(), connections, "base {at}");
    }
}

/// An upstream that sends a head, a piece and then nothing, and tells when it is left.
async fn endless() -> (Fake, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut wire| {
        let tell = tell.clone();
        async move {
            let (head, _) = wire.request().await.expect("a request");
            if !head.starts_with("GET /silent") {
                wire.write("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nfirst").await;
            }
            wire.closed().await;
            let _ = tell.send(());
        }
    })
    .await;
    (fake, told)
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection() {
    let (fake, mut told) = endless().await;
    let (upstream, base) = (upstream(), fake.base());
    let mut body = upstream.send(&base, get(&base, "/")).await.expect("an answer").into_body();
    assert!(body.frame().await.is_some());
    drop(body);
    soon("the close", told.recv()).await;
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let (fake, mut told) = endless().await;
    let (upstream, base) = (upstream(), fake.base());
    let call = upstream.send(&base, get(&base, "/silent"));
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    soon("the close", told.recv()).await;
}

#[tokio::test]
async fn dropping_the_client_closes_idle_connections() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut wire| {
        let tell = tell.clone();
        async move {
            wire.head().await;
            wire.write(OK).await;
            wire.closed().await;
            let _ = tell.send(());
        }
    })
    .await;
    let upstream = upstream();
    fetch(&upstream, &fake.base()).await.expect("an answer");
    drop(upstream);
    soon("the close", told.recv()).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let fake = Fake::start(move |mut wire| {
        let tell = tell.clone();
        async move {
            wire.head().await;
            wire.write(OK).await;
            wire.closed().await;
            let _ = tell.send(std::time::Instant::now());
        }
    })
    .await;
    let upstream = Upstream::builder(EgressPolicy::default())
        .keep_idle(Duration::from_millis(900))
        .build()
        .expect("a client");
    fetch(&upstream, &fake.base()).await.expect("an answer");
    let idle_since = std::time::Instant::now();
    let closed = soon("the close", told.recv()).await.expect("a close");
    let idle = closed - idle_since;
    assert!(idle >= Duration::from_millis(700) && idle < Duration::from_millis(3000), "{idle:?}");
}

#[tokio::test]
async fn an_early_answer_to_an_unfinished_upload_is_read_and_its_connection_not_used_again() {
    let fake = Fake::start(|mut wire| async move {
        wire.head().await;
        wire.write("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").await;
        wire.closed().await;
    })
    .await;
    let (upstream, base) = (upstream(), fake.base());
    for _ in 0..2 {
        let (keep, pieces) = futures_channel();
        let body = byok_net::SendBody::stream(http_body_util::StreamBody::new(pieces));
        let request = crate::support::post(&base, "/", body);
        let answer = soon("an answer", upstream.send(&base, request)).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 413);
        assert_eq!(text(answer).await.expect("a body"), "no");
        drop(keep);
    }
    assert_eq!(fake.connections(), 2);
}

type Piece = Result<http_body::Frame<bytes::Bytes>, std::io::Error>;

/// A stream that gives one piece and then waits for ever, while the sender lives.
fn futures_channel() -> (Arc<()>, impl futures_util::Stream<Item = Piece> + Send + 'static) {
    use futures_util::StreamExt;
    let alive = Arc::new(());
    let first = futures_util::stream::iter([Ok(http_body::Frame::data("x".into()))]);
    (alive, first.chain(futures_util::stream::pending()))
}

#[tokio::test]
async fn many_calls_at_once_get_their_own_answers() {
    let fake = Fake::start(|mut wire| async move {
        while let Some(head) = wire.head().await {
            let path = head.split(' ').nth(1).expect("a path").to_owned();
            let length = path.len();
            wire.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{path}")).await;
        }
    })
    .await;
    let (upstream, base) = (upstream(), fake.base());
    for round in 0..5 {
        let calls = (0..40).map(|call| {
            let (upstream, base) = (upstream.clone(), base.clone());
            async move {
                let path = format!("/{round}/{call}");
                let answer = upstream.send(&base, get(&base, &path)).await.expect("an answer");
                assert_eq!(text(answer).await.expect("a body"), path);
            }
        });
        futures_util::future::join_all(calls).await;
    }
    assert_eq!(fake.connections(), 40);
}

#[tokio::test]
async fn a_customers_idle_connections_are_bounded() {
    let fake = Fake::start(|mut wire| async move {
        while wire.head().await.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            wire.write(OK).await;
        }
    })
    .await;
    let policy = policy(&["127.0.0.1/32"]);
    let upstream = Upstream::new(policy.clone(), Timeouts::default()).expect("a client");
    let base = customer(&policy, "a", &format!("http://{}", fake.address));
    for connections in [100, 136] {
        let calls = (0..100).map(|_| fetch(&upstream, &base));
        let results = soon("the answers", futures_util::future::join_all(calls)).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(fake.connections(), connections, "64 of 100 are kept");
    }
}
