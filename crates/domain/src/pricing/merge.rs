//! Merging tables and patches into a table, and saying everything that is wrong at once.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::value::RawValue;

use super::entries::Entries;
use super::prices::Prices;
use super::row::{Draft, unknown_field};
use super::table::Models;

/// One thing that is wrong with a table or a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Where, as `provider.model.field` (shorter where it is about more; empty for all of it).
    pub field: String,
    /// What is wrong and what to do, as a sentence without its subject.
    pub message: String,
}

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

/// Merges the JSON object `text` into `providers`; with any error the result is to be dropped.
pub(super) fn merge(providers: &mut Providers, text: &str, null: Null) -> Vec<FieldError> {
    let mut merge = Merge { null, errors: Vec::new() };
    match serde_json::from_str::<Entries<'_>>(text) {
        Ok(entries) => {
            merge.unique("", &entries);
            for (name, value) in entries.0 {
                if null == Null::Refused && name.starts_with('_') {
                    continue;
                }
                merge.provider(providers, &name, value);
            }
        }
        Err(_) => merge.error("", "must be an object of providers, as in {\"openai\": {…}}"),
    }
    merge.errors
}

/// Reads a row that stands alone.
pub(super) fn read_row(value: &RawValue) -> Result<Prices, Vec<FieldError>> {
    let mut merge = Merge { null: Null::Refused, errors: Vec::new() };
    merge.row(Draft::default(), "prices", value).ok_or(merge.errors)
}

struct Merge {
    null: Null,
    errors: Vec<FieldError>,
}

impl Merge {
    fn provider(&mut self, providers: &mut Providers, name: &str, value: &RawValue) {
        let path = shown(name);
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || name.len() > 64 || !name.chars().all(plain) {
            return self
                .error(&path, "is not a provider's name; write it as in /openai or /azure-openai");
        }
        if is_null(value) {
            if self.may_remove(&path) {
                providers.remove(name);
            }
            return;
        }
        let Some(entries) = object(value) else {
            return self.error(
                &path,
                "must be an object of models, as in {\"gpt-5.4\": {\"input\": 2.5}}",
            );
        };
        self.unique(&path, &entries);
        let models = providers.entry(name.into()).or_default();
        for (model, row) in entries.0 {
            self.model(models, &path, &model, row);
        }
        if models.is_empty() {
            providers.remove(name);
        }
    }

    fn model(&mut self, models: &mut Models, provider: &str, name: &str, value: &RawValue) {
        let path = format!("{provider}.{}", shown(name));
        if name.is_empty()
            || name.len() > 255
            || name.trim() != name
            || name.chars().any(char::is_control)
        {
            return self.error(
                &path,
                "is not a model's name; use 1 to 255 bytes without control characters or outer spaces",
            );
        }
        if is_null(value) {
            if self.may_remove(&path) {
                models.remove(name);
            }
            return;
        }
        let draft = models.get(name).map(Draft::of).unwrap_or_default();
        if let Some(row) = self.row(draft, &path, value) {
            models.insert(name.into(), row);
        }
    }

    fn row(&mut self, mut draft: Draft, path: &str, value: &RawValue) -> Option<Prices> {
        let Some(entries) = object(value) else {
            self.error(path, "must be an object of prices, as in {\"input\": 2.5, \"output\": 15}");
            return None;
        };
        let before = self.errors.len();
        self.unique(path, &entries);
        for (name, value) in &entries.0 {
            let path = format!("{path}.{}", shown(name));
            if is_null(value) {
                if self.may_remove(&path) && !draft.remove(name) {
                    self.error(&path, &unknown_field(name));
                }
            } else if let Err(message) = draft.set(name, value.get()) {
                self.error(&path, &message);
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
        Some(draft.finish())
    }

    fn may_remove(&mut self, path: &str) -> bool {
        if self.null == Null::Refused {
            self.error(path, "is null, which means something in a patch only; leave it out");
        }
        self.null == Null::Removes
    }

    fn unique(&mut self, path: &str, entries: &Entries<'_>) {
        let mut seen = HashSet::new();
        for (name, _) in &entries.0 {
            if !seen.insert(name.as_str()) {
                let dot = if path.is_empty() { "" } else { "." };
                self.error(
                    &format!("{path}{dot}{}", shown(name)),
                    "is given twice; keep one of them",
                );
            }
        }
    }

    fn error(&mut self, field: &str, message: &str) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        }
    }
}

fn object(value: &RawValue) -> Option<Entries<'_>> {
    serde_json::from_str(value.get()).ok()
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// A name from outside, fit for an error.
fn shown(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    if plain.len() < name.len() { format!("{plain}…") } else { plain }
}
