//! Price tables: providers, their models, a row each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::entries::Entries;
use super::merge::{Null, merge, no_table};
use super::prices::Prices;
use crate::FieldError;

/// The models of one provider.
pub(super) type Models = BTreeMap<Box<str>, Prices>;

/// Prices by provider and model.
///
/// In JSON it is `{"openai": {"gpt-5.4": {"input": 2.5, "output": 15}}}`. The serde
/// implementations read and write exact decimals, and work with `serde_json` only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PriceTable {
    providers: BTreeMap<Box<str>, Models>,
}

/// Why a text is no price table.
#[derive(Debug, thiserror::Error)]
pub enum PricingError {
    /// Not JSON at all.
    #[error("the prices are not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, with mistakes in it: all of them, up to a hundred.
    #[error("{}", sentence(.0))]
    Fields(Vec<FieldError>),
}

fn sentence(errors: &[FieldError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn top(json: &str) -> Result<Entries<'_>, PricingError> {
    serde_json::from_str(json).map_err(|error| match error.classify() {
        Category::Data => PricingError::Fields(vec![no_table()]),
        _ => PricingError::Json(error),
    })
}

impl PriceTable {
    /// Reads a table: providers at the top, or an object whose one member `overrides` holds them.
    /// Members of the top whose names start with `_` are notes.
    ///
    /// # Errors
    /// [`PricingError`], with every mistake by its path.
    pub fn parse(json: &str) -> Result<Self, PricingError> {
        let mut entries = top(json)?;
        if let [(ref name, inner)] = entries.0[..]
            && name == "overrides"
        {
            entries = top(inner.get())?;
        }
        let mut table = Self::default();
        let errors = merge(&mut table.providers, &entries, Null::Refused);
        if errors.is_empty() { Ok(table) } else { Err(PricingError::Fields(errors)) }
    }

    /// The list prices that come with this software, read on first use.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<PriceTable> = LazyLock::new(|| {
            PriceTable::parse(include_str!("../../data/prices.json"))
                .expect("the kept table is checked before it is committed")
        });
        &BUILTIN
    }

    /// This table with a patch merged in: fields into rows, rows into models; `null` removes a
    /// field, a model or a provider. All of it, or nothing.
    ///
    /// # Errors
    /// Every mistake, up to a hundred, by its path inside the patch.
    pub fn merge_patch(&self, patch: &Value) -> Result<Self, Vec<FieldError>> {
        let mut merged = self.clone();
        let text = patch.to_string();
        let entries = serde_json::from_str(&text).map_err(|_| vec![no_table()])?;
        let errors = merge(&mut merged.providers, &entries, Null::Removes);
        if errors.is_empty() { Ok(merged) } else { Err(errors) }
    }

    /// The table as a JSON value, for an API's answer. To keep it, serialise the table itself:
    /// a [`Value`] holds numbers as floats.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("names and numbers are JSON")
    }

    /// The row of exactly this model.
    pub fn get(&self, provider: &str, model: &str) -> Option<&Prices> {
        self.providers.get(provider)?.get(model)
    }

    /// Every row as provider, model, prices, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, &Prices)> {
        self.providers.iter().flat_map(|(provider, models)| {
            models.iter().map(move |(model, row)| (&**provider, &**model, row))
        })
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// The providers that have a row, in order.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(|provider| &**provider)
    }

    pub(super) fn models(&self, provider: &str) -> Option<(&str, &Models)> {
        self.providers.get_key_value(provider).map(|(provider, models)| (&**provider, models))
    }
}

impl<'de> Deserialize<'de> for PriceTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}
