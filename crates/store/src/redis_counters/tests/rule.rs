//! What is admitted: the same as in memory, and the same on all servers together.

use std::collections::HashSet;

use byok_domain::limits::{Limit, Limits};
use byok_domain::time::DAY_MS;
use byok_metering::MemoryCounters;
use redis::cmd;

use super::super::*;
use super::server::{at_most, call, project, url};

/// Longer than any test that sets the clock.
const NO_LEASE: Duration = Duration::from_secs(100 * 365 * 86_400);

async fn counters() -> RedisCounters {
    RedisCounters::with_lease(url(), FailMode::Closed, NO_LEASE).await
}

/// Calls of three customers begin and end in some order, under limits that change, on a clock that
/// stands, goes, leaps, and is set back.
#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn the_answers_are_those_of_memory_whatever_happens() {
    let redis = counters().await;
    let mut answers = HashSet::new();
    for seed in 0..25 {
        let (memory, project, mut random) =
            (MemoryCounters::default(), project(), fastrand::Rng::with_seed(seed));
        let mut now = Timestamp::from_millis(20_000 * DAY_MS + random.i64(0..DAY_MS));
        let mut under_way = Vec::new();
        for step in 0..300 {
            now = now.plus_millis(match random.u8(..) {
                0..100 => 0,
                100..170 => random.i64(1..2_000),
                170..220 => random.i64(1_000..20_000),
                220..245 => random.i64(59_990..60_010),
                245..250 => DAY_MS - now.as_millis().rem_euclid(DAY_MS) + random.i64(-1..=1),
                250..253 => random.i64(0..2 * DAY_MS),
                253.. => -random.i64(1..2 * DAY_MS),
            });
            let is_end = random.u8(..) < 100 && !under_way.is_empty();
            if is_end {
                let call = under_way.swap_remove(random.usize(..under_way.len()));
                let tokens = if random.u8(..) == 0 { u64::MAX } else { random.u64(0..60) };
                memory.end(&call, tokens, now);
                redis.shared.link.ask(&redis.end_at(&call, tokens, Some(now))).await.unwrap();
                continue;
            }
            let call = call(&project, ["a", "b", "}{ ß"][random.usize(..3)]);
            let mut limit = |most| (random.u8(..) < 200).then(|| random.u64(0..most));
            let limits = Limits {
                requests_per_minute: limit(12),
                tokens_per_day: limit(400),
                concurrent_requests: limit(6),
            };
            let expected = memory.begin(&call, &limits, now).await;
            let answer = redis.begin_at(&call, &limits, Some(now)).await;
            assert_eq!(answer, expected, "seed {seed}, step {step}: {limits:?}");
            answers.insert(match answer {
                Ok(_) => None,
                Err(NotAdmitted::Reached(reached)) => Some(reached.limit),
                Err(NotAdmitted::Uncounted) => panic!("Redis is away"),
            });
            if answer.is_ok() {
                under_way.push(call);
            }
        }
    }
    assert_eq!(answers.len(), 4, "every answer there is: {answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn servers_together_admit_what_the_plan_allows_whatever_their_clocks_say() {
    let (one, other, project) = (counters().await, counters().await, project());
    let servers = [(Arc::new(one), i64::MAX), (Arc::new(other), 0)];
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..60 {
        let (server, clock) = servers[n % 2].clone();
        let call = call(&project, "customer");
        calls.spawn(async move {
            server.begin(&call, &at_most(10, 100), Timestamp::from_millis(clock)).await.is_ok()
        });
    }
    let admitted = calls.join_all().await.into_iter().filter(|admitted| *admitted).count();
    assert_eq!(admitted, 10);
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn a_redis_that_has_forgotten_the_script_counts_all_the_same() {
    let (redis, project) = (counters().await, project());
    let mut connection = url().client().get_multiplexed_async_connection().await.unwrap();
    let limits = at_most(2, 9);
    for expected in [true, true, false] {
        cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
        let admitted = redis.begin_at(&call(&project, "customer"), &limits, None).await;
        assert_eq!(admitted.is_ok(), expected, "{admitted:?}");
        assert_ne!(admitted, Err(NotAdmitted::Uncounted));
    }
}

#[tokio::test]
#[ignore = "needs a Redis, which `cargo xtask test` starts"]
async fn nothing_is_kept_longer_than_it_counts_and_no_ref_id_is() {
    let redis = RedisCounters::start(url(), FailMode::Closed).await;
    let (project, mut connection) =
        (project(), url().client().get_multiplexed_async_connection().await.unwrap());
    let keys = async |connection: &mut _| {
        let pattern = format!("byok:limits:{{{project}:*");
        let keys: Vec<String> = cmd("KEYS").arg(pattern).query_async(connection).await.unwrap();
        keys
    };
    let called = call(&project, "ada@example.com");
    redis.begin(&called, &at_most(9, 9), Timestamp::default()).await.unwrap();
    let mut found = keys(&mut connection).await;
    found.sort();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(!found.concat().contains("ada"), "{found:?}");
    for (key, most) in found.iter().zip([60_000, 120_000]) {
        let left: i64 = cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
        assert!((1..=most).contains(&left), "{key}: {left}");
    }
    redis.end(&called, 5, Timestamp::default());
    redis.settle(Duration::from_secs(5)).await;
    let found = keys(&mut connection).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let left: i64 = cmd("PTTL").arg(&found[0]).query_async(&mut connection).await.unwrap();
    assert!((60_000..=DAY_MS + 60_000).contains(&left), "{left}");
    let limits = Limits { tokens_per_day: Some(5), ..Limits::default() };
    let refused = redis.begin(&called, &limits, Timestamp::default()).await;
    let Err(NotAdmitted::Reached(reached)) = refused else { panic!("{refused:?}") };
    assert_eq!(reached.limit, Limit::TokensPerDay);
}
