//! A Redis that is away, or hangs.

use super::super::connection::ANSWER;
use super::super::*;
use super::server::{Way, at_most, call, project, soon, url};

async fn begin(
    redis: &RedisCounters,
    project: &byok_domain::ProjectId,
) -> Result<bool, NotAdmitted> {
    let remaining = redis.begin_at(&call(project, "customer"), &at_most(1000, 1000), None).await?;
    Ok(remaining != Remaining::default())
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_redis_that_hangs_is_waited_for_once_and_counts_again_when_it_goes_on() {
    for (mode, uncounted) in
        [(FailMode::Open, Ok(false)), (FailMode::Closed, Err(NotAdmitted::Uncounted))]
    {
        let (way, project) = (Way::open().await, project());
        let redis = RedisCounters::start(way.url.clone(), mode).await;
        assert_eq!(begin(&redis, &project).await, Ok(true));
        way.block(true);
        let began = Instant::now();
        assert_eq!(begin(&redis, &project).await, uncounted);
        assert!(began.elapsed() >= ANSWER, "{:?}", began.elapsed());
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(begin(&redis, &project).await, uncounted);
        }
        assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
        way.block(false);
        assert!(soon(async || begin(&redis, &project).await == Ok(true)).await);
    }
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_redis_that_goes_away_while_nobody_calls_is_known_to_be_away() {
    let (way, project) = (Way::open().await, project());
    let lease = Duration::from_millis(200);
    let redis = RedisCounters::with_lease(way.url.clone(), FailMode::Open, lease).await;
    way.block(true);
    tokio::time::timeout(Duration::from_secs(5), redis.shared.link.lost())
        .await
        .expect("it is found out");
    let began = Instant::now();
    assert_eq!(begin(&redis, &project).await, Ok(false));
    assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
    way.block(false);
    assert!(soon(async || begin(&redis, &project).await == Ok(true)).await);
}

#[tokio::test]
async fn a_redis_that_never_answers_holds_up_nothing_but_the_start() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let url = RedisUrl::parse(&url).unwrap();
    let redis = RedisCounters::start(url.clone(), FailMode::Open).await;
    let (project, began) = (project(), Instant::now());
    for _ in 0..100 {
        assert_eq!(begin(&redis, &project).await, Ok(false));
    }
    assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
    let why = RedisCounters::check(&url).await.unwrap_err();
    assert_eq!(why, "it did not answer within 2s");
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_redis_that_can_be_counted_on_is_told_from_one_that_cannot() {
    assert_eq!(RedisCounters::check(&url()).await, Ok(()));
    let nobody = RedisUrl::parse("redis://127.0.0.1:1").unwrap();
    let why = RedisCounters::check(&nobody).await.unwrap_err();
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_call_that_ends_while_redis_is_away_frees_its_place_when_it_is_back() {
    let (way, project) = (Way::open().await, project());
    let redis = RedisCounters::start(way.url.clone(), FailMode::Open).await;
    let limits = at_most(1000, 1);
    let called = call(&project, "customer");
    redis.begin_at(&called, &limits, None).await.unwrap();
    way.block(true);
    let elsewhere = call(&project, "another customer");
    assert_eq!(redis.begin_at(&elsewhere, &limits, None).await, Ok(Remaining::default()), "away");
    redis.end(&called, 7, Timestamp::default());
    way.block(false);
    let other = RedisCounters::start(url(), FailMode::Closed).await;
    let another = call(&project, "customer");
    assert!(soon(async || other.begin_at(&another, &limits, None).await.is_ok()).await);
}

#[tokio::test]
async fn a_call_that_no_limit_binds_is_admitted_whatever_redis_does() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let redis = RedisCounters::start(RedisUrl::parse(&url).unwrap(), FailMode::Closed).await;
    let called = call(&project(), "customer");
    let admitted = redis.begin_at(&called, &Limits::default(), None).await;
    assert_eq!(admitted, Ok(Remaining::default()));
    assert_eq!(redis.begin_at(&called, &at_most(9, 9), None).await, Err(NotAdmitted::Uncounted));
}
