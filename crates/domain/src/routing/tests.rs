//! The rules of routing as tables.

mod after;
mod printed;
mod table;

use super::*;
use crate::{KeyStatus, ProviderKeyId, Timestamp};

#[test]
fn keys_are_tried_by_priority_then_age_and_invalid_ones_last() {
    use KeyStatus::{Invalid, Unverified, Valid};
    let ids = ["late", "bad", "second", "early"].map(ProviderKeyId::new);
    let key = |at: usize, priority, created, status| Candidate {
        id: &ids[at],
        priority,
        created_at: Timestamp::from_millis(created),
        status,
    };
    let mut keys = [
        key(0, 0, 9, Valid),
        key(1, -5, 1, Invalid),
        key(2, 1, 1, Valid),
        key(3, 0, 2, Unverified),
    ];
    keys.sort_by(compare);
    assert_eq!(keys.map(|key| key.id.as_str()), ["early", "late", "second", "bad"]);
}

#[test]
fn keys_are_as_good_as_the_best_of_them() {
    use KeyStatus::{Invalid, Unverified, Valid};
    for (keys, state) in [
        (&[][..], KeysState::None),
        (&[(Invalid, false)], KeysState::Invalid),
        (&[(Invalid, true)], KeysState::Invalid),
        (&[(Invalid, false), (Valid, true)], KeysState::CircuitOpen),
        (&[(Valid, true), (Unverified, false)], KeysState::Usable),
        (&[(Unverified, false), (Invalid, false)], KeysState::Usable),
    ] {
        assert_eq!(KeysState::of(keys.iter().copied()), state, "{keys:?}");
    }
}

#[test]
fn settings_stand_at_their_defaults_where_nothing_is_said_and_keep_what_is() {
    let default = RoutingSettings::default();
    assert_eq!(serde_json::from_str::<RoutingSettings>("{}").ok(), Some(default));
    assert_eq!(
        serde_json::to_string(&default).expect("plain"),
        r#"{"byokEnabled":true,"mode":"byok_first","fallbackOn":["key_rejected","quota_exhausted","provider_down"],"creditRate":{"creditsPerUsd":10000,"markup":1},"creditsLow":1000}"#
    );
    let quiet = RoutingChange { fallback_on: Some(FallbackOn::NONE), ..Default::default() };
    let changed = default.changed(quiet);
    let text = serde_json::to_string(&changed).expect("plain");
    assert!(text.contains(r#""fallbackOn":[]"#));
    assert_eq!(serde_json::from_str::<RoutingSettings>(&text).ok(), Some(changed));
    for bad in [r#"{"mode":"any"}"#, r#"{"fallbackOn":["no_key"]}"#, r#"{"fallbackOn":["x"]}"#] {
        assert!(serde_json::from_str::<RoutingSettings>(bad).is_err(), "{bad}");
    }
}
