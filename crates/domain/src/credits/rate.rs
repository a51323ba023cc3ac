//! What a credit is worth.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::Credits;
use crate::PicoUsd;
use crate::pricing::decimal::{self, BadNumber, Decimal};

/// Decimals of each part, and the most it may be, so that the product of both with any cost fits
/// 128 bits.
const PER_USD: Part = Part { decimals: 6, most: 10_000_000 };
const MARKUP: Part = Part { decimals: 4, most: 100 };

/// Picodollars in a dollar.
const PICO: u128 = 1_000_000_000_000;

struct Part {
    decimals: u32,
    most: u64,
}

impl Part {
    const fn one(&self) -> u64 {
        10_u64.pow(self.decimals)
    }

    fn parse(&self, text: &str) -> Result<u64, BadRate> {
        match decimal::parse(text, self.decimals, self.most * self.one()) {
            Ok(0) | Err(BadNumber::Negative | BadNumber::TooSmall) => Err(BadRate::TooSmall),
            Err(BadNumber::TooLarge) => Err(BadRate::TooLarge(self.most)),
            Ok(scaled) => Ok(scaled),
        }
    }
}

/// Why a number cannot be a part of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadRate {
    /// Nothing, less, or too little to be told from nothing.
    #[error("must be above 0")]
    TooSmall,
    /// More than there may be.
    #[error("must be at most {0}")]
    TooLarge(u64),
}

/// What a dollar of list price is charged as: `creditsPerUsd × markup` credits. Exact decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditRate {
    /// In millionths.
    per_usd: u64,
    /// In ten-thousandths.
    markup: u64,
}

/// What is to change of a rate; `None` leaves a part as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreditRateChange {
    per_usd: Option<u64>,
    markup: Option<u64>,
}

impl CreditRateChange {
    /// With another `creditsPerUsd`, the JSON number `text`.
    ///
    /// # Errors
    /// [`BadRate`] when it cannot be one.
    pub fn with_credits_per_usd(self, text: &str) -> Result<Self, BadRate> {
        Ok(Self { per_usd: Some(PER_USD.parse(text)?), ..self })
    }

    /// With another `markup`, the JSON number `text`.
    ///
    /// # Errors
    /// [`BadRate`] when it cannot be one.
    pub fn with_markup(self, text: &str) -> Result<Self, BadRate> {
        Ok(Self { markup: Some(MARKUP.parse(text)?), ..self })
    }
}

impl CreditRate {
    /// With `change` applied.
    #[must_use]
    pub fn changed(self, change: CreditRateChange) -> Self {
        Self {
            per_usd: change.per_usd.unwrap_or(self.per_usd),
            markup: change.markup.unwrap_or(self.markup),
        }
    }

    /// What `cost` is charged as: exact, rounded up once, and at most [`Credits::MAX`].
    pub fn credits(self, cost: PicoUsd) -> Credits {
        let cost = u128::try_from(cost.as_pico()).unwrap_or(0);
        // At most 9.3e18 × 1e13 × 1e6, which fits.
        let scaled = cost * u128::from(self.per_usd) * u128::from(self.markup);
        let one = PICO * u128::from(PER_USD.one()) * u128::from(MARKUP.one());
        u64::try_from(scaled.div_ceil(one))
            .map_or(Credits::MAX, |n| Credits::new(n).min(Credits::MAX))
    }
}

impl Default for CreditRate {
    fn default() -> Self {
        Self { per_usd: 10_000 * PER_USD.one(), markup: MARKUP.one() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credits_per_usd: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    markup: Option<Box<RawValue>>,
}

impl Serialize for CreditRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = |scaled, part: &Part| {
            let text = Decimal { scaled, decimals: part.decimals }.to_string();
            RawValue::from_string(text).map(Some).map_err(S::Error::custom)
        };
        Wire {
            credits_per_usd: number(self.per_usd, &PER_USD)?,
            markup: number(self.markup, &MARKUP)?,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CreditRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let number = |raw: &Option<Box<RawValue>>, part: &Part| {
            let Some(raw) = raw else { return Ok(None) };
            let text = raw.get();
            if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                return Err(D::Error::custom("a rate is made of numbers"));
            }
            part.parse(text).map(Some).map_err(D::Error::custom)
        };
        Ok(Self::default().changed(CreditRateChange {
            per_usd: number(&wire.credits_per_usd, &PER_USD)?,
            markup: number(&wire.markup, &MARKUP)?,
        }))
    }
}
