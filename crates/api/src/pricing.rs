//! A project's own prices.

mod reprice;

use byok_domain::pricing::PriceTable;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::error::{ApiError, FieldError};

pub(crate) use reprice::reprice;

#[derive(Serialize)]
struct Shown<'a> {
    overrides: &'a PriceTable,
}

/// `GET /pricing`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let overrides = ask.state.store.pricing(scope.id()).await?;
    answer::json(&Shown { overrides: &overrides })
}

/// `PATCH /pricing`.
pub(crate) async fn update(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let patch = fields.take("overrides");
    let patch = fields.required("overrides", patch);
    let patch = fields.finish(patch)?;
    let merge = |table: &PriceTable| table.merge_patch(&patch);
    let overrides = state
        .store
        .update_pricing(scope.id(), merge, &scope.by(at))
        .await?
        .map_err(|errors| ApiError::fields(errors.into_iter().map(inside).collect()))?;
    state.gateway.forget_project(scope.id());
    answer::json(&Shown { overrides: &overrides })
}

/// `DELETE /pricing`.
pub(crate) async fn clear(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    ask.state.store.clear_pricing(scope.id(), &scope.by(ask.at)).await?;
    ask.state.gateway.forget_project(scope.id());
    answer::json(&Shown { overrides: &PriceTable::default() })
}

/// An error of the table, its path seen from the request's body.
fn inside(error: FieldError) -> FieldError {
    let dot = if error.field.is_empty() { "" } else { "." };
    FieldError::new(format!("overrides{dot}{}", error.field), error.message)
}
