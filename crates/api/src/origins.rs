//! The origins that a project's publishable keys may be used from.

use byok_domain::origin::Allowlist;
use serde::Serialize;
use serde_json::Value;

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::fields::Fields;

/// The longest list: every request with a publishable key is compared with each entry.
const MAX_ORIGINS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    allowed_origins: &'a Allowlist,
}

/// `GET /origins`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    answer::json(&Shown { allowed_origins: &scope.project().allowed_origins })
}

/// `PATCH /origins`.
pub(crate) async fn update(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let origins = allowlist(&mut fields);
    let origins = fields.required("allowedOrigins", origins);
    let origins = fields.finish(origins)?;
    state.store.set_allowed_origins(scope.id(), &origins, &scope.by(at)).await?;
    state.gateway.forget_project(scope.id());
    state.origins.forget();
    answer::json(&Shown { allowed_origins: &origins })
}

fn allowlist(fields: &mut Fields) -> Option<Allowlist> {
    let Value::Array(entries) = fields.take("allowedOrigins")? else {
        fields.reject("allowedOrigins", "must be a list of origins such as https://example.com");
        return None;
    };
    if entries.len() > MAX_ORIGINS {
        fields.reject("allowedOrigins", "may have at most 100 entries");
        return None;
    }
    let texts: Vec<&str> = entries.iter().map(|entry| entry.as_str().unwrap_or_default()).collect();
    match Allowlist::parse(&texts) {
        Ok(origins) => Some(origins),
        Err(errors) => {
            for (at, error) in errors {
                fields.reject(format!("allowedOrigins[{at}]"), error.to_string());
            }
            None
        }
    }
}
