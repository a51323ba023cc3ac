//! Every combination of what decides after a failed attempt, as a table.

use super::super::*;
use super::printed::{Left, printed};
use crate::{ErrorClass, KeySource};

const CLASSES: [ErrorClass; 7] = [
    ErrorClass::KeyRejected,
    ErrorClass::QuotaExhausted,
    ErrorClass::ProviderDown,
    ErrorClass::RateLimited,
    ErrorClass::RequestRejected,
    ErrorClass::Truncated,
    ErrorClass::ClientClosed,
];

const ROWS: [Left<'_>; 4] = [
    ("plan", &["byok, then credits", "byok"]),
    ("mode", &["byok_first", "credit_first", "byok_only"]),
    ("credits", &["some", "none left", "no such platform key", "no platform key"]),
    ("fallbackOn", &["lists it", "lacks it"]),
];

const CREDITS: [CreditsSide; 4] = [
    CreditsSide::Available,
    CreditsSide::Empty,
    CreditsSide::OtherProviders,
    CreditsSide::NoPlatformKeys,
];

fn shown(step: Step) -> String {
    match step {
        Step::NextKey => "next key".into(),
        Step::Credits(why) => format!("credits: {}", why.as_str()),
        Step::Answer => "answer".into(),
        Step::Refuse(Refusal::ByokRequired) => "402 byok_required".into(),
        Step::Refuse(Refusal::InsufficientCredits) => "402 insufficient_credits".into(),
        Step::Refuse(other) => format!("{other:?}"),
    }
}

/// What comes of a failure of the customer's last key, in the order of [`CLASSES`].
fn last(row: &[usize]) -> Vec<String> {
    let step = |class| {
        shown(after_failure(Failed {
            class,
            source: KeySource::Byok,
            next_key: NextKey::None,
            plan: [Plan::ByokThenCredits, Plan::Byok][row[0]],
            mode: Mode::ALL[row[1]],
            fallback_on: [FallbackOn::default(), FallbackOn::NONE][row[3]],
            credits: CREDITS[row[2]],
        }))
    };
    CLASSES.map(step).to_vec()
}

#[test]
fn what_a_failure_of_the_last_key_leads_to_is_as_the_table_says() {
    let printed = printed(&ROWS, &CLASSES.map(ErrorClass::as_str), &last);
    assert_eq!(printed, include_str!("after.txt"), "it is decided so:\n{printed}");
}

fn failed(class: ErrorClass, next_key: NextKey) -> Failed {
    Failed {
        class,
        source: KeySource::Byok,
        next_key,
        plan: Plan::ByokThenCredits,
        mode: Mode::ByokFirst,
        fallback_on: FallbackOn::default(),
        credits: CreditsSide::Available,
    }
}

#[test]
fn another_key_is_tried_before_credits_and_for_a_provider_that_is_down_only_elsewhere() {
    use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted};
    for (class, same_base, other_base) in [
        (KeyRejected, true, true),
        (QuotaExhausted, true, true),
        (ProviderDown, false, true),
        (ErrorClass::RateLimited, false, false),
        (ErrorClass::RequestRejected, false, false),
        (ErrorClass::Truncated, false, false),
        (ErrorClass::ClientClosed, false, false),
    ] {
        let tries = |next_key| after_failure(failed(class, next_key)) == Step::NextKey;
        assert_eq!(tries(NextKey::SameBase), same_base, "{class:?}");
        assert_eq!(tries(NextKey::OtherBase), other_base, "{class:?}");
        assert!(!tries(NextKey::None), "{class:?}");
    }
}

#[test]
fn what_credits_pay_for_is_answered_as_it_is() {
    for class in CLASSES {
        for next_key in [NextKey::None, NextKey::SameBase, NextKey::OtherBase] {
            let failed = Failed { source: KeySource::Credits, ..failed(class, next_key) };
            assert_eq!(after_failure(failed), Step::Answer, "{class:?} {next_key:?}");
        }
    }
}
