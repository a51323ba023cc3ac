//! The fields of one row: reading each, or saying what is wrong with it.

use std::collections::BTreeMap;

use super::decimal::{self, BadNumber};
use super::field::{self, Field};
use super::prices::Prices;

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

/// A row on its way to becoming [`Prices`].
#[derive(Default)]
pub(super) struct Draft {
    rates: BTreeMap<Field, u64>,
    rest: Prices,
}

impl Draft {
    /// What a row holds already.
    pub(super) fn of(row: &Prices) -> Self {
        let rest = Prices { rates: Box::default(), ..row.clone() };
        Self { rates: row.rates.iter().copied().collect(), rest }
    }

    /// Whether there is no price in it.
    pub(super) fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// How many prices there are in it.
    pub(super) fn len(&self) -> usize {
        self.rates.len()
    }

    /// The row.
    pub(super) fn finish(self) -> Prices {
        Prices { rates: self.rates.into_iter().collect(), ..self.rest }
    }

    /// Whether there is such a field; it is gone afterwards.
    pub(super) fn remove(&mut self, name: &str) -> bool {
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

    /// Takes a field from JSON, or says what is wrong with it.
    pub(super) fn set(&mut self, name: &str, json: &str) -> Result<(), String> {
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
    let shape = |text: &str| {
        text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let text: Option<Box<str>> = serde_json::from_str(json).ok();
    text.filter(|text| shape(text)).ok_or_else(|| "must be a date as \"2026-12-31\"".to_owned())
}

/// What to say of a name that is no field.
pub(super) fn unknown_field(name: &str) -> String {
    match field::nearest(name, OTHER_FIELDS) {
        Some(known) => format!("is not a price we know; did you mean {known}?"),
        None => "is not a price we know; see input, output, cacheRead, cacheWrite".to_owned(),
    }
}
