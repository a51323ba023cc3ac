//! Merging tables and patches into a table, and saying everything that is wrong at once.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::entries::Entries;
use super::off_peak;
use super::prices::Prices;
use super::row::{Draft, unknown_field};
use super::table::Models;
use super::unit_prices::MOST_RATES;
use crate::FieldError;

/// What `null` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Null {
    /// Removes what it stands for: a provider, a model or a field.
    Removes,
    /// Nothing: it is a mistake.
    Refused,
}

/// Enough to mend a table by; more would only be a large answer to a large mistake.
const MAX_ERRORS: usize = 100;

type Providers = BTreeMap<Box<str>, Models>;

/// Merges `entries` into `providers`; with any error the result is to be dropped.
pub(super) fn merge(
    providers: &mut Providers,
    entries: &Entries<'_>,
    null: Null,
) -> Vec<FieldError> {
    let mut merge = Merge { null, errors: Vec::new() };
    merge.unique(None, entries);
    for (name, value) in &entries.0 {
        if null == Null::Refused && name.starts_with('_') {
            continue;
        }
        merge.provider(providers, Path { parent: None, name }, value);
    }
    merge.errors
}

/// What to say of JSON that is no object.
pub(super) fn no_table() -> FieldError {
    FieldError {
        field: String::new(),
        message: "must be an object of providers, as in {\"openai\": {…}}".to_owned(),
    }
}

/// Reads a row that stands alone.
pub(super) fn read_row(value: &RawValue) -> Result<Prices, Vec<FieldError>> {
    let mut merge = Merge { null: Null::Refused, errors: Vec::new() };
    let path = Path { parent: None, name: "prices" };
    merge.row(Draft::default(), path, value).ok_or(merge.errors)
}

/// Where something is; written out only when it is wrong, since that is rare and tables are long.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'a str,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        let plain: String = self.name.chars().filter(|c| !c.is_control()).take(80).collect();
        f.write_str(&plain)?;
        if plain.len() < self.name.len() { f.write_str("…") } else { Ok(()) }
    }
}

struct Merge {
    null: Null,
    errors: Vec<FieldError>,
}

impl Merge {
    fn provider(&mut self, providers: &mut Providers, path: Path<'_>, value: &RawValue) {
        let name = path.name;
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || name.len() > 64 || !name.chars().all(plain) {
            return self
                .error(path, "is not a provider's name; write it as in /openai or /azure-openai");
        }
        if is_null(value) {
            if self.may_remove(path) {
                providers.remove(name);
            }
            return;
        }
        let Some(entries) = object(value) else {
            return self
                .error(path, "must be an object of models, as in {\"gpt-5.4\": {\"input\": 2.5}}");
        };
        self.unique(Some(&path), &entries);
        let models = providers.entry(name.into()).or_default();
        for (name, row) in &entries.0 {
            self.model(models, Path { parent: Some(&path), name }, row);
        }
        if models.is_empty() {
            providers.remove(name);
        }
    }

    fn model(&mut self, models: &mut Models, path: Path<'_>, value: &RawValue) {
        let name = path.name;
        let printable = name.trim() == name && !name.chars().any(char::is_control);
        if !(1..=255).contains(&name.len()) || !printable {
            return self.error(
                path,
                "is not a model's name; use 1 to 255 bytes without control characters or outer spaces",
            );
        }
        if is_null(value) {
            if self.may_remove(path) {
                models.remove(name);
            }
            return;
        }
        let draft = models.get(name).map(Draft::of).unwrap_or_default();
        if let Some(row) = self.row(draft, path, value) {
            models.insert(name.into(), row);
        }
    }

    fn row(&mut self, mut draft: Draft, path: Path<'_>, value: &RawValue) -> Option<Prices> {
        let Some(entries) = object(value) else {
            self.error(path, "must be an object of prices, as in {\"input\": 2.5, \"output\": 15}");
            return None;
        };
        let before = self.errors.len();
        self.unique(Some(&path), &entries);
        for (name, value) in &entries.0 {
            let path = Path { parent: Some(&path), name };
            if is_null(value) {
                if self.may_remove(path) && !draft.remove(name) {
                    self.error(path, &unknown_field(name));
                }
            } else if name == "offPeak" {
                let off_peak = draft.off_peak.take().unwrap_or_default();
                draft.off_peak = self.off_peak(off_peak, path, value);
            } else if let Err(message) = draft.set(name, value.get()) {
                self.error(path, &message);
            }
        }
        if self.errors.len() > before {
            return None;
        }
        if draft.is_empty() {
            self.error(
                path,
                "has no price; give at least input or output, or null to remove the model",
            );
            return None;
        }
        if draft.len() > MOST_RATES {
            self.error(path, "has more than 128 prices, which no model has");
            return None;
        }
        Some(draft.finish())
    }

    fn off_peak(
        &mut self,
        mut draft: off_peak::Draft,
        path: Path<'_>,
        value: &RawValue,
    ) -> Option<off_peak::Draft> {
        let Some(entries) = object(value) else {
            self.error(
                path,
                "must be an object of the prices that differ and their windowsUTC, as in \
                 {\"input\": 0.15, \"windowsUTC\": [{\"hours_utc\": [\"16:00-00:00\"]}]}",
            );
            return None;
        };
        let before = self.errors.len();
        self.unique(Some(&path), &entries);
        for (name, value) in &entries.0 {
            let path = Path { parent: Some(&path), name };
            if is_null(value) {
                if self.may_remove(path) && !draft.remove(name) {
                    self.error(path, &unknown_field(name));
                }
            } else if let Err(message) = draft.set(name, value) {
                self.error(path, &message);
            }
        }
        let missing = draft.missing().filter(|_| self.errors.len() == before);
        if let Some(missing) = missing {
            self.error(path, missing);
        }
        Some(draft)
    }

    fn may_remove(&mut self, path: Path<'_>) -> bool {
        if self.null == Null::Refused {
            self.error(path, "is null, which means something in a patch only; leave it out");
        }
        self.null == Null::Removes
    }

    fn unique(&mut self, parent: Option<&Path<'_>>, entries: &Entries<'_>) {
        let mut names: Vec<&str> = entries.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.error(Path { parent, name: pair[0] }, "is given twice; keep one of them");
        }
    }

    fn error(&mut self, path: Path<'_>, message: &str) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError { field: path.to_string(), message: message.to_owned() });
        }
    }
}

fn object(value: &RawValue) -> Option<Entries<'_>> {
    serde_json::from_str(value.get()).ok()
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}
