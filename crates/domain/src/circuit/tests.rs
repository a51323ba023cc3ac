//! The circuit step by step, and what holds whatever happens.

use proptest::prelude::*;

use super::*;

const DOWN: Outcome = Outcome::Down { retry_after_ms: None };
const EMPTY: Outcome = Outcome::QuotaExhausted { retry_after_ms: None };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1_000)
}

fn opened(seconds: i64, cause: Cause) -> Option<Change> {
    Some(Change::Opened { until: at(seconds), cause })
}

/// A circuit that opened at second 4.
fn down() -> Circuit {
    let mut circuit = Circuit::default();
    for second in 0..4 {
        assert_eq!(circuit.note(DOWN, at(second), at(second)), None);
    }
    assert_eq!(circuit.note(DOWN, at(4), at(4)), opened(34, Cause::ProviderDown));
    circuit
}

#[test]
fn five_failures_in_thirty_seconds_open_it_and_slower_ones_do_not() {
    for (seconds, opens) in [
        ([0, 1, 2, 3, 4], true),
        ([0, 0, 0, 0, 0], true),
        ([0, 10, 20, 25, 30], true),
        ([0, 10, 20, 25, 31], false),
        ([0, 8, 16, 24, 32], false),
    ] {
        let mut circuit = Circuit::default();
        let changes: Vec<_> =
            seconds.iter().map(|s| circuit.note(DOWN, at(*s), at(*s)).is_some()).collect();
        assert_eq!(changes, [false, false, false, false, opens], "{seconds:?}");
    }
}

#[test]
fn a_success_in_between_starts_the_count_anew_and_a_refusal_does_not() {
    for (between, opens) in
        [(Outcome::Success, false), (Outcome::Refused, true), (Outcome::Unknown, true)]
    {
        let mut circuit = Circuit::default();
        for second in 0..4 {
            circuit.note(DOWN, at(second), at(second));
        }
        assert_eq!(circuit.note(between, at(4), at(4)), None);
        assert_eq!(circuit.note(DOWN, at(5), at(5)).is_some(), opens, "{between:?}");
    }
}

#[test]
fn an_empty_account_opens_it_at_once() {
    let mut circuit = Circuit::default();
    assert_eq!(circuit.note(EMPTY, at(0), at(0)), opened(30, Cause::QuotaExhausted));
}

#[test]
fn a_retry_after_of_the_providers_takes_the_place_of_the_wait_within_a_day() {
    for (told_s, waits_s) in [(5, 5), (3_600, 3_600), (1_000_000, 86_400), (0, 30), (-7, 30)] {
        let mut circuit = Circuit::default();
        let empty = Outcome::QuotaExhausted { retry_after_ms: Some(told_s * 1_000) };
        let change = circuit.note(empty, at(0), at(0));
        assert_eq!(change, opened(waits_s, Cause::QuotaExhausted), "{told_s}");
    }
}

#[test]
fn one_probe_goes_at_a_time_once_the_wait_is_over() {
    let mut circuit = down();
    let open = |seconds| Admission::Open { until: at(seconds), cause: Cause::ProviderDown };
    assert_eq!(circuit.begin(at(33)), open(34));
    assert_eq!(circuit.admits(at(34)), Admission::Probe, "looking takes no place");
    assert_eq!(circuit.begin(at(34)), Admission::Probe);
    assert_eq!(circuit.begin(at(35)), open(154));
    assert_eq!(circuit.begin(at(153)), open(154));
    assert_eq!(circuit.begin(at(154)), Admission::Probe, "the first was never heard of again");
}

#[test]
fn a_probe_whose_caller_left_makes_room_for_the_next() {
    let mut circuit = down();
    circuit.begin(at(34));
    assert_eq!(circuit.note(Outcome::Unknown, at(34), at(36)), None);
    assert_eq!(circuit.begin(at(36)), Admission::Probe);
}

#[test]
fn failed_probes_double_the_wait_up_to_ten_minutes() {
    let mut circuit = down();
    let mut now = 34;
    let waits: Vec<_> = (0..7)
        .map(|_| {
            assert_eq!(circuit.begin(at(now)), Admission::Probe);
            let Some(Change::Opened { until, .. }) = circuit.note(DOWN, at(now), at(now)) else {
                panic!("it stays open");
            };
            let wait = (until.as_millis() - at(now).as_millis()) / 1_000;
            now += wait;
            wait
        })
        .collect();
    assert_eq!(waits, [60, 120, 240, 480, 600, 600, 600]);
}

#[test]
fn an_answer_closes_it_and_the_next_failures_count_from_nothing() {
    let mut circuit = down();
    circuit.begin(at(34));
    assert_eq!(circuit.note(Outcome::Success, at(34), at(35)), Some(Change::Recovered));
    assert_eq!(circuit, Circuit::default());
    for second in 36..40 {
        assert_eq!(circuit.note(DOWN, at(second), at(second)), None);
    }
}

#[test]
fn a_refusal_shows_that_the_provider_is_up_but_not_that_the_account_has_money() {
    let mut circuit = down();
    assert_eq!(circuit.note(Outcome::Refused, at(5), at(6)), Some(Change::Recovered));
    let mut circuit = Circuit::default();
    circuit.note(EMPTY, at(0), at(0));
    assert_eq!(circuit.note(Outcome::Refused, at(30), at(31)), None);
    assert_eq!(circuit.note(Outcome::Success, at(31), at(32)), Some(Change::Recovered));
}

#[test]
fn calls_from_before_it_opened_tell_nothing_of_it() {
    for outcome in [Outcome::Success, Outcome::Refused, DOWN, EMPTY] {
        let mut circuit = down();
        assert_eq!(circuit.note(outcome, at(3), at(60)), None, "{outcome:?}");
    }
}

#[test]
fn failures_during_the_wait_do_not_lengthen_it_and_those_after_it_do() {
    let mut circuit = down();
    assert_eq!(circuit.note(DOWN, at(5), at(6)), None);
    assert_eq!(circuit.note(DOWN, at(34), at(35)), opened(95, Cause::ProviderDown));
}

#[test]
fn one_that_was_open_before_a_restart_is_probed_when_its_wait_is_over() {
    let mut circuit = Circuit::reopened(at(10), Cause::QuotaExhausted);
    let open = Admission::Open { until: at(10), cause: Cause::QuotaExhausted };
    assert_eq!(circuit.begin(at(9)), open);
    assert_eq!(circuit.begin(at(10)), Admission::Probe);
    assert_eq!(circuit.note(Outcome::Success, at(10), at(10)), Some(Change::Recovered));
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_leaves_no_circuit_open_for_an_hour() {
    const HOUR: i64 = 3_600;
    // It opened while the clock was an hour ahead.
    let mut circuit = down();
    let back = |seconds| at(seconds - HOUR);
    assert_eq!(circuit.admits(back(5)), Admission::Probe);
    assert_eq!(circuit.begin(back(5)), Admission::Probe);
    assert!(matches!(circuit.begin(back(6)), Admission::Open { .. }), "one at a time");
    let mut failing = circuit.clone();
    assert_eq!(circuit.note(Outcome::Success, back(5), back(7)), Some(Change::Recovered));
    assert_eq!(circuit, Circuit::default());
    let change = failing.note(DOWN, back(5), back(7));
    assert_eq!(change, Some(Change::Opened { until: back(67), cause: Cause::ProviderDown }));

    // A probe was under way when it was set back.
    let mut circuit = down();
    assert_eq!(circuit.begin(at(34)), Admission::Probe);
    assert_eq!(circuit.begin(back(35)), Admission::Probe);
    assert_eq!(circuit.note(Outcome::Success, back(35), back(36)), Some(Change::Recovered));
}

#[test]
fn a_clock_that_is_set_forward_ends_the_wait_and_failures_before_it_count_no_more() {
    let mut circuit = down();
    assert_eq!(circuit.begin(at(3_605)), Admission::Probe);
    assert_eq!(circuit.note(Outcome::Success, at(3_605), at(3_606)), Some(Change::Recovered));
    for step in [3_600, -3_600] {
        let mut circuit = Circuit::default();
        for second in 0..4 {
            assert_eq!(circuit.note(DOWN, at(second), at(second)), None);
        }
        for second in 5..9 {
            let now = at(second + step);
            assert_eq!(circuit.note(DOWN, now, now), None, "{second} after {step}");
        }
        let now = at(9 + step);
        assert!(circuit.note(DOWN, now, now).is_some(), "five on one side of {step}");
    }
}

#[test]
fn a_call_that_came_in_before_a_circuit_opened_is_no_probe() {
    let mut circuit = down();
    for second in [-100, 0, 3] {
        assert!(matches!(circuit.begin(at(second)), Admission::Open { .. }), "{second}");
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Refused),
        Just(Outcome::Unknown),
        (0_i64..200_000).prop_map(|ms| Outcome::Down { retry_after_ms: Some(ms) }),
        Just(DOWN),
        Just(DOWN),
        Just(EMPTY),
    ]
}

proptest! {
    #[test]
    fn an_open_circuit_always_ends_its_wait_and_lets_one_probe_go_at_a_time(
        steps in prop::collection::vec((0_i64..40_000, outcome()), 1..60),
    ) {
        let mut circuit = Circuit::default();
        let mut now = Timestamp::from_millis(0);
        for (later, outcome) in steps {
            now = now.plus_millis(later);
            match circuit.begin(now) {
                Admission::Open { until, .. } => {
                    prop_assert!(until > now);
                    prop_assert!(until <= now.plus_millis(WAIT_MS.1.max(200_000)));
                    prop_assert_ne!(circuit.admits(until), Admission::Closed);
                    now = until;
                    prop_assert_eq!(circuit.begin(now), Admission::Probe);
                }
                Admission::Probe | Admission::Closed => {}
            }
            if !matches!(circuit.admits(now), Admission::Closed) {
                prop_assert_ne!(circuit.begin(now), Admission::Probe);
            }
            circuit.note(outcome, now, now);
        }
    }
}
