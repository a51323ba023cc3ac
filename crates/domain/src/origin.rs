//! Which web origins may use a project's publishable key.

mod pattern;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};

pub use pattern::{InvalidOrigin, OriginPattern};

/// The origins that a project allows; an empty list allows all, and callers without one too.
///
/// In JSON it is a list of texts, in the order given, without repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Allowlist {
    patterns: Vec<OriginPattern>,
}

impl Allowlist {
    /// Parses every entry of a list.
    ///
    /// # Errors
    /// Each entry that is no pattern, by its place in the list.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, Vec<(usize, InvalidOrigin)>> {
        let mut patterns = Vec::new();
        let mut errors = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            match OriginPattern::parse(text.as_ref()) {
                Ok(pattern) if patterns.contains(&pattern) => {}
                Ok(pattern) => patterns.push(pattern),
                Err(error) => errors.push((at, error)),
            }
        }
        if errors.is_empty() { Ok(Self { patterns }) } else { Err(errors) }
    }

    /// Whether a request may pass that carries this `Origin` header; `None` is one that carries
    /// none.
    ///
    /// A browser leaves the header out, or says `null`, where it will not tell: neither passes a
    /// list that has entries.
    pub fn permits(&self, origin: Option<&str>) -> bool {
        self.patterns.is_empty()
            || origin.is_some_and(|origin| self.patterns.iter().any(|p| p.matches(origin)))
    }

    /// The patterns, in order.
    pub fn patterns(&self) -> &[OriginPattern] {
        &self.patterns
    }

    /// Whether everything is allowed.
    pub fn is_unrestricted(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl<'de> Deserialize<'de> for Allowlist {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&texts).map_err(|errors| {
            let texts: Vec<_> = errors.iter().map(|(at, why)| format!("[{at}] {why}")).collect();
            serde::de::Error::custom(texts.join("; "))
        })
    }
}
