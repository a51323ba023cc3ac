//! Reading rows, merging patches into them, and saying everything that is wrong at once.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::value::RawValue;

use super::decimal::{self, BadNumber};
use super::entries::Entries;
use super::field::{self, Field};
use super::prices::Prices;
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

/// Everything that is not a price.
const OTHER_FIELDS: &[&str] =
    &["mode", "aboveInclusive", "maxInput", "maxOutput", "deprecated", "zeroPriced"];

/// What models are for.
const MODES: &[&str] = &[
    "audio_speech",
    "audio_transcription",
    "chat",
    "completion",
    "decisions",
    "embedding",
    "evaluation",
    "image_edit",
    "image_generation",
    "moderation",
    "ocr",
    "realtime",
    "rerank",
    "responses",
    "search",
    "video_generation",
];

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
        if draft.rates.is_empty() {
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

/// A row on its way to becoming [`Prices`].
#[derive(Default)]
pub(super) struct Draft {
    rates: BTreeMap<Field, u64>,
    rest: Prices,
}

impl Draft {
    /// A row that stands alone.
    pub(super) fn read_row(value: &RawValue) -> Result<Prices, Vec<FieldError>> {
        let mut merge = Merge { null: Null::Refused, errors: Vec::new() };
        merge.row(Self::default(), "prices", value).ok_or(merge.errors)
    }

    fn of(row: &Prices) -> Self {
        let rest = Prices { rates: Box::default(), ..row.clone() };
        Self { rates: row.rates.iter().copied().collect(), rest }
    }

    fn finish(self) -> Prices {
        Prices { rates: self.rates.into_iter().collect(), ..self.rest }
    }

    /// Whether there is such a field; it is gone afterwards.
    fn remove(&mut self, name: &str) -> bool {
        match name {
            "mode" => self.rest.mode = None,
            "aboveInclusive" => self.rest.above_inclusive = false,
            "maxInput" => self.rest.max_input = None,
            "maxOutput" => self.rest.max_output = None,
            "deprecated" => self.rest.deprecated = None,
            "zeroPriced" => self.rest.zero_priced = false,
            _ => match Field::parse(name) {
                Some(field) => {
                    self.rates.remove(&field);
                }
                None => return false,
            },
        }
        true
    }

    fn set(&mut self, name: &str, json: &str) -> Result<(), String> {
        match name {
            "mode" => self.rest.mode = Some(mode(json)?),
            "aboveInclusive" => self.rest.above_inclusive = flag(json)?,
            "maxInput" => self.rest.max_input = Some(tokens(json)?),
            "maxOutput" => self.rest.max_output = Some(tokens(json)?),
            "deprecated" => self.rest.deprecated = Some(date(json)?),
            "zeroPriced" => self.rest.zero_priced = flag(json)?,
            "offPeak" => return Err("is not supported; a price here holds all day".to_owned()),
            _ => {
                let field = Field::parse(name).ok_or_else(|| unknown_field(name))?;
                self.rates.insert(field, price(field, json)?);
            }
        }
        Ok(())
    }
}

fn price(field: Field, json: &str) -> Result<u64, String> {
    if !json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err("must be a number of USD, without quotes".to_owned());
    }
    let unit = field.base.unit();
    let limit = unit.limit() * 10_u64.pow(unit.decimals());
    decimal::parse(json, unit.decimals(), limit).map_err(|why| match why {
        BadNumber::Negative => "is negative; a price is 0 or more".to_owned(),
        BadNumber::TooLarge => {
            format!("is over {}, which no price is; check the unit", unit.limit())
        }
        BadNumber::TooSmall => {
            format!("is under the finest step, {} decimals; check the unit", unit.decimals())
        }
    })
}

fn mode(json: &str) -> Result<&'static str, String> {
    let text: Option<String> = serde_json::from_str(json).ok();
    MODES
        .iter()
        .copied()
        .find(|mode| text.as_deref() == Some(mode))
        .ok_or_else(|| format!("must be one of {}", MODES.join(", ")))
}

fn flag(json: &str) -> Result<bool, String> {
    serde_json::from_str(json).map_err(|_| "must be true or false".to_owned())
}

fn tokens(json: &str) -> Result<u64, String> {
    serde_json::from_str(json).map_err(|_| "must be a whole number of tokens".to_owned())
}

fn date(json: &str) -> Result<Box<str>, String> {
    let shape = |text: &Box<str>| {
        text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let text: Option<Box<str>> = serde_json::from_str(json).ok();
    text.filter(shape).ok_or_else(|| "must be a date as \"2026-12-31\"".to_owned())
}

fn unknown_field(name: &str) -> String {
    match field::nearest(name, OTHER_FIELDS) {
        Some(known) => format!("is not a price we know; did you mean {known}?"),
        None => "is not a price we know; see input, output, cacheRead, cacheWrite".to_owned(),
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
