//! From columns to the domain's types and back.

use byok_domain::{KeySource, KeyStatus, PicoUsd, RefId, Timestamp};
use sea_orm::DbBackend;

use crate::StoreError;

/// A column that holds one of a few texts.
pub(crate) fn parsed<T>(
    table: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(text).ok_or_else(|| StoreError::damaged(table, format!("{text:?} has no meaning here")))
}

/// Whether a text of the caller's choosing can be in a column: PostgreSQL keeps no zero character,
/// and fails when it is asked for one.
pub(crate) fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// A refId. What was stored was parsed once; what does not parse now was not stored by us.
pub(crate) fn ref_id(table: &'static str, text: &str) -> Result<RefId, StoreError> {
    RefId::parse(text).map_err(|why| StoreError::damaged(table, why.to_string()))
}

pub(crate) fn key_status(table: &'static str, text: &str) -> Result<KeyStatus, StoreError> {
    parsed(table, text, KeyStatus::parse)
}

pub(crate) fn key_source(table: &'static str, text: &str) -> Result<KeySource, StoreError> {
    parsed(table, text, |text| {
        [KeySource::Byok, KeySource::Credits].into_iter().find(|source| source.as_str() == text)
    })
}

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn optional_time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

pub(crate) fn optional_millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

pub(crate) fn cost(pico: Option<i64>) -> Option<PicoUsd> {
    pico.map(PicoUsd::from_pico)
}

/// A count, which no column holds a negative of.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// JSON of a value whose keys are texts: such a value always has a form.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the value has text keys and no failing parts")
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    table: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|why| StoreError::damaged(table, why.to_string()))
}

/// What statements of our own are said to be for. A connection takes them for what it is: SQLite
/// and PostgreSQL both read the placeholders `$1`, `$2`, … that they are written with.
pub(crate) const BACKEND: DbBackend = DbBackend::Sqlite;
