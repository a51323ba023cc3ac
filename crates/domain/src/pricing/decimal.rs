//! Decimal text to scaled integers and back, never through a float.

use std::fmt;

use crate::PicoUsd;

/// Why a number cannot be a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadNumber {
    /// Below zero.
    Negative,
    /// Over the limit of its field.
    TooLarge,
    /// Above zero, but under half of the finest step.
    TooSmall,
}

/// Significant digits taken into account; the rest decides a tie and nothing else.
const DIGITS: u32 = 30;

/// The number that the JSON number `text` spells, times 10^`decimals`, rounded half to even.
///
/// A number of more decimals than that is one that went through somebody's float; its nearest
/// step is what was meant. What would round to nothing is refused instead.
pub(crate) fn parse(text: &str, decimals: u32, limit: u64) -> Result<u64, BadNumber> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, parse_exponent(exponent)),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));

    let mut mantissa: u128 = 0;
    let mut taken = 0;
    let mut dropped: i64 = 0;
    let mut sticky = false;
    for digit in whole.bytes().chain(fraction.bytes()).map(|b| u128::from(b.wrapping_sub(b'0'))) {
        if taken == DIGITS {
            dropped += 1;
            sticky |= digit != 0;
        } else {
            mantissa = mantissa * 10 + digit;
            taken += u32::from(mantissa != 0);
        }
    }
    if mantissa == 0 {
        return Ok(0);
    }
    if negative {
        return Err(BadNumber::Negative);
    }
    let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let shift = exponent
        .saturating_add(dropped)
        .saturating_sub(fraction_len)
        .saturating_add(decimals.into());
    let scaled = if shift >= 0 {
        u32::try_from(shift)
            .ok()
            .and_then(|shift| 10_u128.checked_pow(shift))
            .and_then(|power| mantissa.checked_mul(power))
            .ok_or(BadNumber::TooLarge)?
    } else {
        match u32::try_from(-shift).ok().and_then(|shift| 10_u128.checked_pow(shift)) {
            Some(power) => div_half_even(mantissa, power, sticky),
            None => 0,
        }
    };
    match u64::try_from(scaled) {
        Ok(0) => Err(BadNumber::TooSmall),
        Ok(scaled) if scaled <= limit => Ok(scaled),
        _ => Err(BadNumber::TooLarge),
    }
}

/// An exponent beyond anything that matters saturates.
fn parse_exponent(text: &str) -> i64 {
    let magnitude = text.trim_start_matches(['+', '-']).bytes().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
    });
    if text.starts_with('-') { -magnitude } else { magnitude }
}

/// `numerator / denominator`, rounded half to even; `sticky` says that the numerator is a little
/// more than it shows, so that a half is no tie.
pub(super) fn div_half_even(numerator: u128, denominator: u128, sticky: bool) -> u128 {
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let up = match remainder.cmp(&(denominator - remainder)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => sticky || quotient % 2 == 1,
    };
    quotient + u128::from(up)
}

/// The dollars that a JSON number spells, as an amount; `None` for what is no amount.
pub fn usd(json: &str) -> Option<PicoUsd> {
    let number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let pico = number.then(|| parse(json, 12, i64::MAX.unsigned_abs()).ok()).flatten()?;
    i64::try_from(pico).ok().map(PicoUsd::from_pico)
}

/// Writes a scaled integer as the shortest exact decimal: a JSON number.
pub(crate) struct Decimal {
    pub(crate) scaled: u64,
    pub(crate) decimals: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u64.pow(self.decimals);
        let (whole, fraction) = (self.scaled / one, self.scaled % one);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:0width$}", width = self.decimals as usize);
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1_000_000_000_000_000_000;

    #[test]
    fn reads_every_spelling_of_a_number_exactly() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0", 0),
            ("0e99999999999999999999", 0),
            ("1", 1_000_000_000_000),
            ("2.5", 2_500_000_000_000),
            ("0.000000000001", 1),
            ("1e-12", 1),
            ("1E-12", 1),
            ("10e-13", 1),
            ("0.00000000000001e2", 1),
            ("1.5E+2", 150_000_000_000_000),
            ("1e6", LIMIT),
            ("1000000", LIMIT),
            ("999999.999999999999", LIMIT - 1),
            ("0.30000000000000004", 300_000_000_000),
            ("0.0000000000005", 0),
            ("0.0000000000015", 2),
            ("0.0000000000025", 2),
            ("0.0000000000025000000000000000000000000000000000000001", 3),
            ("123456.78901234567890123456789012345678901234567890", 123_456_789_012_345_679),
        ] {
            let expected =
                if text == "0.0000000000005" { Err(BadNumber::TooSmall) } else { Ok(expected) };
            assert_eq!(parse(text, 12, LIMIT), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_price() {
        for (text, why) in [
            ("-1", BadNumber::Negative),
            ("-1e-300", BadNumber::Negative),
            ("1e-13", BadNumber::TooSmall),
            ("1e-400", BadNumber::TooSmall),
            ("1e-99999999999999999999", BadNumber::TooSmall),
            ("1000000.000000000001", BadNumber::TooLarge),
            ("1e7", BadNumber::TooLarge),
            ("1e400", BadNumber::TooLarge),
            ("1e99999999999999999999", BadNumber::TooLarge),
            (&"9".repeat(5_000), BadNumber::TooLarge),
        ] {
            assert_eq!(parse(text, 12, LIMIT), Err(why), "{text}");
        }
    }

    #[test]
    fn writes_the_shortest_exact_decimal() {
        for (scaled, text) in
            [(0, "0"), (1, "0.000000000001"), (2_500_000_000_000, "2.5"), (LIMIT, "1000000")]
        {
            assert_eq!(Decimal { scaled, decimals: 12 }.to_string(), text);
        }
    }

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        for (json, pico) in [
            ("0", Some(0)),
            ("0.00014", Some(140_000_000)),
            ("1.4e-4", Some(140_000_000)),
            ("0.30000000000000004", Some(300_000_000_000)),
            ("9223372.036854775807", Some(i64::MAX)),
            ("9223372.036854775808", None),
            ("1e300", None),
            ("-1", None),
            ("null", None),
            ("\"1\"", None),
            ("", None),
        ] {
            assert_eq!(usd(json).map(PicoUsd::as_pico), pico, "{json}");
        }
    }

    #[test]
    fn halves_round_to_the_even_neighbour() {
        for (numerator, expected) in [(4, 0), (5, 0), (6, 1), (14, 1), (15, 2), (25, 2), (26, 3)] {
            assert_eq!(div_half_even(numerator, 10, false), expected, "{numerator}/10");
        }
        assert_eq!(div_half_even(25, 10, true), 3);
        assert_eq!(div_half_even(u128::MAX, u128::MAX, false), 1);
    }
}
