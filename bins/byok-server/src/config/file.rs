//! The TOML file.

use std::path::Path;

use toml::{Table, Value};

use super::Setting;
use super::error::{ConfigError, Name};
use super::layers::{Found, Layer, add};

/// The settings in the file at `path`; what is wrong with it goes to `errors`.
pub(super) fn read(path: &Path, errors: &mut Vec<ConfigError>) -> Layer {
    let mut layer = Layer::new();
    let table = match table(path) {
        Ok(table) => table,
        Err(error) => {
            errors.push(error);
            return layer;
        }
    };
    for (key, value) in table {
        let name = Name::Key(key.clone(), path.to_owned());
        if value.is_table() && key != Setting::MODEL_PRICING.key() {
            errors.push(ConfigError::Section { name });
            continue;
        }
        let Some(known) = Setting::of_key(&key) else {
            let suggestion = Setting::nearest(&key).map(Setting::key);
            errors.push(ConfigError::Unknown { name, suggestion });
            continue;
        };
        match text(value) {
            Some(value) => add(&mut layer, errors, known, Found { name, value }),
            None => errors.push(ConfigError::Invalid {
                name,
                problem: "is of a type that this setting does not take; write it as a string"
                    .to_owned(),
            }),
        }
    }
    layer
}

fn table(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::File { path: path.to_owned(), why: error.to_string() })?;
    toml::from_str(&text).map_err(|error| {
        // The parser's own display quotes the line, which may hold a secret.
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        let why = error.message().replace(['\n', '\r'], " ");
        ConfigError::Toml { path: path.to_owned(), line, why }
    })
}

/// The value as the environment would spell it; only prices come as a table.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<_>> =
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            items.map(|items| items.join(","))
        }
        Value::Table(prices) => serde_json::to_string(&prices).ok(),
        Value::Datetime(_) => None,
    }
}
