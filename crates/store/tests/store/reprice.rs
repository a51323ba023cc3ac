//! Pricing calls that had no price.

use byok_domain::pricing::Priced;
use byok_domain::usage::ServiceTier;
use byok_domain::{CallRecord, KeySource, PicoUsd, ProjectId, ProviderId, Usage};
use byok_store::{AuditFilter, Reprice, Repriced, StillUnpriced, Unpriced, UsageFilter};

use crate::support::{ALL, Rig, at, by, call, on_each_database};

on_each_database!(
    calls_get_their_prices_and_roll_ups_follow_once,
    each_batch_is_in_the_audit_log_and_a_run_that_changes_nothing_is_not,
    only_calls_of_the_span_are_priced,
    usage_is_given_back_whole_whatever_buckets_it_is_of,
    two_runs_at_once_price_each_call_once,
    large_costs_carry_into_dollars,
);

const HOUR: i64 = 3_600_000;

/// A price of 3 picodollars a token for all models but `secret` ones.
fn three(call: &Unpriced) -> Option<Priced> {
    let known = call.model.as_deref().is_some_and(|model| !model.starts_with("secret"));
    let pico = i64::try_from(call.usage.total()).unwrap() * 3;
    known.then(|| Priced {
        cost: PicoUsd::from_pico(pico),
        unit_prices: Some(r#"{"input":0.000003}"#.into()),
    })
}

/// A call of a model that nobody knew the price of.
fn without(project: &ProjectId, model: &str, millis: i64) -> CallRecord {
    let customer = format!("c{}", millis % 3);
    CallRecord { model: Some(model.into()), cost: None, ..call(project, &customer, millis) }
}

async fn run(rig: &Rig, project: &ProjectId, wanted: Reprice) -> Repriced {
    rig.store.reprice(project, wanted, three, &by(9)).await.unwrap()
}

/// Two projects with 1,300 calls without a price each, over two hours, beside others.
async fn filled() -> (Rig, ProjectId, ProjectId) {
    let rig = Rig::new().await;
    let (one, other) = (rig.project(1).await, rig.project(2).await);
    for project in [&one, &other] {
        let mut records: Vec<_> = (0..1_300)
            .map(|n| {
                let model = ["secret-1", "new", "newer", "new", "newer"][n % 5];
                without(project, model, i64::try_from(n).unwrap() * 5_000)
            })
            .collect();
        for (n, record) in records.iter_mut().enumerate() {
            if n % 4 == 0 {
                record.source = KeySource::Credits;
            }
        }
        records.extend((0..50).map(|n| call(project, "priced", n * 100_000)));
        let unknown = CallRecord { usage: None, ..without(project, "new", 77) };
        let nameless = CallRecord { model: None, ..without(project, "", 78) };
        records.extend([unknown, nameless]);
        rig.apply(&records).await;
    }
    (rig, one, other)
}

async fn calls_get_their_prices_and_roll_ups_follow_once() {
    let (rig, one, other) = filled().await;
    let untouched = rig.store.usage(&other, &UsageFilter::default()).await.unwrap();
    let before = rig.store.usage(&one, &UsageFilter::default()).await.unwrap();
    let left = vec![
        StillUnpriced { provider: ProviderId::new("openai"), model: None, requests: 1 },
        StillUnpriced {
            provider: ProviderId::new("openai"),
            model: Some("secret-1".into()),
            requests: 260,
        },
    ];
    let expected = Repriced {
        examined: 1_301,
        repriced: 1_040,
        cost_pico: 1_040 * 45,
        still_unpriced: left.clone(),
    };
    let dry = Reprice { dry_run: true, ..Reprice::default() };
    assert_eq!(run(&rig, &one, dry).await, expected);
    assert_eq!(rig.store.usage(&one, &UsageFilter::default()).await.unwrap(), before);

    assert_eq!(run(&rig, &one, Reprice::default()).await, expected);
    let after = rig.store.usage(&one, &UsageFilter::default()).await.unwrap();
    let (was, is) = (before.totals, after.totals);
    assert_eq!(is.cost_pico, was.cost_pico + 1_040 * 45);
    assert_eq!(is.priced_requests, was.priced_requests + 1_040);
    assert_eq!(is.unpriced_requests, 261);
    assert_eq!(is.unpriced_tokens, 261 * 15);
    assert_eq!((is.requests, is.total_tokens), (was.requests, was.total_tokens));
    assert_eq!(is.unknown_usage_requests, was.unknown_usage_requests);
    assert_eq!(after.unknown_models.len(), 2);

    // An edge inside an hour is answered from the calls themselves: both tell the same.
    let cut = UsageFilter { until: Some(at(HOUR + 1_234_567)), ..UsageFilter::default() };
    let rest = UsageFilter { since: cut.until, ..UsageFilter::default() };
    let [cut, rest] =
        [rig.store.usage(&one, &cut).await.unwrap(), rig.store.usage(&one, &rest).await.unwrap()];
    assert_eq!(cut.totals.cost_pico + rest.totals.cost_pico, is.cost_pico);
    assert_eq!(cut.totals.unpriced_tokens + rest.totals.unpriced_tokens, is.unpriced_tokens);

    let again = run(&rig, &one, Reprice::default()).await;
    assert_eq!(again, Repriced { examined: 261, still_unpriced: left, ..Repriced::default() });
    assert_eq!(rig.store.usage(&one, &UsageFilter::default()).await.unwrap(), after);
    assert_eq!(rig.store.usage(&other, &UsageFilter::default()).await.unwrap(), untouched);
    let priced = "SELECT COUNT(*) FROM calls WHERE unit_prices = '{\"input\":0.000003}'";
    assert_eq!(rig.number(priced).await, 1_040);
}

async fn each_batch_is_in_the_audit_log_and_a_run_that_changes_nothing_is_not() {
    let (rig, one, other) = filled().await;
    let wanted = AuditFilter::default();
    let before = rig.store.audit_log(&one, &wanted, ALL).await.unwrap().data.len();
    run(&rig, &one, Reprice { dry_run: true, ..Reprice::default() }).await;
    run(&rig, &one, Reprice::default()).await;
    run(&rig, &one, Reprice::default()).await;
    let entries = rig.store.audit_log(&one, &wanted, ALL).await.unwrap().data;
    let new: Vec<_> = entries.iter().take(entries.len() - before).collect();
    let total: u64 = new.iter().map(|entry| entry.metadata["repriced"].as_u64().unwrap()).sum();
    assert_eq!((new.len(), total), (3, 1_040));
    assert!(new.iter().all(|entry| entry.action.as_str() == "pricing.updated"));
    assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
    assert_eq!(rig.store.audit_log(&other, &wanted, ALL).await.unwrap().data.len(), before);
}

async fn only_calls_of_the_span_are_priced() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let records: Vec<_> = (0..6).map(|n| without(&project, "new", n * HOUR / 2)).collect();
    rig.apply(&records).await;
    for (since, until, expected) in [
        (Some(HOUR), Some(HOUR), 0),
        (Some(HOUR), Some(HOUR + 1), 1),
        (None, Some(HOUR / 2), 1),
        (Some(2 * HOUR), None, 2),
        (None, None, 2),
        (None, None, 0),
    ] {
        let wanted = Reprice { since: since.map(at), until: until.map(at), dry_run: false };
        let done = run(&rig, &project, wanted).await;
        assert_eq!((done.examined, done.repriced), (expected, expected), "{since:?} {until:?}");
    }
}

async fn usage_is_given_back_whole_whatever_buckets_it_is_of() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let usages = [
        Usage::default(),
        Usage {
            input: 7,
            cache_read: 5,
            cache_write: 3,
            output: 2,
            reasoning: 1,
            ..Usage::default()
        },
        Usage { cache_write: 3, cache_write_1h: 4, cache_write_12h: 5, ..Usage::default() },
        Usage {
            input: 7,
            audio_input: 3,
            image_input: 2,
            output: 9,
            audio_output: 4,
            ..Usage::default()
        },
        Usage { cache_read: 9, audio_cache_read: 3, image_cache_read: 2, ..Usage::default() },
        Usage { audio_millis: 1_500, characters: 20, web_searches: 2, ..Usage::default() },
        Usage { search_units: 1, pages: 2, images_in: 3, images_out: 4, ..Usage::default() },
        Usage { input: 1, fast: true, us_only: true, ..Usage::default() },
        Usage { input: 1, tier: ServiceTier::Batch, ..Usage::default() },
    ];
    let records: Vec<_> = (0..)
        .zip(&usages)
        .map(|(n, usage)| CallRecord {
            usage: Some(*usage),
            answered: (n % 2 == 0).then(|| "answered".into()),
            ..without(&project, "secret", n)
        })
        .collect();
    rig.apply(&records).await;
    let seen = std::sync::Mutex::new(Vec::new());
    let look = |call: &Unpriced| {
        seen.lock().unwrap().push(call.clone());
        None
    };
    let dry = Reprice { dry_run: true, ..Reprice::default() };
    rig.store.reprice(&project, dry, look, &by(1)).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.iter().map(|call| call.usage).collect::<Vec<_>>(), usages);
    let answered: Vec<_> = seen.iter().map(|call| call.answered.as_deref()).collect();
    assert_eq!(answered[..3], [Some("answered"), None, Some("answered")]);
    assert_eq!(rig.number("SELECT COUNT(*) FROM calls WHERE usage_detail IS NULL").await, 2);
}

async fn two_runs_at_once_price_each_call_once() {
    let (rig, one, _) = filled().await;
    let (a, b) =
        tokio::join!(run(&rig, &one, Reprice::default()), run(&rig, &one, Reprice::default()));
    assert_eq!(a.repriced + b.repriced, 1_040);
    assert_eq!(a.cost_pico + b.cost_pico, 1_040 * 45);
    let totals = rig.store.usage(&one, &UsageFilter::default()).await.unwrap().totals;
    assert_eq!((totals.priced_requests, totals.unpriced_requests), (1_090, 261));
    assert_eq!(totals.cost_pico, 1_040 * 45 + 50 * 15);
}

async fn large_costs_carry_into_dollars() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.apply(&(0..10).map(|n| without(&project, "new", n)).collect::<Vec<_>>()).await;
    let dear =
        |_: &Unpriced| Some(Priced { cost: PicoUsd::from_pico(i64::MAX), unit_prices: None });
    let done = rig.store.reprice(&project, Reprice::default(), dear, &by(1)).await.unwrap();
    assert_eq!(done.cost_pico, i128::from(i64::MAX) * 10);
    let totals = rig.store.usage(&project, &UsageFilter::default()).await.unwrap().totals;
    assert_eq!(totals.cost_pico, i128::from(i64::MAX) * 10);
}
