//! `GET /usage`: tokens and cost, seen from several sides.

use byok_domain::{KeySource, ProviderId, RefId, Timestamp};
use byok_store::{UnknownModel, Usage};
use serde::Serialize;

use super::FILTERS;
use super::sums::Sums;
use crate::answer::{self, Answer, shown};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::usage_tail::PATIENCE;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(serialize_with = "shown")]
    since: Timestamp,
    #[serde(serialize_with = "shown")]
    until: Timestamp,
    totals: Sums,
    by_provider: Vec<Group<ByProvider>>,
    by_model: Vec<Group<ByModel>>,
    by_ref_id: Vec<Group<ByRefId>>,
    by_source: Vec<Group<BySource>>,
    daily: Vec<Group<ByDay>>,
    unknown_models: Vec<Unknown>,
    /// Whether a breakdown is longer than what is shown of it. The totals are whole.
    truncated: bool,
}

#[derive(Serialize)]
struct Group<Of> {
    #[serde(flatten)]
    of: Of,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct ByProvider {
    provider: ProviderId,
}

#[derive(Serialize)]
struct ByModel {
    provider: ProviderId,
    model: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByRefId {
    ref_id: RefId,
}

#[derive(Serialize)]
struct BySource {
    source: KeySource,
}

#[derive(Serialize)]
struct ByDay {
    date: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unknown {
    provider: ProviderId,
    model: Option<String>,
    requests: u64,
    total_tokens: u64,
}

impl From<UnknownModel> for Unknown {
    fn from(unknown: UnknownModel) -> Self {
        Self {
            provider: unknown.provider,
            model: unknown.model,
            requests: unknown.requests,
            total_tokens: unknown.total_tokens,
        }
    }
}

impl Report {
    fn of(since: Timestamp, until: Timestamp, usage: Usage) -> Result<Self, ApiError> {
        Ok(Self {
            since,
            until,
            totals: Sums::of(&usage.totals)?,
            by_provider: groups(usage.by_provider, |part| {
                Ok((ByProvider { provider: part.provider }, Sums::of(&part.sums)?))
            })?,
            by_model: groups(usage.by_model, |part| {
                let of = ByModel { provider: part.provider, model: part.model };
                Ok((of, Sums::of(&part.sums)?))
            })?,
            by_ref_id: groups(usage.by_ref_id, |part| {
                Ok((ByRefId { ref_id: part.ref_id }, Sums::of(&part.sums)?))
            })?,
            by_source: groups(usage.by_source, |part| {
                Ok((BySource { source: part.source }, Sums::of(&part.sums)?))
            })?,
            daily: groups(usage.daily, |part| {
                Ok((ByDay { date: part.day.date() }, Sums::of(&part.sums)?))
            })?,
            unknown_models: usage.unknown_models.into_iter().map(Unknown::from).collect(),
            truncated: usage.cut,
        })
    }
}

fn groups<T, Of>(
    parts: Vec<T>,
    read: impl Fn(T) -> Result<(Of, Sums), ApiError>,
) -> Result<Vec<Group<Of>>, ApiError> {
    let group = |part| read(part).map(|(of, sums)| Group { of, sums });
    parts.into_iter().map(group).collect()
}

pub(crate) async fn report(scope: Scope, ask: Ask) -> Answer {
    let filter = super::bounded(&ask.query(&FILTERS)?, ask.at)?;
    ask.state.usage.caught_up(PATIENCE).await;
    let usage = ask.state.store.usage(scope.id(), &filter).await?;
    let (since, until) = (filter.since.unwrap_or_default(), filter.until.unwrap_or_default());
    answer::json(&Report::of(since, until, usage)?)
}
