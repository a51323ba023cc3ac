//! What it takes to decide who pays: `cargo bench --package byok-domain`.
//!
//! Every combination of the inputs takes its turn, so that no branch is one that the processor has
//! learnt by heart.

use std::hint::black_box;

use byok_domain::routing::{
    CreditsSide, Failed, FallbackOn, Inputs, KeysState, Mode, NextKey, Plan, after_failure, decide,
};
use byok_domain::{ErrorClass, KeySource, KeyStatus};
use criterion::Criterion;

/// Keys that a customer may have for one provider in the second benchmark.
const KEYS: usize = 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let inputs = every_input();
    let mut turns = inputs.iter().cycle();
    criterion.bench_function("decide", |bencher| {
        bencher.iter(|| decide(black_box(*next(&mut turns))));
    });
    let keys = some_keys();
    criterion.bench_function("decide, from the state of ten keys", |bencher| {
        bencher.iter(|| {
            let keys = KeysState::of(black_box(&keys).iter().copied());
            decide(black_box(Inputs { keys, ..*next(&mut turns) }))
        });
    });
    let failures = every_failure();
    let mut turns = failures.iter().cycle();
    criterion.bench_function("after_failure", |bencher| {
        bencher.iter(|| after_failure(black_box(*next(&mut turns))));
    });
    criterion.final_summary();
}

fn next<'a, T>(turns: &mut impl Iterator<Item = &'a T>) -> &'a T {
    turns.next().expect("a cycle does not end")
}

fn every_input() -> Vec<Inputs> {
    let mut all = Vec::new();
    for (byok_enabled, byok_allowed, falls_back) in
        (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0))
    {
        for mode in Mode::ALL {
            for keys in
                [KeysState::None, KeysState::Invalid, KeysState::CircuitOpen, KeysState::Usable]
            {
                for credits in [
                    CreditsSide::NoPlatformKeys,
                    CreditsSide::OtherProviders,
                    CreditsSide::Empty,
                    CreditsSide::Available,
                ] {
                    all.push(Inputs {
                        byok_enabled,
                        byok_allowed,
                        mode,
                        keys,
                        falls_back,
                        credits,
                    });
                }
            }
        }
    }
    all
}

/// Most of them of no use, so that the last decides.
fn some_keys() -> [(KeyStatus, bool); KEYS] {
    let mut keys = [(KeyStatus::Invalid, false); KEYS];
    keys[KEYS / 2] = (KeyStatus::Valid, true);
    keys[KEYS - 1] = (KeyStatus::Unverified, false);
    keys
}

fn every_failure() -> Vec<Failed> {
    let mut all = Vec::new();
    for class in [
        ErrorClass::KeyRejected,
        ErrorClass::QuotaExhausted,
        ErrorClass::ProviderDown,
        ErrorClass::RateLimited,
        ErrorClass::RequestRejected,
    ] {
        for mode in Mode::ALL {
            for next_key in [NextKey::None, NextKey::SameBase, NextKey::OtherBase] {
                for (source, plan) in [
                    (KeySource::Byok, Plan::Byok),
                    (KeySource::Byok, Plan::ByokThenCredits),
                    (KeySource::Credits, Plan::CreditsThenByok),
                ] {
                    all.push(Failed {
                        class,
                        source,
                        next_key,
                        plan,
                        mode,
                        fallback_on: FallbackOn::default(),
                        credits: CreditsSide::Available,
                    });
                }
            }
        }
    }
    all
}
