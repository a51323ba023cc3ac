//! Usage from roll-ups, exact at any edge.

use byok_domain::{
    CallRecord, ErrorClass, KeySource, PicoUsd, ProjectId, ProviderId, Timestamp, Usage,
};
use byok_metering::RollUp;
use byok_store::{UnknownModel, UsageFilter};

use crate::support::{Rig, T0, at, call, on_each_database, ref_id};

on_each_database!(
    every_side_of_every_span_is_what_its_calls_add_up_to,
    models_without_a_price_are_listed_and_cost_nothing_known,
    a_breakdown_of_thousands_is_cut_and_says_so_while_the_totals_are_whole,
    stats_are_of_the_last_day_to_the_millisecond,
    a_project_without_calls_has_empty_sides,
);

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Six hundred calls of all kinds over three days.
async fn filled() -> (Rig, ProjectId, Vec<CallRecord>) {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let records: Vec<_> = (0..600_i64)
        .map(|n| {
            let used = Usage {
                input: (n % 50) as u64,
                cache_read: (n % 7) as u64,
                cache_write: (n % 3) as u64,
                output: (n % 40) as u64,
                reasoning: (n % 5) as u64,
                ..Usage::default()
            };
            let spoken = Usage { audio_millis: 1_500, ..Usage::default() };
            let used = if n % 10 == 1 { spoken } else { used };
            let error = match n % 11 {
                0 => Some(ErrorClass::Truncated),
                1 => Some(ErrorClass::ClientClosed),
                2 => Some(ErrorClass::RequestRejected),
                _ => None,
            };
            CallRecord {
                provider: ProviderId::new(["openai", "groq"][usize::from(n % 5 == 0)]),
                model: (n % 9 != 0).then(|| format!("m{}", n % 4).into()),
                source: if n % 13 == 0 { KeySource::Credits } else { KeySource::Byok },
                error,
                usage: (n % 6 != 0).then_some(used),
                cost: (n % 6 != 0 && n % 4 != 2).then_some(PicoUsd::from_pico(n * 1_000_003)),
                ..call(&project, &format!("c{}", n % 17), n * 7_919_117 % (3 * DAY))
            }
        })
        .collect();
    for part in records.chunks(173) {
        rig.apply(part).await;
    }
    (rig, project, records)
}

fn fits(filter: &UsageFilter, record: &CallRecord) -> bool {
    filter.ref_id.as_ref().is_none_or(|wanted| *wanted == record.ref_id)
        && filter.provider.as_ref().is_none_or(|wanted| *wanted == record.provider)
        && filter.model.as_deref().is_none_or(|wanted| record.model.as_deref() == Some(wanted))
        && filter.source.is_none_or(|wanted| wanted == record.source)
        && filter.since.is_none_or(|since| record.at >= since)
        && filter.until.is_none_or(|until| record.at < until)
}

/// The sums of some calls, one by one.
fn sum<'a>(records: impl Iterator<Item = &'a CallRecord>) -> RollUp {
    let mut sum = RollUp::default();
    records.for_each(|record| sum.add(record));
    sum
}

async fn every_side_of_every_span_is_what_its_calls_add_up_to() {
    let (rig, project, records) = filled().await;
    let spans = [
        (None, None),
        (Some(0), Some(3 * DAY)),
        (Some(HOUR), Some(5 * HOUR)),
        (Some(HOUR + 1), Some(5 * HOUR - 1)),
        (Some(HOUR + 1_800_000), None),
        (None, Some(2 * DAY + 1_234_567)),
        (Some(10 * HOUR + 600_000), Some(10 * HOUR + 3_000_000)),
        (Some(10 * HOUR + 600_000), Some(11 * HOUR + 600_000)),
        (Some(10 * HOUR + 600_000), Some(11 * HOUR)),
        (Some(-5 * DAY + 3), Some(9 * DAY + 3)),
        (Some(7), Some(7)),
        (Some(9), Some(7)),
        (Some(9 * DAY), None),
    ];
    for (since, until) in spans {
        for narrowed in [
            UsageFilter::default(),
            UsageFilter { ref_id: Some(ref_id("c3")), ..UsageFilter::default() },
            UsageFilter { provider: Some(ProviderId::new("groq")), ..UsageFilter::default() },
            UsageFilter { model: Some("m2".into()), ..UsageFilter::default() },
            UsageFilter { source: Some(KeySource::Credits), ..UsageFilter::default() },
        ] {
            let filter = UsageFilter { since: since.map(at), until: until.map(at), ..narrowed };
            let usage = rig.store.usage(&project, &filter).await.unwrap();
            let fitting: Vec<_> = records.iter().filter(|record| fits(&filter, record)).collect();
            let of = |which: &dyn Fn(&CallRecord) -> bool| {
                sum(fitting.iter().copied().filter(|record| which(record)))
            };
            assert_eq!(usage.totals, of(&|_| true), "{filter:?}");
            for row in &usage.by_provider {
                assert_eq!(row.sums, of(&|record| record.provider == row.provider));
            }
            for row in &usage.by_model {
                let same = |record: &CallRecord| {
                    record.provider == row.provider
                        && record.model.as_deref() == row.model.as_deref()
                };
                assert_eq!(row.sums, of(&same), "{filter:?}");
            }
            for row in &usage.by_ref_id {
                assert_eq!(row.sums, of(&|record| record.ref_id == row.ref_id));
            }
            for row in &usage.by_source {
                assert_eq!(row.sums, of(&|record| record.source == row.source));
            }
            for row in &usage.daily {
                assert_eq!(
                    row.sums,
                    of(&|record| record.at.date() == row.day.date()),
                    "{filter:?}"
                );
                assert_eq!(row.day.as_millis() % DAY, 0);
            }
            for row in &usage.unknown_models {
                let sums = of(&|record| {
                    record.provider == row.provider
                        && record.model.as_deref() == row.model.as_deref()
                        && record.usage.is_some()
                        && record.cost.is_none()
                });
                assert_eq!((row.requests, row.total_tokens), (sums.requests, sums.total_tokens));
            }
            let unpriced = usage.unknown_models.iter().map(|row| row.requests).sum::<u64>();
            assert_eq!(unpriced, usage.totals.unpriced_requests);
            for requests in [
                usage.by_provider.iter().map(|row| row.sums.requests).sum::<u64>(),
                usage.by_model.iter().map(|row| row.sums.requests).sum(),
                usage.by_ref_id.iter().map(|row| row.sums.requests).sum(),
                usage.daily.iter().map(|row| row.sums.requests).sum(),
            ] {
                assert_eq!(requests, usage.totals.requests, "{filter:?}");
            }
            assert!(usage.daily.is_sorted_by_key(|row| row.day));
            assert!(usage.by_ref_id.is_sorted_by_key(|row| std::cmp::Reverse(row.sums.requests)));
            assert!(!usage.cut);
        }
    }
}

async fn models_without_a_price_are_listed_and_cost_nothing_known() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let unpriced =
        CallRecord { model: Some("finetune".into()), cost: None, ..call(&project, "customer", 1) };
    let refused = CallRecord {
        model: Some("never-answered".into()),
        usage: None,
        cost: None,
        error: Some(ErrorClass::KeyRejected),
        ..call(&project, "customer", 2)
    };
    rig.apply(&[unpriced, refused, call(&project, "customer", 3)]).await;
    let usage = rig.store.usage(&project, &UsageFilter::default()).await.unwrap();
    let expected = UnknownModel {
        provider: ProviderId::new("openai"),
        model: Some("finetune".into()),
        requests: 1,
        total_tokens: 15,
    };
    assert_eq!(usage.unknown_models, [expected]);
    assert_eq!((usage.totals.cost_pico, usage.totals.priced_requests), (15, 1));
}

async fn a_breakdown_of_thousands_is_cut_and_says_so_while_the_totals_are_whole() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let of_model = |n: i64| CallRecord {
        model: Some(format!("m{n}").into()),
        cost: None,
        ..call(&project, &format!("c{n}"), n)
    };
    let mut records: Vec<_> = (0..1_200).map(of_model).collect();
    records.extend((0..5).map(|_| of_model(1_199)));
    rig.apply(&records).await;
    let usage = rig.store.usage(&project, &UsageFilter::default()).await.unwrap();
    assert!(usage.cut);
    assert_eq!((usage.by_ref_id.len(), usage.by_model.len()), (1_000, 1_000));
    assert_eq!((usage.unknown_models.len(), usage.daily.len()), (1_000, 1));
    assert_eq!(usage.by_ref_id[0].ref_id, ref_id("c1199"));
    assert_eq!(usage.by_model[0].model.as_deref(), Some("m1199"));
    assert_eq!(usage.unknown_models[0].requests, 6);
    assert_eq!((usage.totals.requests, usage.by_provider[0].sums.requests), (1_205, 1_205));
}

async fn stats_are_of_the_last_day_to_the_millisecond() {
    let (rig, project, records) = filled().await;
    for now in [0, 5, DAY, DAY + 1, 2 * DAY + 1_234_567, 3 * DAY, 10 * DAY] {
        let stats = rig.store.stats(&project, at(now)).await.unwrap();
        let window = |from: i64, to: i64| {
            let inside = |record: &&CallRecord| (at(from)..at(to)).contains(&record.at);
            let customers: std::collections::BTreeSet<_> =
                records.iter().filter(inside).map(|record| &record.ref_id).collect();
            (sum(records.iter().filter(inside)), customers.len() as u64)
        };
        let current = (stats.current.sums, stats.current.active_ref_ids);
        let previous = (stats.previous.sums, stats.previous.active_ref_ids);
        assert_eq!(current, window(now - DAY, now), "{now}");
        assert_eq!(previous, window(now - 2 * DAY, now - DAY), "{now}");
    }
}

async fn a_project_without_calls_has_empty_sides() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let usage = rig.store.usage(&project, &UsageFilter::default()).await.unwrap();
    assert_eq!(usage, byok_store::Usage::default());
    let long_ago = UsageFilter {
        since: Some(Timestamp::from_millis(-T0)),
        until: Some(Timestamp::from_millis(i64::MAX)),
        ..UsageFilter::default()
    };
    assert_eq!(rig.store.usage(&project, &long_ago).await.unwrap(), usage);
    assert_eq!(rig.store.stats(&project, at(0)).await.unwrap(), byok_store::Stats::default());
}
