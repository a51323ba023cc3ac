//! Limits as tables of what happens when.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    requests_per_minute: Some(2),
    tokens_per_day: Some(100),
    concurrent_requests: Some(3),
};

/// Milliseconds after noon of some day.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(20_000 * DAY_MS + DAY_MS / 2 + millis)
}

fn refused(counters: &mut Counters, limits: &Limits, now: Timestamp) -> (Limit, u32) {
    let reached = counters.begin(limits, now).expect_err("a limit is reached");
    (reached.limit, reached.retry_after_s)
}

#[test]
fn a_minute_begins_with_its_first_call_and_admits_so_many() {
    let mut counters = Counters::default();
    counters.begin(&LIMITS, at(0)).expect("the first");
    counters.end(0, at(0));
    counters.begin(&LIMITS, at(59_000)).expect("the second");
    counters.end(0, at(59_000));
    assert_eq!(refused(&mut counters, &LIMITS, at(59_001)), (Limit::RequestsPerMinute, 1));
    assert_eq!(refused(&mut counters, &LIMITS, at(59_999)), (Limit::RequestsPerMinute, 1));
    counters.begin(&LIMITS, at(60_000)).expect("the next minute");
    counters.begin(&LIMITS, at(60_000)).expect("its second");
    assert_eq!(refused(&mut counters, &LIMITS, at(60_001)), (Limit::RequestsPerMinute, 60));
}

#[test]
fn a_day_ends_with_the_call_that_reaches_its_tokens_and_begins_anew_at_midnight_utc() {
    let limits = Limits { requests_per_minute: None, ..LIMITS };
    let mut counters = Counters::default();
    counters.begin(&limits, at(0)).expect("none used");
    counters.end(99, at(1));
    counters.begin(&limits, at(2)).expect("one is left");
    counters.end(500, at(3));
    let half_a_day_s = 12 * 3_600;
    assert_eq!(refused(&mut counters, &limits, at(4)), (Limit::TokensPerDay, half_a_day_s));
    assert_eq!(refused(&mut counters, &limits, at(DAY_MS / 2 - 1)), (Limit::TokensPerDay, 1));
    counters.begin(&limits, at(DAY_MS / 2)).expect("midnight");
}

#[test]
fn tokens_of_a_call_that_ends_after_midnight_are_of_the_new_day() {
    let mut counters = Counters::default();
    counters.begin(&LIMITS, at(0)).expect("none used");
    counters.end(100, at(DAY_MS / 2));
    assert_eq!(refused(&mut counters, &LIMITS, at(DAY_MS / 2)), (Limit::TokensPerDay, 86_400));
}

#[test]
fn so_many_calls_run_at_once_and_one_that_ends_makes_room() {
    let limits = Limits { requests_per_minute: None, ..LIMITS };
    let mut counters = Counters::default();
    for _ in 0..3 {
        counters.begin(&limits, at(0)).expect("room");
    }
    assert_eq!(refused(&mut counters, &limits, at(DAY_MS)), (Limit::ConcurrentRequests, 1));
    counters.end(0, at(1));
    counters.begin(&limits, at(2)).expect("room");
}

#[test]
fn without_limits_everything_is_admitted_and_nothing_told() {
    let mut counters = Counters::default();
    for _ in 0..10_000 {
        let remaining = counters.begin(&Limits::default(), at(0)).expect("no limit");
        assert_eq!(remaining.headers().count(), 0);
        counters.end(u64::MAX, at(0));
    }
}

#[test]
fn the_headers_tell_what_is_left() {
    let mut counters = Counters::default();
    counters.begin(&LIMITS, at(0)).expect("the first");
    counters.end(30, at(10));
    let remaining = counters.begin(&LIMITS, at(500)).expect("the second");
    let headers: Vec<_> = remaining.headers().collect();
    assert_eq!(
        headers,
        [
            ("x-ratelimit-limit-requests", "2".to_owned()),
            ("x-ratelimit-remaining-requests", "0".to_owned()),
            ("x-ratelimit-reset-requests", "60s".to_owned()),
            ("x-ratelimit-limit-tokens", "100".to_owned()),
            ("x-ratelimit-remaining-tokens", "70".to_owned()),
            ("x-ratelimit-reset-tokens", "43200s".to_owned()),
        ]
    );
}

#[test]
fn counters_are_idle_once_nothing_runs_and_minute_and_day_are_over() {
    let mut counters = Counters::default();
    assert!(counters.is_idle(at(0)));
    counters.begin(&LIMITS, at(0)).expect("room");
    assert!(!counters.is_idle(at(DAY_MS)), "a call runs");
    counters.end(1, at(1));
    assert!(!counters.is_idle(at(60_000)), "its tokens count");
    assert!(counters.is_idle(at(DAY_MS)));
}

#[test]
fn calls_that_are_counted_in_another_order_than_they_came_in_all_count() {
    let mut counters = Counters::default();
    counters.begin(&LIMITS, at(30)).expect("the first");
    counters.begin(&LIMITS, at(0)).expect("the second, though it came before");
    counters.end(0, at(40));
    assert_eq!(refused(&mut counters, &LIMITS, at(10)), (Limit::RequestsPerMinute, 60));
    counters.begin(&LIMITS, at(60_030)).expect("the next minute");

    let limits = Limits { requests_per_minute: None, ..LIMITS };
    let mut counters = Counters::default();
    let midnight = DAY_MS / 2;
    counters.begin(&limits, at(midnight)).expect("none used");
    counters.end(100, at(midnight));
    assert_eq!(refused(&mut counters, &limits, at(midnight - 5)).0, Limit::TokensPerDay);
    assert_eq!(refused(&mut counters, &limits, at(midnight + 5)).0, Limit::TokensPerDay);
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let mut counters = Counters::default();
    counters.begin(&LIMITS, at(DAY_MS)).expect("room");
    counters.begin(&LIMITS, at(DAY_MS)).expect("room");
    counters.end(1_000, at(DAY_MS));
    counters.begin(&LIMITS, at(0)).expect("a new minute of a new day");
}

proptest! {
    #[test]
    fn no_minute_admits_more_than_its_limit(
        limit in 1_u64..5,
        steps in prop::collection::vec(0_i64..20_000, 1..200),
    ) {
        let limits = Limits { requests_per_minute: Some(limit), ..Limits::default() };
        let mut counters = Counters::default();
        let (mut now, mut window, mut admitted) = (at(0), None, 0);
        for later in steps {
            now = now.plus_millis(later);
            match counters.begin(&limits, now) {
                Ok(remaining) => {
                    let fresh = window
                        .is_none_or(|from: Timestamp| now >= from.plus_millis(MINUTE_MS));
                    if fresh {
                        (window, admitted) = (Some(now), 0);
                    }
                    admitted += 1;
                    prop_assert!(admitted <= limit);
                    let left = remaining.requests.expect("a limit");
                    prop_assert_eq!(left.remaining, limit - admitted);
                    counters.end(0, now);
                }
                Err(reached) => {
                    prop_assert_eq!(admitted, limit);
                    let retry = now.plus_millis(i64::from(reached.retry_after_s) * 1_000);
                    prop_assert!(counters.clone().begin(&limits, retry).is_ok());
                }
            }
        }
    }
}
