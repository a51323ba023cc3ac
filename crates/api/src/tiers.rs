//! The plans that a project sells.

use byok_domain::FieldError;
use byok_domain::tiers::{Tier, Tiers};
use serde_json::{Map, Value};

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::error::{ApiError, Code};

const FIELDS: &str =
    "name, byokAllowed, requestsPerMinute, tokensPerDay, concurrentRequests, default";

/// `GET /tiers`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    answer::json(&ask.state.store.tiers(scope.id()).await?)
}

/// `PUT /tiers`: a list of all of them; an empty one brings the built-in ones back.
pub(crate) async fn replace(scope: Scope, ask: Ask) -> Answer {
    let (state, at, body) = ask.json().await?;
    let tiers = read(&body)?;
    state.store.set_tiers(scope.id(), &tiers, &scope.by(at)).await?;
    state.gateway.forget_project(scope.id());
    answer::json(&tiers)
}

fn read(body: &[u8]) -> Result<Tiers, ApiError> {
    let entries = match serde_json::from_slice(body) {
        Ok(Value::Array(entries)) => entries,
        Ok(Value::Object(mut members)) if members.len() == 1 => match members.remove("tiers") {
            Some(Value::Array(entries)) => entries,
            _ => return Err(ApiError::field("tiers", "must be a list of tiers")),
        },
        Ok(_) => return Err(ApiError::field("tiers", "must be a list of tiers")),
        Err(_) => {
            return Err(ApiError::new(Code::InvalidJson, "The body must be a JSON list of tiers."));
        }
    };
    let mut errors = Vec::new();
    let mut tiers = Vec::with_capacity(entries.len());
    for (at, entry) in entries.into_iter().enumerate() {
        let mut wrong = |field: &str, message: String| {
            let dot = if field.is_empty() { "" } else { "." };
            errors.push(FieldError::new(format!("tiers[{at}]{dot}{field}"), message));
        };
        match entry {
            Value::Object(members) => tiers.push(tier(members, &mut wrong)),
            _ => wrong("", "must be an object".to_owned()),
        }
    }
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    Tiers::parse(tiers).map_err(ApiError::fields)
}

fn tier(mut members: Map<String, Value>, wrong: &mut impl FnMut(&str, String)) -> Tier {
    let mut flag =
        |name: &str, missing: Option<bool>, wrong: &mut dyn FnMut(&str, String)| match members
            .remove(name)
            .unwrap_or(Value::Null)
        {
            Value::Bool(flag) => flag,
            Value::Null if missing.is_some() => missing.unwrap_or_default(),
            _ => {
                wrong(name, "must be true or false".to_owned());
                false
            }
        };
    let byok_allowed = flag("byokAllowed", None, wrong);
    let default = flag("default", Some(false), wrong);
    let mut limit = |name: &str| match members.remove(name).unwrap_or(Value::Null) {
        Value::Null => None,
        value => {
            let number = value.as_u64();
            if number.is_none() {
                wrong(
                    name,
                    "must be a whole number of at least 1, or null for no limit".to_owned(),
                );
            }
            number
        }
    };
    let [requests_per_minute, tokens_per_day, concurrent_requests] =
        ["requestsPerMinute", "tokensPerDay", "concurrentRequests"].map(&mut limit);
    let name = match members.remove("name") {
        Some(Value::String(name)) => name,
        _ => {
            wrong("name", "must be a string".to_owned());
            String::new()
        }
    };
    for unknown in members.keys() {
        wrong(unknown, format!("is unknown; the fields of a tier are: {FIELDS}"));
    }
    Tier { name, byok_allowed, requests_per_minute, tokens_per_day, concurrent_requests, default }
}
