//! Places of calls under way, and who holds them.

use super::super::*;
use super::server::{Way, at_most, call, project, soon, url};

/// Long enough for a machine that is busy.
const SHORT: Duration = Duration::from_secs(2);

async fn server() -> RedisCounters {
    RedisCounters::with_lease(url(), FailMode::Closed, SHORT).await
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_long_call_keeps_its_place_and_a_server_that_dies_loses_it() {
    let (mine, other, project) = (server().await, server().await, project());
    let limits = at_most(1000, 1);
    let called = call(&project, "customer");
    mine.begin_at(&called, &limits, None).await.unwrap();
    let is_free = async || {
        let another = call(&project, "customer");
        other.begin_at(&another, &limits, None).await.is_ok()
    };
    let began = Instant::now();
    while began.elapsed() < 2 * SHORT {
        assert!(!is_free().await, "after {:?}", began.elapsed());
        tokio::time::sleep(SHORT / 10).await;
    }
    drop(mine);
    assert!(!is_free().await, "at once it may not be known that nobody ends the call");
    assert!(soon(is_free).await);
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_call_that_ends_on_one_server_makes_room_on_another() {
    let (mine, other, project) = (server().await, server().await, project());
    let limits = at_most(1000, 1);
    let [called, another] = [call(&project, "customer"), call(&project, "customer")];
    mine.begin_at(&called, &limits, None).await.unwrap();
    assert!(other.begin_at(&another, &limits, None).await.is_err());
    mine.end(&called, 0, Timestamp::default());
    mine.settle(Duration::from_secs(5)).await;
    other.begin_at(&another, &limits, None).await.expect("room");
    assert!(mine.shared.places.lock().unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_caller_who_leaves_while_it_is_counted_leaves_no_place_taken() {
    let (way, project) = (Way::open().await, project());
    let redis = RedisCounters::start(way.url.clone(), FailMode::Closed).await;
    let limits = at_most(1000, 1);
    way.block(true);
    let called = call(&project, "customer");
    let left =
        tokio::time::timeout(Duration::from_millis(50), redis.begin_at(&called, &limits, None));
    assert!(left.await.is_err());
    way.block(false);
    let another = call(&project, "customer");
    assert!(soon(async || redis.begin_at(&another, &limits, None).await.is_ok()).await);
}
