//! The schedule as a table, and how it spreads.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn hours(after: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "hours of days")]
    let millis = age_ms(NOW, after) as f64;
    millis / 3_600_000.0
}

#[test]
fn what_was_told_lately_is_not_asked_for_again() {
    for (told, fresh) in [
        (None, false),
        (Some(0), true),
        (Some(-1), true),
        (Some(-FRESH_MS + 1), true),
        (Some(-FRESH_MS), false),
        (Some(-DAY_MS), false),
        // A clock was put back, by an hour or by years.
        (Some(1), false),
        (Some(HOUR_MS), false),
        (Some(i64::MAX), false),
    ] {
        let at = told.map(|millis| NOW.plus_millis(millis));
        assert_eq!(is_fresh(at, NOW), fresh, "{told:?}");
    }
}

#[test]
fn a_key_is_asked_about_within_a_day_of_the_last_verdict_and_not_before_it_is_stale() {
    for (random, expected) in [(0, 12.0), (1 << 31, 18.0), (u32::MAX, 24.0)] {
        let due = after_verdict(NOW, random);
        assert!((hours(due) - expected).abs() < 0.001, "{random}: {}", hours(due));
        assert!(due < NOW.plus_millis(DAY_MS), "{random}");
        assert!(!is_fresh(Some(NOW), due), "{random}");
    }
}

#[test]
fn a_provider_that_cannot_be_asked_is_left_alone_longer_each_time() {
    for (tries, least, most) in [
        (0, 0.25, 0.375),
        (1, 0.5, 0.75),
        (2, 1.0, 1.5),
        (3, 2.0, 3.0),
        (4, 4.0, 6.0),
        (5, 4.0, 6.0),
        (63, 4.0, 6.0),
        (u32::MAX, 4.0, 6.0),
    ] {
        for (random, expected) in [(0, least), (u32::MAX, most)] {
            let due = after_silence(NOW, tries, random);
            assert!((hours(due) - expected).abs() < 0.001, "{tries}, {random}: {}", hours(due));
        }
    }
}

#[test]
fn a_hundred_thousand_keys_of_one_moment_are_asked_about_at_an_even_pace() {
    const KEYS: u32 = 100_000;
    let mut seed = 1_u32;
    let mut random = move || {
        // A full-period generator, so that the test repeats.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed ^ (seed >> 16)
    };
    let mut due = vec![NOW; KEYS as usize];
    for round in 1..=5 {
        for at in &mut due {
            *at = after_verdict(*at, random());
        }
        let mut by_hour = [0_u32; 24];
        for at in &due {
            let hour = at.as_millis().rem_euclid(DAY_MS) / HOUR_MS;
            by_hour[usize::try_from(hour).expect("an hour")] += 1;
        }
        let most = by_hour.iter().max().expect("hours");
        // In an even day an hour has 4,167 of them.
        let bound = match round {
            1 | 2 => 8_800,
            3 | 4 => 6_500,
            _ => 5_400,
        };
        assert!(*most <= bound, "round {round}: {by_hour:?}");
    }
}
