//! The fields of one row: reading each, or saying what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::decimal::{self, BadNumber};
use super::field::{self, Field};
use super::off_peak;
use super::prices::Prices;

/// Everything that is not a price.
const OTHER_FIELDS: &[&str] =
    &["mode", "offPeak", "aboveInclusive", "maxInput", "maxOutput", "deprecated", "zeroPriced"];

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
    pub(super) off_peak: Option<off_peak::Draft>,
    rest: Prices,
}

impl Draft {
    /// What a row holds already.
    pub(super) fn of(row: &Prices) -> Self {
        Self {
            rates: row.rates.iter().copied().collect(),
            off_peak: row.off_peak.as_deref().map(off_peak::Draft::of),
            rest: Prices { rates: Box::default(), off_peak: None, ..row.clone() },
        }
    }

    /// Whether there is no price in it.
    pub(super) fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// How many prices a call may be charged by.
    pub(super) fn len(&self) -> usize {
        let off_peak = self.off_peak.iter().flat_map(off_peak::Draft::fields);
        self.rates.keys().chain(off_peak).collect::<BTreeSet<_>>().len()
    }

    /// The row.
    pub(super) fn finish(self) -> Prices {
        let mut row = Prices { rates: self.rates.into_iter().collect(), ..self.rest };
        row.off_peak = self.off_peak.and_then(|off_peak| off_peak.finish(&row));
        row
    }

    /// Whether there is such a field; it is gone afterwards.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        match name {
            "mode" => self.rest.mode = None,
            "offPeak" => self.off_peak = None,
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
            _ => {
                let field = Field::parse(name).ok_or_else(|| unknown_field(name))?;
                self.rates.insert(field, price(field, json)?);
            }
        }
        Ok(())
    }
}

/// The price in `json`, or what is wrong with it.
pub(super) fn price(field: Field, json: &str) -> Result<u64, String> {
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
