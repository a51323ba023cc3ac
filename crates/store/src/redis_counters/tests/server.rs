//! The test's Redis, and a way to it that can be blocked.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use byok_domain::limits::Limits;
use byok_domain::{ProjectId, RefId, RequestId, Timestamp};
use byok_metering::CountedCall;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

use super::super::RedisUrl;

/// The variable with the URL of a Redis on which tests may count.
const SERVER: &str = "BYOK_TEST_REDIS";

fn address() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} names no Redis"))
}

pub(super) fn url() -> RedisUrl {
    RedisUrl::parse(&address()).unwrap()
}

/// A call of a customer, whose project is this test's own.
pub(super) fn call(project: &ProjectId, customer: &str) -> CountedCall {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut random = [0; 10];
    random[..4].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    CountedCall {
        project: project.clone(),
        ref_id: RefId::parse(customer).unwrap(),
        request: RequestId::from_parts(Timestamp::default(), random),
    }
}

/// A project that nobody else counts for, whatever this Redis was used for before.
pub(super) fn project() -> ProjectId {
    ProjectId::new(format!("proj_{:032x}", fastrand::u128(..)))
}

/// At most so many calls a minute, and at once.
pub(super) fn at_most(minute: u64, at_once: u64) -> Limits {
    Limits {
        requests_per_minute: Some(minute),
        concurrent_requests: Some(at_once),
        ..Limits::default()
    }
}

/// Waits until it is so, five seconds at most.
pub(super) async fn soon(is_so: impl AsyncFn() -> bool) -> bool {
    for _ in 0..100 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// A way to the test's Redis on which nothing passes while it is blocked.
pub(super) struct Way {
    pub(super) url: RedisUrl,
    blocked: watch::Sender<bool>,
}

impl Way {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let url = RedisUrl::parse(&url).unwrap();
        let (blocked, is_blocked) = watch::channel(false);
        let socket = address().strip_prefix("unix://").expect("a socket").to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.unwrap();
                let (from_near, to_near) = near.into_split();
                let (from_far, to_far) = far.into_split();
                tokio::spawn(pump(from_near, to_far, is_blocked.clone()));
                tokio::spawn(pump(from_far, to_near, is_blocked.clone()));
            }
        });
        Self { url, blocked }
    }

    pub(super) fn block(&self, blocked: bool) {
        self.blocked.send_replace(blocked);
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut blocked: watch::Receiver<bool>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if blocked.wait_for(|blocked| !blocked).await.is_err()
            || to.write_all(&bytes[..read]).await.is_err()
        {
            return;
        }
    }
}
