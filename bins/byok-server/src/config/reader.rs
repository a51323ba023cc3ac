//! Reads settings into typed values and collects every mistake on the way.

use byok_domain::FieldError;
use byok_domain::pricing::{PriceTable, PricingError};

use super::Setting;
use super::error::{ConfigError, Name};
use super::layers::{Found, Layers};

/// Reads settings; what cannot be used counts as not set here and as an error in the end.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    errors: Vec<ConfigError>,
}

/// A mistake that is among the reader's errors already.
pub(super) struct Reported;

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers, errors: Vec<ConfigError>) -> Self {
        Self { layers, errors }
    }

    /// The text of a setting that takes any.
    pub(super) fn text(&self, setting: Setting) -> Option<&'a str> {
        self.layers.find(setting).map(|found| found.value.as_str())
    }

    /// A setting as it was given.
    pub(super) fn found(&self, setting: Setting) -> Option<&'a Found> {
        self.layers.find(setting)
    }

    /// A setting's value. `parse` says what is wrong without naming the setting or the value.
    pub(super) fn get<T>(
        &mut self,
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.layers.find(setting)?;
        parse(&found.value).map_err(|problem| self.invalid(found, problem)).ok()
    }

    /// The one value among settings that exclude each other.
    pub(super) fn one_of(
        &mut self,
        settings: &[Setting],
    ) -> Result<Option<(Setting, &'a Found)>, Reported> {
        self.layers.find_one(settings).map_err(|error| self.refuse(error))
    }

    /// The operator's prices, with a line for each mistake in them.
    pub(super) fn prices(&mut self) -> PriceTable {
        let Some(found) = self.layers.find(Setting::MODEL_PRICING) else {
            return PriceTable::default();
        };
        match PriceTable::parse(&found.value) {
            Ok(prices) => return prices,
            Err(PricingError::Json(error)) => {
                let (line, column) = (error.line(), error.column());
                self.invalid(found, format!("is not JSON: see line {line}, column {column}"));
            }
            Err(PricingError::Fields(fields)) => {
                for FieldError { field, message } in fields {
                    let place = if field.is_empty() { "the top" } else { &field };
                    self.invalid(found, format!("has a mistake at {place}: {message}"));
                }
            }
        }
        PriceTable::default()
    }

    /// What a setting is called where it was set; its variable's name when it was not.
    pub(super) fn name(&self, setting: Setting) -> Name {
        let plain = || Name::Plain(setting.variable().to_owned());
        self.layers.find(setting).map_or_else(plain, |found| found.name.clone())
    }

    pub(super) fn invalid(&mut self, found: &Found, problem: String) -> Reported {
        self.refuse(ConfigError::Invalid { name: found.name.clone(), problem })
    }

    pub(super) fn refuse(&mut self, error: impl Into<ConfigError>) -> Reported {
        self.errors.push(error.into());
        Reported
    }

    /// What was read, if nothing was wrong.
    pub(super) fn finish<C, T>(
        self,
        config: C,
        keys: Result<T, Reported>,
    ) -> Result<(C, T), Vec<ConfigError>> {
        match keys {
            Ok(keys) if self.errors.is_empty() => Ok((config, keys)),
            Ok(_) | Err(Reported) => Err(self.errors),
        }
    }
}
