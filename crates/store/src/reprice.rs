//! Calls without a price, once their model has one.

use std::collections::BTreeMap;

use byok_domain::audit::Action;
use byok_domain::money::decimal_usd;
use byok_domain::pricing::Priced;
use byok_domain::{PicoUsd, ProjectId, ProviderId, Timestamp, Usage};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Value,
};

use crate::audit::Metadata;
use crate::entity::calls::{Column, Entity, Model};
use crate::filter::{first_id_at, time_of};
use crate::rows::execute_rows;
use crate::usage::PICO_PER_USD;
use crate::{By, Store, StoreError, usage_detail};

/// Calls that are priced in one transaction: a fraction of a second, in which no call is logged.
const BATCH: usize = 500;

/// The longest list of models that is given whole.
const MOST_MODELS: usize = 1_000;

const PRICE_HEAD: &str = "UPDATE calls SET cost_pico = priced.column3, \
    unit_prices = priced.column4 FROM (VALUES";
const PRICE_TAIL: &str =
    ") AS priced WHERE calls.project_id = priced.column1 AND calls.id = priced.column2";

const SUM_HEAD: &str = "UPDATE usage_hourly SET \
    cost_usd = cost_usd + more.column7 + (cost_pico + more.column8) / 1000000000000, \
    cost_pico = (cost_pico + more.column8) % 1000000000000, \
    priced_requests = priced_requests + more.column9, \
    unpriced_requests = unpriced_requests - more.column9, \
    unpriced_tokens = unpriced_tokens - more.column10 FROM (VALUES";
const SUM_TAIL: &str = ") AS more WHERE usage_hourly.project_id = more.column1 \
    AND usage_hourly.hour = more.column2 AND usage_hourly.provider = more.column3 \
    AND usage_hourly.model = more.column4 AND usage_hourly.ref_id = more.column5 \
    AND usage_hourly.source = more.column6";

/// Which calls to look at; a call's time is the one that its id carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reprice {
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Whether to change nothing and only tell what would be.
    pub dry_run: bool,
}

/// A call whose usage is known and whose price was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// At which provider.
    pub provider: ProviderId,
    /// The model, if it has one.
    pub model: Option<String>,
    /// The model that the answer named, where it is another one.
    pub answered: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// When it came in, since some prices depend on the hour.
    pub at: Timestamp,
}

/// What became of the calls without a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repriced {
    /// Calls without a price that were looked at.
    pub examined: u64,
    /// Those that have a price now.
    pub repriced: u64,
    /// What those cost, in picodollars.
    pub cost_pico: i128,
    /// The calls of each provider and model that still have none, in order; the first thousand.
    pub still_unpriced: Vec<StillUnpriced>,
}

/// The calls of a model that still have no price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillUnpriced {
    /// The provider.
    pub provider: ProviderId,
    /// The model; `None` when the calls named none.
    pub model: Option<String>,
    /// How many there are.
    pub requests: u64,
}

impl Store {
    /// Prices a project's calls that have none and whose usage is known, by what `price` says, and
    /// the roll-ups of their hours. Calls that have a price keep it, whatever `price` says.
    ///
    /// Each few hundred calls are a transaction with an entry in the audit log: what an interrupted
    /// run has done is done, and the next run goes on from there.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn reprice(
        &self,
        project: &ProjectId,
        wanted: Reprice,
        price: impl Fn(&Unpriced) -> Option<Priced> + Send + Sync,
        by: &By,
    ) -> Result<Repriced, StoreError> {
        let mut done = Repriced::default();
        let mut left: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        let mut last = None;
        loop {
            let page = self.unpriced_after(project, wanted, last.take()).await?;
            let mut changes = Vec::new();
            for row in &page {
                match price(&unpriced(row)?) {
                    Some(priced) => changes.push((row, priced)),
                    None => {
                        *left.entry((row.provider.clone(), row.model.clone())).or_default() += 1
                    }
                }
            }
            done.examined += page.len() as u64;
            if !wanted.dry_run && !changes.is_empty() {
                changes = self.write_prices(project, changes, by).await?;
            }
            done.repriced += changes.len() as u64;
            done.cost_pico += sum(changes.iter().map(|(_, priced)| priced.cost));
            match page.last() {
                Some(row) if page.len() == BATCH => last = Some(row.id.clone()),
                _ => break,
            }
        }
        let left = left.into_iter().take(MOST_MODELS);
        done.still_unpriced = left
            .map(|((provider, model), requests)| StillUnpriced {
                provider: ProviderId::new(provider),
                model,
                requests,
            })
            .collect();
        Ok(done)
    }

    /// The next calls without a price, oldest first.
    async fn unpriced_after(
        &self,
        project: &ProjectId,
        wanted: Reprice,
        last: Option<Vec<u8>>,
    ) -> Result<Vec<Model>, StoreError> {
        let mut query = without_price(project);
        if let Some(since) = wanted.since {
            query = query.filter(Column::Id.gte(first_id_at(since.as_millis())));
        }
        if let Some(until) = wanted.until {
            query = query.filter(Column::Id.lt(first_id_at(until.as_millis())));
        }
        if let Some(last) = last {
            query = query.filter(Column::Id.gt(last));
        }
        let query = query.order_by_asc(Column::Id).limit(BATCH as u64);
        Ok(query.all(self.database().reader()).await?)
    }

    /// Writes the prices of calls that still have none; returns those.
    async fn write_prices<'a>(
        &self,
        project: &ProjectId,
        mut changes: Vec<(&'a Model, Priced)>,
        by: &By,
    ) -> Result<Vec<(&'a Model, Priced)>, StoreError> {
        let transaction = self.database().begin().await?;
        // Somebody else may have priced some of them since they were read.
        let ids = changes.iter().map(|(row, _)| row.id.clone());
        let query = without_price(project).filter(Column::Id.is_in(ids)).select_only();
        let open: Vec<Vec<u8>> = query
            .column(Column::Id)
            .order_by_asc(Column::Id)
            .into_tuple()
            .all(&transaction)
            .await?;
        changes.retain(|(row, _)| open.binary_search(&row.id).is_ok());
        if !changes.is_empty() {
            write_calls(&transaction, &changes).await?;
            write_roll_ups(&transaction, &changes).await?;
            let cost = decimal_usd(sum(changes.iter().map(|(_, priced)| priced.cost)));
            let metadata = Metadata::from([
                ("costUsd", cost.into()),
                ("repriced", (changes.len() as u64).into()),
            ]);
            self.append_of_project(&transaction, Action::PricingUpdated, project, metadata, by)
                .await?;
        }
        transaction.commit().await?;
        Ok(changes)
    }
}

fn without_price(project: &ProjectId) -> sea_orm::Select<Entity> {
    Entity::find()
        .filter(Column::ProjectId.eq(project.as_str()))
        .filter(Column::CostPico.is_null())
        .filter(
            Condition::any()
                .add(Column::TotalTokens.is_not_null())
                .add(Column::UsageDetail.is_not_null()),
        )
}

fn unpriced(row: &Model) -> Result<Unpriced, StoreError> {
    Ok(Unpriced {
        provider: ProviderId::new(row.provider.as_str()),
        model: row.model.clone(),
        answered: row.answered_model.clone(),
        usage: usage_detail::read(row)?.unwrap_or_default(),
        at: time(row),
    })
}

async fn write_calls(
    transaction: &DatabaseTransaction,
    changes: &[(&Model, Priced)],
) -> Result<(), StoreError> {
    execute_rows(transaction, PRICE_HEAD, 4, PRICE_TAIL, changes, |(row, priced), values| {
        values.extend([
            row.project_id.as_str().into(),
            row.id.clone().into(),
            priced.cost.as_pico().into(),
            priced.unit_prices.as_deref().into(),
        ]);
    })
    .await?;
    Ok(())
}

/// What the calls of one roll-up gain.
#[derive(Default)]
struct Gain {
    cost_pico: i128,
    requests: i64,
    tokens: i64,
}

async fn write_roll_ups(
    transaction: &DatabaseTransaction,
    changes: &[(&Model, Priced)],
) -> Result<(), StoreError> {
    let mut gains: BTreeMap<_, Gain> = BTreeMap::new();
    for (row, priced) in changes {
        let model = row.model.as_deref().unwrap_or_default();
        let key = (hour(row), &row.provider, model, &row.ref_id, &row.source);
        let gain = gains.entry(key).or_default();
        gain.cost_pico += i128::from(priced.cost.as_pico());
        gain.requests += 1;
        gain.tokens = gain.tokens.saturating_add(row.total_tokens.unwrap_or_default());
    }
    let gains: Vec<_> = gains.into_iter().collect();
    let project = changes.first().map_or("", |(row, _)| row.project_id.as_str());
    execute_rows(transaction, SUM_HEAD, 10, SUM_TAIL, &gains, |(key, gain), values| {
        let (hour, provider, model, ref_id, source) = key;
        let whole = i64::try_from(gain.cost_pico / PICO_PER_USD).unwrap_or(i64::MAX);
        let rest = i64::try_from(gain.cost_pico % PICO_PER_USD).unwrap_or_default();
        values.extend::<[Value; 10]>([
            project.into(),
            (*hour).into(),
            provider.as_str().into(),
            (*model).into(),
            ref_id.as_str().into(),
            source.as_str().into(),
            whole.into(),
            rest.into(),
            gain.requests.into(),
            gain.tokens.into(),
        ]);
    })
    .await?;
    Ok(())
}

/// The hour of a call's roll-up, by its first millisecond.
fn hour(row: &Model) -> i64 {
    time(row).hour().as_millis()
}

fn time(row: &Model) -> Timestamp {
    let id = <[u8; 16]>::try_from(row.id.as_slice()).unwrap_or_default();
    time_of(&byok_domain::RequestId::from_bytes(id))
}

fn sum(costs: impl Iterator<Item = PicoUsd>) -> i128 {
    costs.map(|cost| i128::from(cost.as_pico())).sum()
}
