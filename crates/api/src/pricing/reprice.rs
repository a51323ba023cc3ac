//! `POST /reprice`: calls without a price, once their model has one.

use byok_domain::ProviderId;
use byok_domain::money::decimal_usd;
use byok_store::{Reprice, Repriced, StillUnpriced, Unpriced};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::{self, Answer, exact};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::usage_tail::PATIENCE;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    examined: u64,
    repriced: u64,
    still_unpriced: Vec<Left>,
    cost_usd: Box<RawValue>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Left {
    provider: ProviderId,
    model: Option<String>,
    requests: u64,
}

impl Report {
    fn of(done: Repriced, dry_run: bool) -> Result<Self, ApiError> {
        let left = |StillUnpriced { provider, model, requests }| Left { provider, model, requests };
        Ok(Self {
            examined: done.examined,
            repriced: done.repriced,
            still_unpriced: done.still_unpriced.into_iter().map(left).collect(),
            cost_usd: exact(decimal_usd(done.cost_pico))?,
            dry_run,
        })
    }
}

/// `POST /reprice`.
pub(crate) async fn reprice(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let (since, until) = (fields.time("since"), fields.time("until"));
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        fields.reject("since", "must not be later than until");
    }
    let dry_run = fields.flag("dryRun").unwrap_or_default();
    let wanted = fields.finish(Some(Reprice { since, until, dry_run }))?;

    state.usage.caught_up(PATIENCE).await;
    let overrides = state.store.pricing(scope.id()).await?;
    let book = state.gateway.prices();
    let price = |call: &Unpriced| {
        let names: Vec<&str> =
            [&call.answered, &call.model].into_iter().flatten().map(String::as_str).collect();
        let provider = call.provider.as_str();
        book.find_any(Some(&overrides), provider, &names, call.at)?.price(&call.usage)
    };
    let done = state.store.reprice(scope.id(), wanted, price, &scope.by(at)).await?;
    answer::json(&Report::of(done, dry_run)?)
}
