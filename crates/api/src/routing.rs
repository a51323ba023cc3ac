//! Who pays for a project's calls.

use byok_domain::Credits;
use byok_domain::credits::{BadRate, CreditRateChange};
use byok_domain::routing::{FallbackOn, FallbackReason, Mode, RoutingChange};
use serde_json::{Map, Value};

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::fields::Fields;

/// `GET /routing`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    answer::json(&ask.state.store.routing(scope.id()).await?)
}

/// `PATCH /routing`.
pub(crate) async fn update(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let change = RoutingChange {
        byok_enabled: fields.flag("byokEnabled"),
        mode: fields.choice("mode", "byok_first, credit_first, byok_only", Mode::parse),
        fallback_on: fallback_on(&mut fields),
        credit_rate: credit_rate(&mut fields),
        credits_low: fields.positive("creditsLow", Credits::MAX.get()).map(Credits::new),
    };
    if change.is_empty() {
        fields.nothing_to_change("mode");
    }
    fields.finish(Some(()))?;
    let routing = state.store.update_routing(scope.id(), change, &scope.by(at)).await?;
    state.gateway.forget_project(scope.id());
    answer::json(&routing)
}

fn fallback_on(fields: &mut Fields) -> Option<FallbackOn> {
    let Value::Array(entries) = fields.take("fallbackOn")? else {
        fields.reject("fallbackOn", "must be a list");
        return None;
    };
    let mut on = FallbackOn::NONE;
    for (at, entry) in entries.iter().enumerate() {
        let reason = entry.as_str().and_then(FallbackReason::parse);
        match reason.and_then(|reason| on.with(reason)) {
            Some(with) => on = with,
            None => fields.reject(
                format!("fallbackOn[{at}]"),
                "must be one of: key_rejected, quota_exhausted, provider_down",
            ),
        }
    }
    Some(on)
}

fn credit_rate(fields: &mut Fields) -> CreditRateChange {
    let change = CreditRateChange::default();
    let mut members = match fields.take("creditRate") {
        None => return change,
        Some(Value::Object(members)) => members,
        Some(_) => {
            fields.reject("creditRate", "must be an object of creditsPerUsd and markup");
            return change;
        }
    };
    let change = part(fields, &mut members, "creditsPerUsd", change, |change, text| {
        change.with_credits_per_usd(text)
    });
    let change =
        part(fields, &mut members, "markup", change, |change, text| change.with_markup(text));
    for name in members.keys() {
        fields
            .reject(format!("creditRate.{name}"), "is unknown; a rate has: creditsPerUsd, markup");
    }
    change
}

fn part(
    fields: &mut Fields,
    members: &mut Map<String, Value>,
    name: &str,
    change: CreditRateChange,
    read: impl FnOnce(CreditRateChange, &str) -> Result<CreditRateChange, BadRate>,
) -> CreditRateChange {
    let field = format!("creditRate.{name}");
    match members.remove(name) {
        None | Some(Value::Null) => change,
        // The shortest decimal of the number that was sent, which is what was meant.
        Some(Value::Number(number)) => match read(change, &number.to_string()) {
            Ok(change) => change,
            Err(error) => {
                fields.reject(field, error.to_string());
                change
            }
        },
        Some(_) => {
            fields.reject(field, "must be a number");
            change
        }
    }
}
