//! The request log: filtered, paged, exported.

use byok_domain::{CallRecord, ErrorClass, KeySource, ProjectId, ProviderId, RequestId, Usage};
use byok_store::{Call, CallFilter, CallRange, UsageFilter};

use crate::support::{Rig, at, call, on_each_database, ref_id, request_id};

on_each_database!(
    usage_that_is_not_told_in_tokens_leaves_them_unknown,
    every_filter_finds_what_fits_newest_first_and_counts_it,
    pages_by_offset_and_by_cursor_give_every_call_once,
    a_cursor_stays_where_it_is_when_new_calls_come_in,
    an_export_gives_what_fits_oldest_first_over_many_pages,
    one_call_is_found_by_its_id,
);

const HOUR: i64 = 3_600_000;

/// Ninety calls over three hours, in an order that is not that of time.
async fn filled() -> (Rig, ProjectId, Vec<CallRecord>) {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let mut records: Vec<_> = (0..90)
        .map(|n| CallRecord {
            provider: ProviderId::new(if n % 5 == 0 { "groq" } else { "openai" }),
            model: (n % 4 != 0).then(|| format!("m{}", n % 4).into()),
            source: if n % 6 == 0 { KeySource::Credits } else { KeySource::Byok },
            error: (n % 7 == 0).then_some(ErrorClass::RateLimited),
            ..call(&project, &format!("c{}", n % 3), (n * 37 % 90) * 120_000)
        })
        .collect();
    rig.apply(&records).await;
    records.sort_by_key(|record| std::cmp::Reverse(record.id));
    (rig, project, records)
}

async fn usage_that_is_not_told_in_tokens_leaves_them_unknown() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let of = |n, usage| CallRecord { usage, cost: None, ..call(&project, "c", n) };
    rig.apply(&[
        of(1, Some(Usage { audio_millis: 9_000, ..Usage::default() })),
        of(2, Some(Usage { characters: 12, ..Usage::default() })),
        of(3, Some(Usage::default())),
        of(4, None),
    ])
    .await;
    let mut export = rig.store.export_calls(&project, &CallFilter::default());
    let calls = export.next_page().await.unwrap().unwrap();
    let tokens = |call: &Call| {
        [
            call.input_tokens,
            call.output_tokens,
            call.total_tokens,
            call.cache_read_tokens,
            call.cache_write_tokens,
            call.reasoning_tokens,
        ]
    };
    let told: Vec<_> = calls.iter().map(tokens).collect();
    assert_eq!(told, [[None; 6], [None; 6], [Some(0); 6], [None; 6]]);
    // What they used is known all the same: whole hours and single calls agree on that.
    for filter in [UsageFilter::default(), UsageFilter { since: Some(at(1)), ..<_>::default() }] {
        let sums = rig.store.usage(&project, &filter).await.unwrap().totals;
        assert_eq!((sums.unpriced_requests, sums.unknown_usage_requests), (3, 1), "{filter:?}");
    }
}

fn filters() -> Vec<CallFilter> {
    let usage = UsageFilter::default;
    let of = |usage, success| CallFilter { usage, success };
    let time = |since: Option<i64>, until: Option<i64>| UsageFilter {
        since: since.map(at),
        until: until.map(at),
        ..usage()
    };
    vec![
        of(usage(), None),
        of(usage(), Some(true)),
        of(usage(), Some(false)),
        of(UsageFilter { ref_id: Some(ref_id("c1")), ..usage() }, None),
        of(UsageFilter { ref_id: Some(ref_id("c1")), ..usage() }, Some(false)),
        of(UsageFilter { provider: Some(ProviderId::new("groq")), ..usage() }, None),
        of(UsageFilter { model: Some("m2".into()), ..usage() }, None),
        of(UsageFilter { model: Some("nothing".into()), ..usage() }, None),
        of(UsageFilter { source: Some(KeySource::Credits), ..usage() }, Some(true)),
        of(time(Some(HOUR), None), None),
        of(time(None, Some(HOUR)), None),
        of(time(Some(120_000), Some(2 * HOUR + 120_000)), None),
        of(time(Some(120_001), Some(120_002)), None),
        of(time(Some(HOUR - 120_000), Some(HOUR + 120_000)), Some(true)),
        of(time(Some(5), Some(5)), None),
        of(
            UsageFilter {
                ref_id: Some(ref_id("c2")),
                source: Some(KeySource::Byok),
                ..time(Some(1), Some(2 * HOUR + 1))
            },
            Some(true),
        ),
    ]
}

fn fits(filter: &CallFilter, record: &CallRecord) -> bool {
    let usage = &filter.usage;
    usage.ref_id.as_ref().is_none_or(|wanted| *wanted == record.ref_id)
        && usage.provider.as_ref().is_none_or(|wanted| *wanted == record.provider)
        && usage.model.as_deref().is_none_or(|wanted| record.model.as_deref() == Some(wanted))
        && usage.source.is_none_or(|wanted| wanted == record.source)
        && usage.since.is_none_or(|since| record.at >= since)
        && usage.until.is_none_or(|until| record.at < until)
        && filter.success.is_none_or(|wanted| wanted == record.succeeded())
}

fn ids(calls: &[Call]) -> Vec<RequestId> {
    calls.iter().map(|call| call.id).collect()
}

async fn every_filter_finds_what_fits_newest_first_and_counts_it() {
    let (rig, project, records) = filled().await;
    for filter in filters() {
        let expected: Vec<_> =
            records.iter().filter(|record| fits(&filter, record)).map(|r| r.id).collect();
        let range = CallRange { limit: 500, offset: 0, before: None };
        let page = rig.store.calls(&project, &filter, range).await.unwrap();
        assert_eq!(ids(&page.data), expected, "{filter:?}");
        assert_eq!((page.total, page.next), (expected.len() as u64, None), "{filter:?}");
    }
}

async fn pages_by_offset_and_by_cursor_give_every_call_once() {
    let (rig, project, _) = filled().await;
    for filter in filters() {
        let whole = CallRange { limit: 500, offset: 0, before: None };
        let all = ids(&rig.store.calls(&project, &filter, whole).await.unwrap().data);
        let (mut by_offset, mut by_cursor) = (Vec::new(), Vec::new());
        let mut cursor = None;
        for n in 0..=all.len() as u64 / 7 {
            let range = CallRange { limit: 7, offset: 7 * n, before: None };
            let page = rig.store.calls(&project, &filter, range).await.unwrap();
            by_offset.extend(ids(&page.data));
            let range = CallRange { limit: 7, offset: 0, before: cursor };
            let page = rig.store.calls(&project, &filter, range).await.unwrap();
            assert_eq!(page.total, all.len() as u64);
            by_cursor.extend(ids(&page.data));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((&by_offset, &by_cursor), (&all, &all), "{filter:?}");
        assert_eq!(cursor, None, "{filter:?}");
    }
}

async fn a_cursor_stays_where_it_is_when_new_calls_come_in() {
    let (rig, project, records) = filled().await;
    let filter = CallFilter::default();
    let range = CallRange { limit: 10, offset: 0, before: None };
    let first = rig.store.calls(&project, &filter, range).await.unwrap();
    rig.apply(&[call(&project, "late", 10 * HOUR)]).await;
    let range = CallRange { before: first.next, ..range };
    let second = rig.store.calls(&project, &filter, range).await.unwrap();
    assert_eq!(second.data[0].id, records[10].id);
    assert_eq!(second.total, 91);
}

async fn an_export_gives_what_fits_oldest_first_over_many_pages() {
    let (rig, project, records) = filled().await;
    for filter in filters() {
        let mut expected: Vec<_> =
            records.iter().filter(|record| fits(&filter, record)).map(|r| r.id).collect();
        expected.reverse();
        let mut export = rig.store.export_calls(&project, &filter);
        let mut got = Vec::new();
        while let Some(page) = export.next_page().await.unwrap() {
            assert!(!page.is_empty() && page.len() <= 500);
            got.extend(ids(&page));
        }
        assert_eq!(got, expected, "{filter:?}");
        assert_eq!(export.next_page().await.unwrap(), None);
    }
    let many: Vec<_> = (0..1_000).map(|n| call(&project, "bulk", n)).collect();
    rig.apply(&many).await;
    let bulk = UsageFilter { ref_id: Some(ref_id("bulk")), ..UsageFilter::default() };
    let mut export = rig.store.export_calls(&project, &CallFilter { usage: bulk, success: None });
    let mut pages = Vec::new();
    while let Some(page) = export.next_page().await.unwrap() {
        pages.push(page.len());
    }
    assert_eq!(pages, [500, 500]);
}

async fn one_call_is_found_by_its_id() {
    let (rig, project, records) = filled().await;
    let found = rig.store.call(&project, &records[3].id).await.unwrap().unwrap();
    assert_eq!((found.id, found.created_at), (records[3].id, records[3].at));
    assert_eq!(rig.store.call(&project, &request_id(1)).await.unwrap(), None);
}
