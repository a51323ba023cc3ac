//! Which prices a call is said to have been charged by.

use std::sync::Arc;

use super::golden::rows;
use crate::pricing::PriceTable;
use crate::usage::ServiceTier;
use crate::{Timestamp, Usage};

#[test]
fn a_call_names_the_prices_that_entered_its_cost_and_no_others() {
    let rows = rows();
    let some = Usage { input: 36, cache_read: 64, output: 40, reasoning: 20, ..Usage::default() };
    for (model, usage, expected) in [
        ("gpt-5.4", some, r#"{"input":2.5,"output":15,"cacheRead":0.25}"#),
        ("gpt-5.4", Usage { cache_read: 0, ..some }, r#"{"input":2.5,"output":15}"#),
        (
            "gpt-5.4",
            Usage { input: 300_000, tier: ServiceTier::Batch, ..some },
            r#"{"inputAbove272kBatch":2.5,"outputAbove272kBatch":11.25,"cacheReadAbove272kBatch":0.25}"#,
        ),
        (
            "claude-opus-4-7",
            Usage { tier: ServiceTier::Batch, cache_write_1h: 5, input: 1, ..Usage::default() },
            r#"{"inputBatch":2.5,"cacheWrite1h":10}"#,
        ),
        // Derived from the price of five minutes, which is what is named.
        ("writes5m", Usage { cache_write_1h: 7, ..Usage::default() }, r#"{"cacheWrite":3.13}"#),
        (
            "gpt-audio",
            Usage { input: 9, audio_input: 9, ..Usage::default() },
            r#"{"audioInput":32}"#,
        ),
        ("thinker", Usage { output: 70, reasoning: 70, ..Usage::default() }, r#"{"reasoning":8}"#),
        (
            "whisper-1",
            Usage { audio_millis: 1, ..Usage::default() },
            r#"{"perInputSecond":0.0001}"#,
        ),
        ("reranker", Usage { search_units: 1, ..Usage::default() }, r#"{"perQuery":0.002}"#),
        (
            "swift",
            Usage { output: 1, fast: true, web_searches: 1, ..Usage::default() },
            r#"{"output":25,"webSearchPer1k":10,"multFast":6}"#,
        ),
        ("odd", Usage { output: 1, ..Usage::default() }, r#"{"output":0.000000000001}"#),
        ("free", Usage { input: 1, ..Usage::default() }, r#"{"input":0}"#),
    ] {
        let priced = rows.get("any", model).expect(model).price(&usage).expect(model);
        assert_eq!(priced.unit_prices.as_deref(), Some(expected), "{model}");
        assert_eq!(Some(priced.cost), rows.get("any", model).expect(model).cost(&usage));
    }
    let nothing = rows.get("any", "gpt-5.4").expect("a row").price(&Usage::default());
    assert_eq!(nothing.expect("free").unit_prices, None);
}

#[test]
fn a_call_names_the_prices_of_its_hour() {
    let rows = rows();
    let row = rows.get("any", "deepseek-v4-pro").expect("a row");
    let usage = Usage { input: 1, output: 1, ..Usage::default() };
    for (at, expected) in [
        ("2026-11-23T09:00:00Z", r#"{"input":1.32,"output":3.96}"#),
        ("2026-11-23T11:00:00Z", r#"{"input":0.66,"output":1.98}"#),
    ] {
        let priced = row.at(Timestamp::parse(at).expect(at)).price(&usage).expect("priced");
        assert_eq!(priced.unit_prices.as_deref(), Some(expected), "{at}");
    }
}

#[test]
fn calls_charged_alike_share_one_text_and_more_ways_than_are_kept_are_right_too() {
    let rows = rows();
    let row = rows.get("any", "gpt-realtime").expect("a row");
    let usage = |mask: u64| {
        let bit = |at: u64| mask >> at & 1;
        Usage {
            input: bit(0),
            output: bit(1),
            cache_read: bit(2),
            cache_write: bit(3),
            ..Usage::default()
        }
    };
    let text = |mask| row.price(&usage(mask)).expect("priced").unit_prices.expect("some");
    let texts: Vec<Arc<str>> = (1..16).map(text).collect();
    for (mask, first) in (1..16).zip(&texts) {
        assert_eq!(&text(mask), first);
    }
    let shared = (1..16).zip(&texts).filter(|(mask, first)| Arc::ptr_eq(&text(*mask), first));
    assert!(shared.count() >= 8);
    let copy = row.clone();
    assert_eq!(&copy, row);
    assert_eq!(copy.price(&usage(3)).expect("priced").unit_prices, Some(text(3)));
}

#[test]
fn a_row_has_at_most_a_hundred_and_twenty_eight_prices() {
    let table = |count: u32| {
        let fields: Vec<_> = (1..=count).map(|k| format!("\"inputAbove{k}k\": {k}")).collect();
        PriceTable::parse(&format!("{{\"openai\": {{\"m\": {{{}}}}}}}", fields.join(",")))
    };
    let most = table(128).expect("as many as may be");
    let row = most.get("openai", "m").expect("a row");
    let priced = row.price(&Usage { input: 900_000, ..Usage::default() }).expect("priced");
    assert_eq!(priced.unit_prices.as_deref(), Some(r#"{"inputAbove128k":128}"#));
    assert!(table(129).expect_err("too many").to_string().contains("more than 128 prices"));
}
