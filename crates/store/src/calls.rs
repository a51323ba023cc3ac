//! The request log.

use byok_domain::call::Attempt;
use byok_domain::routing::FallbackReason;
use byok_domain::{
    Credits, ErrorClass, KeySource, PicoUsd, ProjectId, ProviderId, ProviderKeyId, RefId,
    RequestId, Timestamp,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::column::{cost, count, from_json, key_source, parsed, ref_id};
use crate::entity::calls::{Column, Entity, Model};
use crate::filter::{first_id_at, time_of};
use crate::statement::Sql;
use crate::usage::{SUMS, parts, read_sums};
use crate::{CallFilter, Store, StoreError};

const TABLE: &str = "calls";

/// One call of the request log. Unknown usage and an unknown price are `None`, never 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The call.
    pub id: RequestId,
    /// For which customer.
    pub ref_id: RefId,
    /// At which provider.
    pub provider: ProviderId,
    /// The model, if it has one.
    pub model: Option<String>,
    /// The operation, as in the envelope routes.
    pub operation: String,
    /// The customer's key it was made with.
    pub key: Option<ProviderKeyId>,
    /// Who paid.
    pub source: KeySource,
    /// The HTTP status the caller saw.
    pub status: u16,
    /// Why it failed; `None` when it succeeded.
    pub error: Option<ErrorClass>,
    /// Whether the answer was a stream of events.
    pub streamed: bool,
    /// Input tokens, those read from and written to caches included.
    pub input_tokens: Option<u64>,
    /// Output tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Everything billed as tokens.
    pub total_tokens: Option<u64>,
    /// Input tokens read from a cache.
    pub cache_read_tokens: Option<u64>,
    /// Input tokens written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// Reasoning tokens, inside the output.
    pub reasoning_tokens: Option<u64>,
    /// Whether the usage is an estimate.
    pub usage_estimated: bool,
    /// Whether the usage is the word of an address that the customer chose.
    pub customer_reported: bool,
    /// What it cost at list price.
    pub cost: Option<PicoUsd>,
    /// The unit prices that entered the cost, as a JSON object of the price row's fields.
    pub unit_prices: Option<String>,
    /// What it was charged in credits; `None` when it did not pay with them.
    pub credits: Option<Credits>,
    /// Why credits paid, although the customer's own key goes first.
    pub fallback: Option<FallbackReason>,
    /// The attempts that failed before.
    pub attempts: Vec<Attempt>,
    /// Milliseconds from the request to the end of the answer.
    pub latency_ms: u64,
    /// Milliseconds from the request to the answer's first byte.
    pub first_byte_ms: Option<u64>,
    /// When the request came in.
    pub created_at: Timestamp,
}

/// Which part of the log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRange {
    /// At most so many.
    pub limit: u64,
    /// After passing over so many. The database goes over each of them: to read far into a log,
    /// use `before`.
    pub offset: u64,
    /// Only calls older than this one: the [`next`](CallPage::next) of the page before.
    pub before: Option<RequestId>,
}

/// A part of the log, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPage {
    /// The calls.
    pub data: Vec<Call>,
    /// How many fit the filter in all.
    pub total: u64,
    /// Where the next page goes on; `None` when this is the last.
    pub next: Option<RequestId>,
}

impl Store {
    /// A project's calls, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn calls(
        &self,
        project: &ProjectId,
        filter: &CallFilter,
        range: CallRange,
    ) -> Result<CallPage, StoreError> {
        let mut query = matching(project, filter);
        if let Some(before) = range.before {
            query = query.filter(Column::Id.lt(before.as_bytes().to_vec()));
        }
        // One more than asked for tells whether there is a next page.
        let mut rows = query
            .order_by_desc(Column::Id)
            .limit(range.limit.saturating_add(1))
            .offset(range.offset)
            .all(self.database().reader())
            .await?;
        let asked = usize::try_from(range.limit).unwrap_or(usize::MAX);
        let more = rows.len() > asked;
        rows.truncate(asked);
        let data = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = if more { data.last().map(|call| call.id) } else { None };
        let total = self.count_calls(project, filter).await?;
        Ok(CallPage { data, total, next })
    }

    /// One call of a project.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn call(
        &self,
        project: &ProjectId,
        id: &RequestId,
    ) -> Result<Option<Call>, StoreError> {
        Entity::find_by_id((project.as_str().to_owned(), id.as_bytes().to_vec()))
            .one(self.database().reader())
            .await?
            .map(read)
            .transpose()
    }

    /// The roll-ups know how many calls there are; counting rows would read the whole log.
    async fn count_calls(
        &self,
        project: &ProjectId,
        filter: &CallFilter,
    ) -> Result<u64, StoreError> {
        let mut sql = Sql::new(&format!("SELECT {SUMS} FROM "));
        parts(&mut sql, project, &filter.usage);
        let Some(row) = self.database().reader().query_one_raw(sql.into_statement()).await? else {
            return Ok(0);
        };
        let sums = read_sums(&row, 0)?;
        Ok(match filter.success {
            None => sums.requests,
            Some(true) => sums.succeeded,
            Some(false) => sums.failed,
        })
    }
}

/// The calls of a project that fit a filter.
pub(crate) fn matching(project: &ProjectId, filter: &CallFilter) -> sea_orm::Select<Entity> {
    let mut query = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
    let usage = &filter.usage;
    if let Some(ref_id) = &usage.ref_id {
        query = query.filter(Column::RefId.eq(ref_id.as_str()));
    }
    if let Some(provider) = &usage.provider {
        query = query.filter(Column::Provider.eq(provider.as_str()));
    }
    if let Some(model) = &usage.model {
        query = query.filter(Column::Model.eq(model.as_str()));
    }
    if let Some(source) = usage.source {
        query = query.filter(Column::Source.eq(source.as_str()));
    }
    if let Some(since) = usage.since {
        query = query.filter(Column::Id.gte(first_id_at(since.as_millis())));
    }
    if let Some(until) = usage.until {
        query = query.filter(Column::Id.lt(first_id_at(until.as_millis())));
    }
    match filter.success {
        None => query,
        Some(true) => query.filter(Column::Error.is_null()),
        Some(false) => query.filter(Column::Error.is_not_null()),
    }
}

pub(crate) fn read(row: Model) -> Result<Call, StoreError> {
    let id = <[u8; 16]>::try_from(row.id.as_slice())
        .map(RequestId::from_bytes)
        .map_err(|_| StoreError::damaged(TABLE, "an id is not 16 bytes long"))?;
    let status = u16::try_from(row.status)
        .map_err(|_| StoreError::damaged(TABLE, "a status is out of range"))?;
    Ok(Call {
        id,
        ref_id: ref_id(TABLE, &row.ref_id)?,
        provider: ProviderId::new(row.provider),
        model: row.model,
        operation: row.operation,
        key: row.key_id.map(ProviderKeyId::new),
        source: key_source(TABLE, &row.source)?,
        status,
        error: row.error.map(|text| parsed(TABLE, &text, ErrorClass::parse)).transpose()?,
        streamed: row.streamed,
        input_tokens: row.input_tokens.map(count),
        output_tokens: row.output_tokens.map(count),
        total_tokens: row.total_tokens.map(count),
        cache_read_tokens: row.cache_read_tokens.map(count),
        cache_write_tokens: row.cache_write_tokens.map(count),
        reasoning_tokens: row.reasoning_tokens.map(count),
        usage_estimated: row.usage_estimated,
        customer_reported: row.customer_reported,
        cost: cost(row.cost_pico),
        unit_prices: row.unit_prices,
        credits: row.credits.map(|credits| Credits::new(count(credits))),
        fallback: row
            .fallback
            .map(|text| parsed(TABLE, &text, FallbackReason::parse))
            .transpose()?,
        attempts: row.attempts.map_or(Ok(Vec::new()), |text| from_json(TABLE, &text))?,
        latency_ms: count(row.latency_ms),
        first_byte_ms: row.first_byte_ms.map(count),
        created_at: time_of(&id),
    })
}
