//! What a closed call says of its price.

use byok_domain::{ProviderId, Timestamp};

use super::*;
use crate::Durability;
use crate::samples::{ROOM, fresh_id, record};

const OVERRIDES: &str = r#"{"openai": {"mine": {"input": 2, "output": 8}}}"#;

/// The record of a call of `asked` whose answer names `answered`, once its usage is filled in.
fn closed(asked: Option<&str>, answered: Option<&str>, usage: Option<Usage>) -> CallRecord {
    let findings = Findings { usage, model: answered.map(str::to_owned), ..Findings::default() };
    filled(CallRecord { model: asked.map(Arc::from), ..record(1) }, &findings)
}

fn filled(record: CallRecord, findings: &Findings) -> CallRecord {
    filled_with(record, findings, None, HostRegion::None)
}

fn filled_with(
    record: CallRecord,
    findings: &Findings,
    presumed: Option<Usage>,
    region: HostRegion,
) -> CallRecord {
    let dir = tempfile::tempdir().expect("a folder");
    let lanes = Lanes::open(dir.path(), 1, Durability::Os, ROOM, fresh_id).expect("a journal");
    let meter = Arc::new(Meter::new(Arc::new(lanes), PriceBook::new(PriceTable::default())));
    let context = CallContext {
        overrides: Arc::new(PriceTable::parse(OVERRIDES).expect("good prices")),
        presumed: presumed.map(Box::new),
        region,
        request_bytes: 0,
        started: Instant::now(),
    };
    let fresh = CallRecord { usage: None, cost: None, unit_prices: None, ..record };
    let call = meter.open(fresh.clone(), context);
    let mut filled = fresh;
    call.fill_usage(&mut filled, findings);
    filled
}

#[test]
fn a_call_keeps_the_prices_it_was_charged_by_or_the_name_it_may_be_priced_by_later() {
    let used = Some(Usage { input: 10, output: 5, ..Usage::default() });
    let mine = Some(r#"{"input":2,"output":8}"#);
    for (asked, answered, usage, cost, unit_prices, kept) in [
        (Some("mine"), None, used, Some("0.00006"), mine, None),
        (Some("mine"), Some("other"), used, Some("0.00006"), mine, None),
        (Some("other"), Some("mine-2026-01-01"), used, Some("0.00006"), mine, None),
        (None, Some("mine"), used, Some("0.00006"), mine, None),
        (Some("mine"), None, Some(Usage::default()), Some("0"), None, None),
        (Some("deployment"), Some("secret"), used, None, None, Some("secret")),
        (Some("secret"), Some("secret"), used, None, None, None),
        (Some("deployment"), None, used, None, None, None),
        (Some("deployment"), Some("secret"), None, None, None, None),
    ] {
        let record = closed(asked, answered, usage);
        let what = format!("{asked:?} {answered:?} {usage:?}");
        assert_eq!(record.cost.map(|cost| cost.to_string()).as_deref(), cost, "{what}");
        assert_eq!(record.unit_prices.as_deref(), unit_prices, "{what}");
        assert_eq!(record.answered.as_deref(), kept, "{what}");
        assert_eq!(record.usage, usage, "{what}");
    }
}

#[test]
fn a_call_is_charged_by_the_hour_that_it_came_in_at_not_the_one_it_ended_in() {
    let usage = Some(Usage { input: 10, output: 5, ..Usage::default() });
    for (at, cost, unit_prices) in [
        ("2026-11-23T09:59:59.999Z", "0.000033", r#"{"input":1.32,"output":3.96}"#),
        ("2026-11-23T10:00:00Z", "0.0000165", r#"{"input":0.66,"output":1.98}"#),
    ] {
        let at = Timestamp::parse(at).expect(at);
        let (provider, model) = (ProviderId::new("deepseek"), Some("deepseek-v4-pro".into()));
        let call = CallRecord { at, provider, model, ..record(1) };
        let closed = filled(call, &Findings { usage, ..Findings::default() });
        assert_eq!(closed.cost.map(|cost| cost.to_string()).as_deref(), Some(cost));
        assert_eq!(closed.unit_prices.as_deref(), Some(unit_prices));
    }
}

#[test]
fn what_only_the_request_tells_is_charged_too() {
    let found = |usage| Findings { usage: Some(usage), ..Findings::default() };
    let tokens = found(Usage { input: 100, output: 10, ..Usage::default() });
    let pages = found(Usage { pages: 7, ..Usage::default() });
    let annotated = Some(Usage { annotated: true, ..Usage::default() });
    let image = Some(Usage { images_out: 2, ..Usage::default() });
    let special = image.map(|image| Usage { unmeasured: true, ..image });
    let unsaid = Findings::default();
    for (provider, model, findings, presumed, region, cost) in [
        ("openai", "gpt-5.4", &tokens, None, HostRegion::None, Some("0.0004")),
        ("openai", "gpt-5.4", &tokens, None, HostRegion::Eu, Some("0.00044")),
        ("openai", "gpt-5.4", &tokens, None, HostRegion::Other, None),
        ("mistral", "mistral-ocr-2512", &pages, None, HostRegion::None, Some("0.014")),
        ("mistral", "mistral-ocr-2512", &pages, annotated, HostRegion::None, Some("0.021")),
        ("mistral", "mistral-ocr-2512", &unsaid, annotated, HostRegion::None, None),
        ("xai", "grok-imagine-image", &unsaid, image, HostRegion::None, Some("0.04")),
        ("xai", "grok-imagine-image", &unsaid, special, HostRegion::None, None),
        ("openai", "gpt-image-1.5", &unsaid, image, HostRegion::None, None),
    ] {
        let (provider, named) = (ProviderId::new(provider), Some(model.into()));
        let call = CallRecord { provider, model: named, ..record(1) };
        let closed = filled_with(call, findings, presumed, region);
        assert_eq!(closed.cost.map(|c| c.to_string()).as_deref(), cost, "{model} {presumed:?}");
        assert_eq!(closed.usage.is_some(), findings.usage.is_some() || cost.is_some(), "{model}");
    }
}

#[test]
fn what_the_provider_says_it_charged_goes_before_a_list_and_after_an_agreement() {
    let usage = Some(Usage { input: 10, output: 5, ..Usage::default() });
    let told = Some(PicoUsd::from_pico(140_000_000));
    for (model, cost, expected, unit_prices) in [
        ("gpt-5.4", told, Some("0.00014"), None),
        ("gpt-5.4", None, Some("0.0001"), Some(r#"{"input":2.5,"output":15}"#)),
        ("secret", told, Some("0.00014"), None),
        ("mine", told, Some("0.00006"), Some(r#"{"input":2,"output":8}"#)),
    ] {
        let call = CallRecord { model: Some(model.into()), ..record(1) };
        let closed = filled(call, &Findings { usage, cost, ..Findings::default() });
        assert_eq!(closed.cost.map(|cost| cost.to_string()).as_deref(), expected, "{model}");
        assert_eq!(closed.unit_prices.as_deref(), unit_prices, "{model}");
    }
}

#[test]
fn of_a_message_that_was_cut_what_had_come_of_it_counts() {
    let begun = Usage { input: 10, output: 1, ..Usage::default() };
    let final_count = Usage { output: 3, ..begun };
    for (usage, preliminary, events, output, estimated) in [
        (begun, true, 40, 40, true),
        (begun, true, 0, 1, false),
        (final_count, false, 40, 3, false),
    ] {
        let findings = Findings { usage: Some(usage), preliminary, events, ..Findings::default() };
        let closed = filled(record(1), &findings);
        assert_eq!(closed.usage, Some(Usage { output, ..begun }));
        assert_eq!(closed.usage_estimated, estimated);
    }
}
