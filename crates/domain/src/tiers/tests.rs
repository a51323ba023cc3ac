//! The built-in plans, and what a project may make of them.

use super::*;

fn tier(name: &str) -> Tier {
    Tier {
        name: name.to_owned(),
        byok_allowed: true,
        requests_per_minute: Some(1),
        tokens_per_day: None,
        concurrent_requests: Some(MOST),
        default: false,
    }
}

#[test]
fn the_built_in_plans_are_those_of_the_manual() {
    assert_eq!(
        serde_json::to_value(Tiers::default()).expect("plain"),
        serde_json::json!([
            {"name": "free", "byokAllowed": false, "requestsPerMinute": 10,
             "tokensPerDay": 100_000, "concurrentRequests": 3},
            {"name": "premium", "byokAllowed": true, "requestsPerMinute": 100,
             "tokensPerDay": 2_000_000, "concurrentRequests": 10, "default": true},
            {"name": "lifetime", "byokAllowed": true, "requestsPerMinute": 100,
             "tokensPerDay": 2_000_000, "concurrentRequests": 10},
        ])
    );
    assert_eq!(Tiers::parse(Vec::new()), Ok(Tiers::built_in()));
}

#[test]
fn a_customer_on_no_tier_or_on_one_that_is_gone_is_on_the_default() {
    let marked = Tier { default: true, ..tier("b") };
    for (tiers, default) in [
        (vec![tier("a"), marked, tier("premium")], "b"),
        (vec![tier("a"), tier("premium")], "premium"),
        (vec![tier("a"), tier("b")], "a"),
    ] {
        let tiers = Tiers::parse(tiers).expect("sound");
        assert_eq!(tiers.of(None).name, default);
        assert_eq!(tiers.of(Some("gone")).name, default);
        assert_eq!(tiers.of(Some("a")).name, "a");
        assert_eq!(tiers.iter().filter(|tier| tier.default).count(), 1);
    }
}

#[test]
fn what_is_wrong_with_a_plan_is_named_field_by_field() {
    let marked = |name| Tier { default: true, ..tier(name) };
    let zero =
        Tier { requests_per_minute: Some(0), concurrent_requests: Some(MOST + 1), ..tier("z") };
    for (tiers, fields) in [
        (vec![tier("")], &["tiers[0].name"][..]),
        (vec![tier("a b")], &["tiers[0].name"]),
        (vec![tier(&"x".repeat(51))], &["tiers[0].name"]),
        (vec![tier("a"), tier("a")], &["tiers[1].name"]),
        (vec![zero], &["tiers[0].requestsPerMinute", "tiers[0].concurrentRequests"]),
        (vec![marked("a"), marked("b")], &["tiers"]),
        ((0..51).map(|n| tier(&format!("t{n}"))).collect(), &["tiers"]),
    ] {
        let errors = Tiers::parse(tiers).expect_err("unsound");
        let named: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(named, fields);
    }
}
