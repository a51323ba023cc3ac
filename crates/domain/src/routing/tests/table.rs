//! Every combination of what decides who pays, as the table that the manual shows.

use super::super::*;
use super::printed::{Left, printed};

const COLUMNS: [KeysState; 4] =
    [KeysState::Usable, KeysState::CircuitOpen, KeysState::Invalid, KeysState::None];

/// What stands to the left of a row, a name and its values each, from the left.
const ROWS: [Left<'_>; 4] = [
    ("own keys", &["project and plan", "not the plan", "not the project", "neither"]),
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

fn cell(row: &[usize], keys: KeysState) -> String {
    let inputs = Inputs {
        byok_enabled: row[0] < 2,
        byok_allowed: row[0].is_multiple_of(2),
        mode: Mode::ALL[row[1]],
        keys,
        falls_back: row[3] == 0,
        credits: CREDITS[row[2]],
    };
    match decide(inputs) {
        Ok(Plan::Byok) => "byok".into(),
        Ok(Plan::ByokThenCredits) => "byok, then credits".into(),
        Ok(Plan::Credits { because: None }) => "credits".into(),
        Ok(Plan::Credits { because: Some(why) }) => format!("credits: {}", why.as_str()),
        Ok(Plan::CreditsThenByok) => "credits, then byok".into(),
        Err(Refusal::InsufficientCredits) => "402 insufficient_credits".into(),
        Err(Refusal::ByokRequired) => "402 byok_required".into(),
        Err(Refusal::KeyNotConnected) => "404 key_not_connected".into(),
        Err(Refusal::ByokNotInPlan) => "403 byok_not_in_plan".into(),
    }
}

#[test]
fn who_pays_is_decided_as_the_table_says_for_every_combination() {
    let keys = ["key usable", "circuit open", "key invalid", "no key"];
    let cells = |row: &[usize]| COLUMNS.map(|keys| cell(row, keys)).to_vec();
    let printed = printed(&ROWS, &keys, &cells);
    assert_eq!(printed, include_str!("table.txt"), "it is decided so:\n{printed}");
}
