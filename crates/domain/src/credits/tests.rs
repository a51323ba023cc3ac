//! Credits against exact fractions, and what holds of holds and charges.

use num_rational::Ratio;
use proptest::prelude::*;

use super::*;
use crate::PicoUsd;
use crate::pricing::PriceTable;

fn rate(per_usd: &str, markup: &str) -> CreditRate {
    let change = CreditRateChange::default()
        .with_credits_per_usd(per_usd)
        .and_then(|change| change.with_markup(markup))
        .expect("sound");
    CreditRate::default().changed(change)
}

#[test]
fn a_dollar_is_ten_thousand_credits_and_parts_of_one_are_rounded_up() {
    for (pico, per_usd, markup, credits) in [
        (0, "10000", "1", 0),
        (1, "10000", "1", 1),
        (100_000_000, "10000", "1", 1),
        (100_000_001, "10000", "1", 2),
        (1_000_000_000_000, "10000", "1", 10_000),
        (1_000_000_000_000, "10000", "1.2", 12_000),
        (1_000_000_000_000, "10000", "1.00001", 10_000),
        (1_000_000_000_000, "0.5", "1", 1),
        (3_000_000_000_000, "0.5", "1", 2),
        (706_000_000, "10000", "1.1", 8),
        (-5, "10000", "1", 0),
        (i64::MAX, "10000000", "100", Credits::MAX.get()),
    ] {
        let charged = rate(per_usd, markup).credits(PicoUsd::from_pico(pico));
        assert_eq!(charged, Credits::new(credits), "{pico} at {per_usd} × {markup}");
    }
}

#[test]
fn a_rate_is_a_number_above_nothing_and_within_reason() {
    let per_usd = |text| CreditRateChange::default().with_credits_per_usd(text).err();
    let markup = |text| CreditRateChange::default().with_markup(text).err();
    for text in ["0", "-1", "0.0000001", "1e-9"] {
        assert_eq!(per_usd(text), Some(BadRate::TooSmall), "{text}");
    }
    for text in ["0", "-0.5", "0.00001"] {
        assert_eq!(markup(text), Some(BadRate::TooSmall), "{text}");
    }
    assert_eq!(per_usd("10000001"), Some(BadRate::TooLarge(10_000_000)));
    assert_eq!(markup("100.1"), Some(BadRate::TooLarge(100)));
    assert_eq!((per_usd("1e7"), per_usd("0.000001")), (None, None));
    assert_eq!((markup("0.0001"), markup("1e2")), (None, None));
}

#[test]
fn a_rate_reads_back_as_it_was_written_and_stands_at_its_default_where_nothing_is_said() {
    for (json, expected) in [
        ("{}", Some(CreditRate::default())),
        (r#"{"markup":1.25}"#, Some(rate("10000", "1.25"))),
        (r#"{"creditsPerUsd":0.1}"#, Some(rate("0.1", "1"))),
        (r#"{"creditsPerUsd":"10000"}"#, None),
        (r#"{"creditsPerUsd":true}"#, None),
        (r#"{"markup":0}"#, None),
    ] {
        let read = serde_json::from_str::<CreditRate>(json).ok();
        assert_eq!(read, expected, "{json}");
        if let Some(read) = read {
            let text = serde_json::to_string(&read).expect("plain");
            assert_eq!(serde_json::from_str::<CreditRate>(&text).ok(), Some(read), "{text}");
        }
    }
}

#[test]
fn credits_are_told_to_be_low_or_gone_once_as_they_pass_the_line() {
    for (before, after, crossing) in [
        (20, 10, None),
        (20, 9, Some(Crossed::Low)),
        (10, 9, Some(Crossed::Low)),
        (9, 8, None),
        (20, 0, Some(Crossed::Exhausted)),
        (9, 0, Some(Crossed::Exhausted)),
        (0, 0, None),
        (0, 5, None),
    ] {
        let told = crossed(Credits::new(before), Credits::new(after), Credits::new(10));
        assert_eq!(told, crossing, "{before} to {after}");
    }
}

#[test]
fn a_call_is_estimated_by_its_length_and_the_output_it_may_have() {
    let table = PriceTable::parse(
        r#"{"p": {
            "chat": {"input": 3, "output": 10, "maxOutput": 1000},
            "open": {"input": 3, "output": 10},
            "embed": {"input": 3},
            "speech": {"perInputSecond": 0.001},
            "voice": {"inputChar": 15},
            "rank": {"perQuery": 0.002},
            "unknown": {"zeroPriced": true, "input": 0, "output": 0}
        }}"#,
    );
    let table = match table {
        Ok(table) => table,
        Err(why) => panic!("{why:?}"),
    };
    let cost = |model: &str, asked| {
        let prices = table.get("p", model).expect("a row");
        estimate(prices, asked).map(|cost| cost.to_string())
    };
    let asked = |bytes, max_tokens, choices| Asked { bytes, max_tokens, choices };
    for (model, asked, usd) in [
        ("chat", asked(3_000, None, 0), Some("0.013")),
        ("chat", asked(3_000, Some(100), 0), Some("0.004")),
        ("chat", asked(2_998, Some(100), 1), Some("0.004")),
        ("chat", asked(3_000, Some(100), 3), Some("0.006")),
        ("chat", asked(3_000, Some(u64::MAX), 0), Some("0.013")),
        ("open", asked(3_000, None, 0), Some("0.04396")),
        ("embed", asked(3_000, None, 0), Some("0.003")),
        ("speech", asked(4_000, None, 0), Some("0.001")),
        ("unknown", asked(3_000, None, 0), None),
    ] {
        assert_eq!(cost(model, asked).as_deref(), usd, "{model} {asked:?}");
    }
    for model in ["voice", "rank"] {
        assert!(cost(model, asked(3_000, None, 0)).is_some(), "{model}");
    }
}

proptest! {
    #[test]
    fn credits_are_the_exact_product_rounded_up(
        pico in 0..=i64::MAX, per_usd in 1_u64..10_000_000_000_000, markup in 1_u64..1_000_000,
    ) {
        let shown = |scaled: u64, one: u64, width| format!("{}.{:0width$}", scaled / one, scaled % one);
        let rate = rate(&shown(per_usd, 1_000_000, 6), &shown(markup, 10_000, 4));
        let exact = Ratio::new(u128::from(pico.unsigned_abs()), 1_000_000_000_000)
            * Ratio::new(u128::from(per_usd), 1_000_000)
            * Ratio::new(u128::from(markup), 10_000);
        let expected = exact.ceil().to_integer().min(u128::from(Credits::MAX.get()));
        let charged = rate.credits(PicoUsd::from_pico(pico));
        prop_assert_eq!(u128::from(charged.get()), expected);
    }

    #[test]
    fn a_dearer_call_is_never_charged_less_and_two_in_one_never_more_than_both(
        a in 0..1_000_000_000_000_i64, b in 0..1_000_000_000_000_i64, markup in 1_u64..1_000_000,
    ) {
        let rate = rate("10000", &format!("{}.{:04}", markup / 10_000, markup % 10_000));
        let credits = |pico| rate.credits(PicoUsd::from_pico(pico)).get();
        prop_assert!(credits(a) <= credits(a + b));
        prop_assert!(credits(a + b) <= credits(a) + credits(b));
    }

    #[test]
    fn a_charge_and_its_shortfall_are_the_cost_and_no_balance_falls_below_nothing(
        cost in any::<u64>(), balance in any::<u64>(),
    ) {
        let Settlement { charged, shortfall } = settle(Credits::new(cost), Credits::new(balance));
        prop_assert_eq!(u128::from(charged.get()) + u128::from(shortfall.get()), u128::from(cost));
        prop_assert!(charged.get() <= balance);
        prop_assert!(shortfall == Credits::ZERO || charged.get() == balance);
    }

    #[test]
    fn no_more_is_held_than_there_is_and_nothing_only_when_there_is_nothing(
        estimate in any::<u64>(), available in any::<u64>(),
    ) {
        match hold(Credits::new(estimate), Credits::new(available)) {
            None => prop_assert_eq!(available, 0),
            Some(held) => {
                prop_assert!(held.get() >= 1 && held.get() <= available);
                prop_assert!(held.get() <= estimate.max(1));
            }
        }
    }
}
