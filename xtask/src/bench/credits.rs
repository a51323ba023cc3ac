//! What calls on credits cost those on customers' own keys: these at a constant rate alone, beside
//! many more on own keys, and beside as many on credits, which are held for, settled and checked.

use serde_json::{Value, json};

use super::calls::Calls;
use super::figures::Figures;
use super::http;
use super::lab::Lab;
use super::measures::{Beside, Measure, Quantile};
use super::options::Section;
use super::target::Target;

type Failure = Box<dyn std::error::Error>;

/// Calls a second on own keys: those whose latency is told.
pub(super) const OWN_RATE: u32 = 500;

/// Calls a second beside them.
pub(super) const RATE: u32 = 2000;

/// How many customers call on credits.
const CUSTOMERS: u32 = 200;

/// What each of them is given.
const GRANT: u64 = 1_000_000_000;

/// A call's price in credits: 9 tokens in and 9 out of gpt-4o-mini cost less than one.
const PRICE: u64 = 1;

/// As many calls on credits may be under way: each waits for a commit that it shares.
const WORKERS: u32 = 256;

pub(super) fn measure(lab: &Lab, figures: &mut Figures) -> Result<(), Failure> {
    let (_stand_in, address) = lab.stand_in(1)?;
    let kinds = lab.options.targets(Section::Credits);
    let targets: Vec<Target> =
        kinds.iter().map(|kind| Target::start(lab, *kind, address)).collect::<Result<_, _>>()?;
    for target in &targets {
        sell_credits(target)?;
    }
    let mut paid = vec![0; targets.len()];
    for _ in 0..lab.options.rounds.min(3) {
        for beside in Beside::ALL {
            for (target, paid) in targets.iter().zip(&mut paid) {
                *paid += turn(lab, target, beside, figures)?;
            }
        }
    }
    for (target, paid) in targets.iter().zip(paid) {
        check_the_books(target, paid)?;
        for quantile in [Quantile::P50, Quantile::P99] {
            let of = |beside| figures.median(Measure::OwnLatency { beside, quantile }, target.kind);
            let [Some(alone), Some(own), Some(credits)] = Beside::ALL.map(of) else { continue };
            for (over, base) in [(Beside::Nothing, alone), (Beside::OwnKeys, own)] {
                figures.add(Measure::Slowed { over, quantile }, target.kind, credits / base);
            }
        }
    }
    Ok(())
}

/// Measures calls on own keys beside others; how many of those were answered on credits.
fn turn(lab: &Lab, target: &Target, beside: Beside, figures: &mut Figures) -> Result<u64, Failure> {
    let seconds = lab.options.seconds(10, 3);
    let own = Calls::of(target, OWN_RATE, seconds);
    // Begins with them and outlasts them.
    let others = Calls { workers: WORKERS, ..Calls::of(target, RATE, seconds + 2) };
    let others = match beside {
        Beside::Nothing => None,
        Beside::OwnKeys => Some(others),
        Beside::Credits => Some(on_credits(others)),
    };
    let others = others.map(|calls| calls.start(lab)).transpose()?;
    let own = own.start(lab)?.finish()?;
    let others = others.map(|calls| calls.finish()).transpose()?.unwrap_or_default();
    let busy = target.settle()?;
    let name = target.kind.name();
    println!("{name:10} {}: {}; {}", beside.name(), own["latency"], others);
    let number = |value: &Value| value.as_f64().ok_or("byok-load gave no figure");
    for quantile in [Quantile::P50, Quantile::P99] {
        let micros = number(&own["latency"][quantile.field()])?;
        figures.add(Measure::OwnLatency { beside, quantile }, target.kind, micros);
        if beside == Beside::Credits {
            let micros = number(&others["latency"][quantile.field()])?;
            figures.add(Measure::CreditLatency { quantile }, target.kind, micros);
        }
    }
    if beside != Beside::Credits {
        return Ok(0);
    }
    figures.add(Measure::CreditCalls, target.kind, number(&others["per_second"])?);
    figures.add(Measure::CreditBacklog, target.kind, busy);
    Ok(others["answered"].as_u64().unwrap_or_default())
}

/// The same calls, made by customers who have no keys.
pub(super) fn on_credits(calls: Calls<'_>) -> Calls<'_> {
    let named = format!("x-byo-ref-id: {}", customer("{}"));
    let headers = vec![calls.target.headers[0].clone(), named];
    Calls { headers, customers: CUSTOMERS, ..calls }
}

/// Has credits pay where a customer has no key of its own, without a limit.
pub(super) fn sell_credits(target: &Target) -> Result<(), Failure> {
    let (address, headers) = (target.address, &target.headers);
    let key = json!({"providerKey": "sk-bench-platform-0123456789"});
    let put = |path: &str, body: &Value| http::json(path, http::put(address, path, headers, body));
    put("/platform-keys/openai", &key)?;
    put("/tiers", &json!([{"name": "unlimited", "byokAllowed": true, "default": true}]))?;
    let mut headers = headers.clone();
    headers.push("idempotency-key: bench".to_owned());
    for number in 0..CUSTOMERS {
        let path = format!("/customers/{}/credits", customer(number));
        http::json(&path, http::post(address, &path, &headers, &json!({"amount": GRANT})))?;
    }
    Ok(())
}

/// A figure for calls that were not charged, or not once, would be worth nothing.
fn check_the_books(target: &Target, paid: u64) -> Result<(), Failure> {
    let (mut spent, mut held) = (0, 0);
    for number in 0..CUSTOMERS {
        let path = format!("/customers/{}/credits", customer(number));
        let has = http::json(&path, http::get(target.address, &path, &target.headers))?;
        spent += GRANT - has["balance"].as_u64().ok_or("no balance")?;
        held += has["held"].as_u64().ok_or("no holds")?;
    }
    let name = target.kind.name();
    println!("{name:10} answered {paid} calls on credits, charged {spent} credits, holds {held}");
    if (spent, held) == (paid * PRICE, 0) {
        Ok(())
    } else {
        Err(format!("{name} charged {spent} credits for {paid} calls and holds {held}").into())
    }
}

fn customer(number: impl std::fmt::Display) -> String {
    format!("credits-{number}")
}
