//! Sums of money and tokens that pass 64 bits.

use byok_domain::{CallRecord, PicoUsd, Usage};
use byok_store::UsageFilter;

use crate::support::{Rig, at, call, either, on_each_database};

on_each_database!(
    costs_at_the_limit_sum_exactly_in_roll_ups_and_at_their_edges,
    tokens_that_no_call_has_are_held_where_sums_stay_whole,
);

const HOUR: i64 = 3_600_000;

async fn costs_at_the_limit_sum_exactly_in_roll_ups_and_at_their_edges() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let costs = [i64::MAX, i64::MAX - 1, 999_999_999_999, 1, 0, 1_000_000_000_001, i64::MAX];
    let mut expected = 0_i128;
    let mut applied = 0;
    for round in 0..30 {
        let records: Vec<_> = costs
            .iter()
            .map(|cost| CallRecord {
                cost: Some(PicoUsd::from_pico(*cost)),
                ..call(&project, "customer", 10 + round)
            })
            .collect();
        applied += rig.apply(&records).await.written as u64;
        expected += costs.iter().map(|cost| i128::from(*cost)).sum::<i128>();
    }
    assert!(expected > i128::from(i64::MAX) * 50);
    let cut = |since, until| UsageFilter {
        since: Some(at(since)),
        until: Some(at(until)),
        ..UsageFilter::default()
    };
    for filter in [UsageFilter::default(), cut(0, HOUR), cut(1, HOUR), cut(0, HOUR - 1), cut(5, 60)]
    {
        let usage = rig.store.usage(&project, &filter).await.unwrap();
        assert_eq!(usage.totals.cost_pico, expected, "{filter:?}");
        assert_eq!(usage.totals.requests, applied);
        assert_eq!(usage.by_model[0].sums.cost_pico, expected);
    }
    let stats = rig.store.stats(&project, at(HOUR / 2)).await.unwrap();
    assert_eq!(stats.current.sums.cost_pico, expected);
    let rounded =
        either("typeof(cost_usd) <> 'integer' OR typeof(cost_pico) <> 'integer'", "false");
    let carried =
        "SELECT COUNT(*) FROM usage_hourly WHERE cost_pico NOT BETWEEN 0 AND 999999999999";
    assert_eq!(rig.number(&format!("{carried} OR {rounded}")).await, 0);
}

async fn tokens_that_no_call_has_are_held_where_sums_stay_whole() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let liar = Usage {
        input: u64::MAX,
        cache_read: u64::MAX,
        cache_write: u64::MAX,
        cache_write_1h: u64::MAX,
        output: u64::MAX,
        reasoning: u64::MAX,
        ..Usage::default()
    };
    let records: Vec<_> = (0..5_000)
        .map(|n| CallRecord { usage: Some(liar), ..call(&project, "customer", n) })
        .collect();
    for part in records.chunks(1_000) {
        rig.apply(part).await;
    }
    let honest = Usage { input: 2_000_000, output: 300_000, ..Usage::default() };
    let record = CallRecord { usage: Some(honest), ..call(&project, "honest", 1) };
    rig.apply(std::slice::from_ref(&record)).await;
    let kept = rig.store.call(&project, &record.id).await.unwrap().unwrap();
    assert_eq!(kept.total_tokens, Some(2_300_000));

    let whole = rig.store.usage(&project, &UsageFilter::default()).await.unwrap();
    let filter = UsageFilter { since: Some(at(-1)), until: Some(at(6_000)), ..Default::default() };
    let edges = rig.store.usage(&project, &filter).await.unwrap();
    assert_eq!(whole.totals, edges.totals);
    assert_eq!(whole.totals.requests, 5_001);
    assert!(whole.totals.total_tokens > 5_000 * 10_000_000_000);
}
