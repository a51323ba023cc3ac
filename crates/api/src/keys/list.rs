//! `GET /keys`: what is known of the stored keys, which is everything but the keys.

use byok_domain::{
    KeyHint, KeyStatus, ProviderConfig, ProviderId, ProviderKeyId, RefId, Timestamp,
};
use byok_gateway::KeyLimits;
use byok_providers::RateLimit;
use byok_store::{KeyFilter, Page, ProviderKeyRow};
use serde::Serialize;

use crate::answer::{self, Answer, shown, shown_if_any};
use crate::dispatch::{Ask, Scope};
use crate::usage_tail::PATIENCE;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: ProviderKeyId,
    provider: ProviderId,
    ref_id: RefId,
    label: Option<String>,
    priority: i32,
    key_hint: KeyHint,
    /// Whether calls use it before anything else is left.
    is_active: bool,
    status: KeyStatus,
    last_error: Option<String>,
    #[serde(serialize_with = "shown_if_any")]
    last_validated_at: Option<Timestamp>,
    #[serde(serialize_with = "shown_if_any")]
    last_used_at: Option<Timestamp>,
    total_requests: u64,
    total_tokens: u64,
    provider_config: ProviderConfig,
    /// `null` until an answer has told any.
    rate_limits: Option<Vec<ShownLimit>>,
    #[serde(serialize_with = "shown_if_any")]
    rate_limits_at: Option<Timestamp>,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    #[serde(serialize_with = "shown")]
    updated_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownLimit {
    kind: Box<str>,
    limit: u64,
    remaining: u64,
    #[serde(serialize_with = "shown_if_any")]
    reset_at: Option<Timestamp>,
}

impl From<&RateLimit> for ShownLimit {
    fn from(told: &RateLimit) -> Self {
        let RateLimit { kind, limit, remaining, reset_at } = told.clone();
        Self { kind, limit, remaining, reset_at }
    }
}

impl Shown {
    fn new(row: ProviderKeyRow, limits: Option<&KeyLimits>) -> Self {
        Self {
            id: row.id,
            provider: row.provider,
            ref_id: row.ref_id,
            label: Some(row.label).filter(|label| !label.is_empty()),
            priority: row.priority,
            key_hint: row.hint,
            is_active: row.status != KeyStatus::Invalid,
            status: row.status,
            last_error: row.last_error,
            last_validated_at: row.last_validated_at,
            last_used_at: row.last_used_at,
            total_requests: row.total_requests,
            total_tokens: row.total_tokens,
            provider_config: row.config.shown(),
            rate_limits: limits.map(|told| told.limits.iter().map(ShownLimit::from).collect()),
            rate_limits_at: limits.map(|told| told.at),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[derive(Serialize)]
struct List {
    data: Vec<Shown>,
    total: u64,
    limit: u64,
    offset: u64,
}

pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["refId", "provider", "status", "limit", "offset"])?;
    let filter = KeyFilter {
        ref_id: query.ref_id()?,
        provider: query.provider()?,
        status: query.read("status", "valid, invalid or unverified", KeyStatus::parse)?,
    };
    let Page { limit, offset } = query.page()?;
    // A row counts the calls that were made with its key.
    ask.state.usage.caught_up(PATIENCE).await;
    let keys = ask.state.store.provider_keys(scope.id(), &filter, Page { limit, offset }).await?;
    let limits = |row: &ProviderKeyRow| ask.state.gateway.key_limits(scope.id(), &row.id);
    let show = |row: ProviderKeyRow| {
        let limits = limits(&row);
        Shown::new(row, limits.as_deref())
    };
    let data = keys.data.into_iter().map(show).collect();
    answer::json(&List { data, total: keys.total, limit, offset })
}
