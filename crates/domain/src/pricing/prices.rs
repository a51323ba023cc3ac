//! One row of a price table.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::base::Base;
use super::decimal::Decimal;
use super::field::{Field, Tier};
use super::merge::read_row;
use super::off_peak::{OffPeak, WINDOWS, Windows};
use super::unit_prices::UnitTexts;
use crate::Timestamp;

/// The prices of one model, each exact.
///
/// Most rows have a handful of the hundreds of prices there could be, so they are a sorted list.
/// In JSON a row is an object of camel-case names, as in `{"input": 2.5, "cacheRead": 0.25}`; it
/// reads and writes exact decimals with `serde_json` only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Sorted by field; the number in steps of the field's unit.
    pub(super) rates: Box<[(Field, u64)]>,
    pub(super) mode: Option<&'static str>,
    pub(super) max_input: Option<u64>,
    pub(super) max_output: Option<u64>,
    pub(super) deprecated: Option<Box<str>>,
    pub(super) above_inclusive: bool,
    pub(super) zero_priced: bool,
    pub(super) off_peak: Option<Box<OffPeak>>,
    pub(super) texts: UnitTexts,
}

impl Prices {
    /// What the model is for (`chat`, `embedding`, …), where the table says.
    pub fn mode(&self) -> Option<&'static str> {
        self.mode
    }

    /// The most tokens the model takes in, where the table says.
    pub fn max_input(&self) -> Option<u64> {
        self.max_input
    }

    /// The most tokens the model gives out, where the table says.
    pub fn max_output(&self) -> Option<u64> {
        self.max_output
    }

    /// The day (`YYYY-MM-DD`) on which the provider retires the model, where the table says.
    pub fn deprecated(&self) -> Option<&str> {
        self.deprecated.as_deref()
    }

    /// Whether every price is 0 because it is free or not known: nothing to charge by.
    pub fn is_zero_priced(&self) -> bool {
        self.zero_priced
    }

    /// The row as it is at `at`: with its off-peak prices, if it has some and they hold then.
    pub fn at(&self, at: Timestamp) -> &Self {
        match &self.off_peak {
            Some(off_peak) if off_peak.windows.contain(at) => &off_peak.row,
            _ => self,
        }
    }

    /// The hours of the off-peak prices, and those, as [`rates`](Self::rates).
    pub fn off_peak(&self) -> Option<(&Windows, impl Iterator<Item = (Field, String)> + '_)> {
        let off_peak = self.off_peak.as_deref()?;
        Some((&off_peak.windows, texts(&off_peak.rates)))
    }

    /// The fields this row has, in order, each with its price as an exact decimal in its unit.
    pub fn rates(&self) -> impl Iterator<Item = (Field, String)> + '_ {
        texts(&self.rates)
    }

    /// The price for `base`, by its place in the row and in steps of its unit: of the highest threshold that `input_total`
    /// passes, there of the tier or else of the standard one.
    ///
    /// A threshold goes before a tier: what is published without the combination is billed by
    /// prompt length, since a long prompt is surely dearer, a tier only perhaps cheaper.
    pub(super) fn rate(&self, base: Base, input_total: u64, tier: Tier) -> Option<(usize, u64)> {
        let from = self.rates.partition_point(|(field, _)| field.base < base);
        self.rates
            .iter()
            .enumerate()
            .skip(from)
            .take_while(|(_, (field, _))| field.base == base)
            .filter(|(_, (field, _))| field.tier == tier || field.tier == Tier::Standard)
            .filter(|(_, (field, _))| self.reaches(input_total, field.above_k))
            .max_by_key(|(_, (field, _))| (field.above_k, field.tier == tier))
            .map(|(place, (_, scaled))| (place, *scaled))
    }

    pub(super) fn has(&self, base: Base) -> bool {
        self.rates.iter().any(|(field, _)| field.base == base)
    }

    fn reaches(&self, input_total: u64, above_k: u16) -> bool {
        let threshold = u64::from(above_k) * 1_000;
        above_k == 0
            || input_total > threshold
            || (self.above_inclusive && input_total == threshold)
    }
}

fn texts(rates: &[(Field, u64)]) -> impl Iterator<Item = (Field, String)> + '_ {
    rates.iter().map(|(field, scaled)| (*field, decimal(*field, *scaled).to_string()))
}

fn decimal(field: Field, scaled: u64) -> Decimal {
    Decimal { scaled, decimals: field.base.unit().decimals() }
}

impl Serialize for Prices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(mode) = self.mode {
            map.serialize_entry("mode", mode)?;
        }
        write_rates::<S>(&mut map, self.rates())?;
        if let Some(off_peak) = &self.off_peak {
            map.serialize_entry("offPeak", &**off_peak)?;
        }
        if self.above_inclusive {
            map.serialize_entry("aboveInclusive", &true)?;
        }
        if let Some(tokens) = self.max_input {
            map.serialize_entry("maxInput", &tokens)?;
        }
        if let Some(tokens) = self.max_output {
            map.serialize_entry("maxOutput", &tokens)?;
        }
        if let Some(date) = &self.deprecated {
            map.serialize_entry("deprecated", date)?;
        }
        if self.zero_priced {
            map.serialize_entry("zeroPriced", &true)?;
        }
        map.end()
    }
}

impl Serialize for OffPeak {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write_rates::<S>(&mut map, texts(&self.rates))?;
        map.serialize_entry(WINDOWS, &self.windows)?;
        map.end()
    }
}

fn write_rates<S: Serializer>(
    map: &mut S::SerializeMap,
    rates: impl Iterator<Item = (Field, String)>,
) -> Result<(), S::Error> {
    for (field, text) in rates {
        let number = RawValue::from_string(text).map_err(S::Error::custom)?;
        map.serialize_entry(&field.to_string(), &number)?;
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Prices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        read_row(&raw).map_err(|errors| {
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            D::Error::custom(texts.join("; "))
        })
    }
}
