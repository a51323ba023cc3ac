//! Money as integers: picodollars.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in picodollars, 10⁻¹² USD.
///
/// SQLite has no decimals and floats do not add up, so money is an integer everywhere; it becomes
/// a decimal only in [`Display`](fmt::Display), which is what the API writes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PicoUsd(i64);

impl PicoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From picodollars.
    pub const fn from_pico(pico: i64) -> Self {
        Self(pico)
    }

    /// Picodollars.
    pub const fn as_pico(self) -> i64 {
        self.0
    }
}

/// Writes the exact decimal in USD, without trailing zeros: a valid JSON number.
impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal_usd(i128::from(self.0)))
    }
}

/// The exact decimal of a sum of picodollars in USD, without trailing zeros: a valid JSON number.
pub fn decimal_usd(pico: i128) -> String {
    let sign = if pico < 0 { "-" } else { "" };
    let magnitude = pico.unsigned_abs();
    let (whole, fraction) = (magnitude / 1_000_000_000_000, magnitude % 1_000_000_000_000);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:012}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_exact_decimal() {
        for (pico, text) in [
            (0, "0"),
            (706_000_000, "0.000706"),
            (1, "0.000000000001"),
            (1_500_000_000_000, "1.5"),
            (-2_000_000_000_000, "-2"),
            (i64::MAX, "9223372.036854775807"),
        ] {
            assert_eq!(PicoUsd::from_pico(pico).to_string(), text);
        }
    }
}
