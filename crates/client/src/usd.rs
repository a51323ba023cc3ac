//! Money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

const PICOS: i128 = 1_000_000_000_000;

/// An amount in US dollars, to the picodollar. It adds up without rounding and prints as a plain
/// decimal.
///
/// The API sends amounts as JSON numbers, of which 15 significant digits are read exactly: all
/// twelve decimals below 1,000 USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i128);

impl Usd {
    /// From picodollars (10⁻¹² USD).
    pub const fn from_picos(picos: i128) -> Self {
        Self(picos)
    }

    /// In picodollars.
    pub const fn picos(self) -> i128 {
        self.0
    }

    /// As a float, for charts. Add up amounts before, not after.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PICOS as f64
    }

    /// Reads a plain decimal; `None` when it is none or has more than 12 decimals.
    fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 12 || !plain(whole) || !plain(fraction) {
            return None;
        }
        let picos: i128 = format!("{fraction:0<12}").parse().ok()?;
        let picos = whole.parse::<i128>().ok()?.checked_mul(PICOS)?.checked_add(picos)?;
        Some(Self(if negative { -picos } else { picos }))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let picos = self.0.unsigned_abs();
        let (whole, rest) = (picos / PICOS.unsigned_abs(), picos % PICOS.unsigned_abs());
        let decimals = format!("{rest:012}");
        let decimals = match f.precision() {
            Some(wanted) => &decimals[..wanted.min(12)],
            None => decimals.trim_end_matches('0'),
        };
        let dot = if decimals.is_empty() { "" } else { "." };
        f.pad_integral(self.0 >= 0, "", &format!("{whole}{dot}{decimals}"))
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;

        impl Visitor<'_> for Amount {
            type Value = Usd;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount in USD")
            }

            fn visit_f64<E: de::Error>(self, amount: f64) -> Result<Usd, E> {
                // The shortest decimal that is this float: the one that was sent. What a float
                // cannot tell apart any more comes out rounded to the picodollar.
                Usd::parse(&amount.to_string())
                    .or_else(|| Usd::parse(&format!("{amount:.12}")))
                    .ok_or_else(|| E::custom("the amount is out of range"))
            }

            fn visit_u64<E: de::Error>(self, amount: u64) -> Result<Usd, E> {
                Ok(Usd(i128::from(amount) * PICOS))
            }

            fn visit_i64<E: de::Error>(self, amount: i64) -> Result<Usd, E> {
                Ok(Usd(i128::from(amount) * PICOS))
            }
        }

        deserializer.deserialize_any(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_printed_exactly() {
        for (json, picos, shown) in [
            ("0", 0, "0"),
            ("0.000706", 706_000_000, "0.000706"),
            ("1e-12", 1, "0.000000000001"),
            ("7e-4", 700_000_000, "0.0007"),
            ("12", 12 * PICOS, "12"),
            ("123.456789012345", 123_456_789_012_345, "123.456789012345"),
            ("-0.5", -500_000_000_000, "-0.5"),
        ] {
            let amount: Usd = serde_json::from_str(json).expect(json);
            assert_eq!(amount.picos(), picos, "{json}");
            assert_eq!(amount.to_string(), shown, "{json}");
        }
        assert!(serde_json::from_str::<Usd>("1e300").is_err());
        assert!(serde_json::from_str::<Usd>("\"1\"").is_err());
    }

    #[test]
    fn sums_lose_nothing_and_print_as_wide_as_asked() {
        let third: Usd = serde_json::from_str("0.333333333333").expect("an amount");
        let sum: Usd = std::iter::repeat_n(third, 3).sum();
        assert_eq!(sum.to_string(), "0.999999999999");
        assert_eq!(format!("{sum:>10.4}"), "    0.9999");
    }
}
