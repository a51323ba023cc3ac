//! The names of prices: a base, perhaps a threshold of prompt length, perhaps a service tier.

use std::fmt;

use super::base::{Base, Unit};
use crate::usage::ServiceTier;

/// The service tier that a price is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The list price; what another tier has no price of its own for falls back to it.
    #[default]
    Standard,
    /// Asynchronous batch.
    Batch,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Fastest and dearest.
    Ultrafast,
    /// The provider's decision endpoint; no answer is billed by it yet.
    Decisions,
}

impl Tier {
    const SUFFIXES: [(Self, &str); 5] = [
        (Self::Batch, "Batch"),
        (Self::Flex, "Flex"),
        (Self::Priority, "Priority"),
        (Self::Ultrafast, "Ultrafast"),
        (Self::Decisions, "Decisions"),
    ];
}

impl From<ServiceTier> for Tier {
    fn from(tier: ServiceTier) -> Self {
        match tier {
            ServiceTier::Standard => Self::Standard,
            ServiceTier::Flex => Self::Flex,
            ServiceTier::Priority => Self::Priority,
            ServiceTier::Ultrafast => Self::Ultrafast,
            ServiceTier::Batch => Self::Batch,
        }
    }
}

/// The full name of a price: `cacheReadAbove272kPriority` is base, threshold and tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// What it is for.
    pub base: Base,
    /// Thousands of prompt tokens over which it applies to the whole request; 0 is always.
    pub above_k: u16,
    /// In which service tier.
    pub tier: Tier,
}

impl Field {
    /// The field that `name` spells, if it spells one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::parse_with(name, |a, b| a == b)
    }

    /// As [`parse`](Self::parse), for names of another case, or `in_snake_case`.
    pub(super) fn parse_loosely(name: &str) -> Option<Self> {
        let joined: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
        Self::parse_with(&joined, |a, b| a.eq_ignore_ascii_case(b))
    }

    fn parse_with(name: &str, same: impl Fn(&str, &str) -> bool) -> Option<Self> {
        let base_of = |text: &str| Base::ALL.iter().copied().find(|base| same(base.name(), text));
        if let Some(base) = base_of(name) {
            return Some(Self { base, above_k: 0, tier: Tier::Standard });
        }
        let ends = |text: &str, suffix: &str| {
            let at = text.len().checked_sub(suffix.len())?;
            same(text.get(at..)?, suffix).then_some(at)
        };
        let (rest, tier) = Tier::SUFFIXES
            .into_iter()
            .find_map(|(tier, suffix)| Some((name.get(..ends(name, suffix)?)?, tier)))
            .unwrap_or((name, Tier::Standard));
        let (rest, above_k) = match (base_of(rest), ends(rest, "k")) {
            (None, Some(k)) => {
                let digits_at = rest[..k].trim_end_matches(|c: char| c.is_ascii_digit()).len();
                let above_k: u16 = rest[digits_at..k].parse().ok()?;
                let plain = above_k > 0 && !rest[digits_at..k].starts_with('0');
                let at = ends(&rest[..digits_at], "Above").filter(|_| plain)?;
                (&rest[..at], above_k)
            }
            _ => (rest, 0),
        };
        let base = base_of(rest).filter(|base| base.unit() != Unit::Factor)?;
        Some(Self { base, above_k, tier })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.name())?;
        if self.above_k > 0 {
            write!(f, "Above{}k", self.above_k)?;
        }
        match Tier::SUFFIXES.iter().find(|(tier, _)| *tier == self.tier) {
            Some((_, suffix)) => f.write_str(suffix),
            None => Ok(()),
        }
    }
}

/// The known name nearest to a mistaken one, if any is near.
pub(super) fn nearest(name: &str, others: &[&'static str]) -> Option<String> {
    if let Some(field) = Field::parse_loosely(name) {
        return Some(field.to_string());
    }
    let name = name.to_ascii_lowercase();
    Base::ALL
        .iter()
        .map(|base| base.name())
        .chain(others.iter().copied())
        .map(|known| (distance(&name, &known.to_ascii_lowercase()), known))
        .min()
        .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))
        .map(|(_, known)| known.to_owned())
}

/// Insertions, removals and replacements between two texts.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_base_a_threshold_and_a_tier() {
        for (name, base, above_k, tier) in [
            ("input", Base::Input, 0, Tier::Standard),
            ("cacheWrite1h", Base::CacheWrite1h, 0, Tier::Standard),
            ("cacheWrite12hAbove272kFlex", Base::CacheWrite12h, 272, Tier::Flex),
            ("inputBatch", Base::Input, 0, Tier::Batch),
            ("outputAbove200k", Base::Output, 200, Tier::Standard),
            ("cacheReadAbove272kPriority", Base::CacheRead, 272, Tier::Priority),
            ("perInputAudioSecondAbove128k", Base::PerInputAudioSecond, 128, Tier::Standard),
            ("webSearchPer1k", Base::WebSearch, 0, Tier::Standard),
            ("webSearchPer1kBatch", Base::WebSearch, 0, Tier::Batch),
            ("webSearchPer1kAbove32kFlex", Base::WebSearch, 32, Tier::Flex),
            ("multInferenceGeoUS", Base::MultInferenceGeoUs, 0, Tier::Standard),
        ] {
            let field = Field::parse(name);
            assert_eq!(field, Some(Field { base, above_k, tier }), "{name}");
            assert_eq!(field.expect("just seen").to_string(), name);
        }
    }

    #[test]
    fn other_names_are_no_fields() {
        for name in [
            "",
            "k",
            "Batch",
            "Above200k",
            "Input",
            "inputAbovek",
            "inputAbove0k",
            "inputAbove0200k",
            "inputAbove70000k",
            "inputBatchFlex",
            "inputBatchAbove200k",
            "inputAbove200",
            "multFastBatch",
            "multRegionEUAbove200k",
            "inputé",
            "é",
            "inputAbove+2k",
        ] {
            assert_eq!(Field::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_mistaken_name_finds_its_neighbour() {
        for (name, expected) in [
            ("cache_read", Some("cacheRead")),
            ("INPUT", Some("input")),
            ("cached", Some("cacheRead")),
            ("inputs", Some("input")),
            ("outptu", Some("output")),
            ("input_above_200k_batch", Some("inputAbove200kBatch")),
            ("max_input", Some("maxInput")),
            ("prompt", None),
            ("", None),
            (&"x".repeat(9_000), None),
        ] {
            assert_eq!(nearest(name, &["maxInput", "mode"]).as_deref(), expected, "{name}");
        }
    }
}
