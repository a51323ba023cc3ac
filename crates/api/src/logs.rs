//! The request log: one row a call, newest first. No prompt or completion was ever in it.

mod cursor;

use byok_domain::call::Attempt;
use byok_domain::routing::FallbackReason;
use byok_domain::{
    Credits, ErrorClass, KeySource, ProjectId, ProviderId, ProviderKeyId, RefId, RequestId,
    Timestamp,
};
use byok_store::{Call, CallFilter, CallRange, Page};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::{self, Answer, exact, shown};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::usage::filter;
use crate::usage_tail::PATIENCE;

/// The parameters that say which calls are wanted.
const FILTERS: [&str; 7] = ["refId", "provider", "model", "success", "source", "since", "until"];

/// One call, as it is shown. What is unknown is `null`, never 0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) id: RequestId,
    pub(crate) project_id: ProjectId,
    pub(crate) ref_id: RefId,
    pub(crate) provider: ProviderId,
    pub(crate) model: Option<String>,
    pub(crate) operation: String,
    pub(crate) key_id: Option<ProviderKeyId>,
    pub(crate) source: KeySource,
    pub(crate) status_code: u16,
    pub(crate) success: bool,
    pub(crate) error_class: Option<ErrorClass>,
    pub(crate) streamed: bool,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) total_tokens: Option<u64>,
    pub(crate) cache_read_tokens: Option<u64>,
    pub(crate) cache_write_tokens: Option<u64>,
    pub(crate) reasoning_tokens: Option<u64>,
    pub(crate) usage_estimated: bool,
    pub(crate) customer_reported: bool,
    pub(crate) cost_usd: Option<Box<RawValue>>,
    /// 0 for calls on the customer's own key, which never touch credits.
    pub(crate) credits_charged: u64,
    pub(crate) latency_ms: u64,
    pub(crate) first_byte_ms: Option<u64>,
    pub(crate) fallback_reason: Option<&'static str>,
    #[serde(serialize_with = "shown")]
    pub(crate) created_at: Timestamp,
}

impl Row {
    pub(crate) fn of(project: &ProjectId, call: Call) -> Result<Self, ApiError> {
        Ok(Self {
            id: call.id,
            project_id: project.clone(),
            ref_id: call.ref_id,
            provider: call.provider,
            model: call.model,
            operation: call.operation,
            key_id: call.key,
            source: call.source,
            status_code: call.status,
            success: call.error.is_none(),
            error_class: call.error,
            streamed: call.streamed,
            input_tokens: call.input_tokens,
            output_tokens: call.output_tokens,
            total_tokens: call.total_tokens,
            cache_read_tokens: call.cache_read_tokens,
            cache_write_tokens: call.cache_write_tokens,
            reasoning_tokens: call.reasoning_tokens,
            usage_estimated: call.usage_estimated,
            customer_reported: call.customer_reported,
            cost_usd: call.cost.map(|cost| exact(cost.to_string())).transpose()?,
            credits_charged: call.credits.map_or(0, Credits::get),
            latency_ms: call.latency_ms,
            first_byte_ms: call.first_byte_ms,
            fallback_reason: call.fallback.map(FallbackReason::as_str),
            created_at: call.created_at,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    data: Vec<Row>,
    total: u64,
    limit: u64,
    offset: u64,
    next_cursor: Option<String>,
}

/// `GET /logs`.
pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let names: Vec<&str> = FILTERS.into_iter().chain(["limit", "offset", "cursor"]).collect();
    let query = ask.query(&names)?;
    let wanted = CallFilter { usage: filter(&query)?, success: query.flag("success")? };
    let Page { limit, offset } = query.page()?;
    if query.text("cursor").is_some() && query.text("offset").is_some() {
        return Err(ApiError::parameter(
            "The parameters cursor and offset exclude each other; send one of them.",
        ));
    }
    let hasher = &ask.state.hasher;
    let asked = query.signature(&FILTERS);
    let before =
        query.read("cursor", "the nextCursor of a page with the same filters", |text| {
            cursor::read(hasher, scope.id(), &asked, text)
        })?;
    ask.state.usage.caught_up(PATIENCE).await;
    let range = CallRange { limit, offset, before };
    let page = ask.state.store.calls(scope.id(), &wanted, range).await?;
    let data = page.data.into_iter().map(|call| Row::of(scope.id(), call));
    answer::json(&List {
        data: data.collect::<Result<_, _>>()?,
        total: page.total,
        limit,
        offset,
        next_cursor: page.next.map(|next| cursor::write(hasher, scope.id(), &asked, next)),
    })
}

/// One call with what is too much for a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(flatten)]
    row: Row,
    /// The unit prices that entered the cost.
    unit_prices: Option<Box<RawValue>>,
    /// The attempts that failed before the one that the row is of.
    attempts: Vec<ShownAttempt>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAttempt {
    /// `null` for the platform's own key.
    key_id: Option<ProviderKeyId>,
    source: KeySource,
    error_class: ErrorClass,
    status_code: u16,
}

impl From<Attempt> for ShownAttempt {
    fn from(attempt: Attempt) -> Self {
        let Attempt { key, source, class, status } = attempt;
        Self { key_id: key, source, error_class: class, status_code: status }
    }
}

/// `GET /logs/{id}`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let none = || ApiError::not_found("request");
    let id = RequestId::parse(ask.param("id")).ok_or_else(none)?;
    ask.state.usage.caught_up(PATIENCE).await;
    let mut call = ask.state.store.call(scope.id(), &id).await?.ok_or_else(none)?;
    let unit_prices = call.unit_prices.take().map(exact).transpose()?;
    let attempts = std::mem::take(&mut call.attempts).into_iter().map(ShownAttempt::from).collect();
    answer::json(&Detail { row: Row::of(scope.id(), call)?, unit_prices, attempts })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use byok_domain::PicoUsd;

    /// A call of which everything is known.
    pub(crate) fn row() -> Row {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let call = Call {
            id: RequestId::from_parts(at, [7; 10]),
            ref_id: RefId::parse("customer_1").expect("a refId"),
            provider: ProviderId::new("openai"),
            model: Some("gpt-4.1".into()),
            operation: "chat/completions".into(),
            key: Some(ProviderKeyId::new("pk_1")),
            source: KeySource::Byok,
            status: 200,
            error: None,
            streamed: true,
            input_tokens: Some(1),
            output_tokens: Some(2),
            total_tokens: Some(3),
            cache_read_tokens: Some(0),
            cache_write_tokens: Some(0),
            reasoning_tokens: Some(0),
            usage_estimated: false,
            customer_reported: false,
            cost: Some(PicoUsd::from_pico(706_000_000)),
            unit_prices: None,
            credits: None,
            fallback: None,
            attempts: Vec::new(),
            latency_ms: 5,
            first_byte_ms: Some(4),
            created_at: at,
        };
        Row::of(&ProjectId::new("proj_1"), call).expect("a row")
    }

    #[test]
    fn the_cost_of_a_row_is_its_exact_decimal() {
        let json = serde_json::to_string(&row()).expect("JSON");
        assert!(json.contains("\"costUsd\":0.000706,"), "{json}");
    }
}
