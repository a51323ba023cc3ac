//! What customers used and what it cost.

mod export;

use http::Method;
use serde::Deserialize;

use crate::ask::Ask;
use crate::error::Result;
use crate::receipt::KeySource;
use crate::requests::{group, request};
use crate::timestamp::Timestamp;
use crate::usd::Usd;

pub use export::{ExportFormat, ExportUsage};

group! {
    /// What customers used and what it cost.
    UsageReports,
    /// What customers used and what it cost.
    usage
}

impl UsageReports {
    /// Sums over the calls that are wanted, of the last 30 days unless it says otherwise.
    pub fn get(&self) -> GetUsage {
        GetUsage(Ask::new(&self.byok, Method::GET, &["usage"]))
    }

    /// The last 24 hours, beside the 24 before.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn stats(&self) -> Result<Stats> {
        Ask::new(&self.byok, Method::GET, &["stats"]).send().await
    }

    /// The calls that are wanted, one by one and however many, of the last 30 days unless it says
    /// otherwise.
    pub fn export(&self) -> ExportUsage {
        ExportUsage(Ask::new(&self.byok, Method::GET, &["usage", "export"]).for_provider())
    }
}

request! {
    /// The calls that are to be summed.
    GetUsage -> Usage {
        /// Those for this customer.
        query ref_id(String) = "refId";
        /// Those to this provider.
        query provider(String) = "provider";
        /// Those of this model.
        query model(String) = "model";
        /// Those that this paid for.
        query source(KeySource) = "source";
        /// Those from this moment on.
        query since(Timestamp) = "since";
        /// Those before this moment.
        query until(Timestamp) = "until";
    }
}

/// What was used and what it cost, seen from several sides.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Usage {
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// All of it.
    pub totals: Totals,
    /// By provider.
    pub by_provider: Vec<ByProvider>,
    /// By model.
    pub by_model: Vec<ByModel>,
    /// By customer.
    pub by_ref_id: Vec<ByRefId>,
    /// By who paid.
    pub by_source: Vec<BySource>,
    /// By day, in UTC.
    pub daily: Vec<ByDay>,
    /// Models without a price, whose calls are not in the cost.
    pub unknown_models: Vec<UnknownModel>,
    /// Whether a breakdown is longer than what is shown of it. The totals are whole.
    #[serde(default)]
    pub truncated: bool,
}

/// Sums over calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// The calls.
    pub requests: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that did not.
    pub failed: u64,
    /// All tokens that went in.
    pub input_tokens: u64,
    /// All tokens that came out.
    pub output_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of the input, what was read from providers' caches.
    pub cache_read_tokens: u64,
    /// Of the input, what was written to them.
    pub cache_write_tokens: u64,
    /// Of the output, what nobody sees.
    pub reasoning_tokens: u64,
    /// The cost; `None` when there were calls and the cost of none is known.
    pub cost_usd: Option<Usd>,
    /// The credits charged.
    pub credits_charged: u64,
    /// Calls to models without a price: not in the cost.
    #[serde(default)]
    pub unpriced_requests: u64,
    /// Calls that nobody knows the usage of: not in the tokens.
    #[serde(default)]
    pub unknown_usage_requests: u64,
}

macro_rules! sums_by {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$key_doc])* pub $key: $type,)*
            /// Its sums.
            #[serde(flatten)]
            pub totals: Totals,
        }
    )*};
}

sums_by! {
    /// The sums of one provider.
    ByProvider {
        /// The provider.
        provider: String,
    }
    /// The sums of one model.
    ByModel {
        /// The provider.
        provider: String,
        /// The model; `None` for calls that name none.
        model: Option<String>,
    }
    /// The sums of one customer.
    ByRefId {
        /// The customer.
        ref_id: String,
    }
    /// The sums of what one paid for.
    BySource {
        /// Who paid.
        source: KeySource,
    }
    /// The sums of one day.
    ByDay {
        /// The day, as `2026-01-31`.
        date: String,
    }
}

/// A model without a price.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnknownModel {
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: Option<String>,
    /// Its calls.
    pub requests: u64,
    /// Their tokens.
    pub total_tokens: u64,
}

/// The last 24 hours.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// The calls.
    #[serde(rename = "requests24h")]
    pub requests: u64,
    /// Those that succeeded.
    #[serde(rename = "succeeded24h")]
    pub succeeded: u64,
    /// Those that did not.
    #[serde(rename = "failed24h")]
    pub failed: u64,
    /// Their tokens.
    #[serde(rename = "totalTokens24h")]
    pub total_tokens: u64,
    /// Their cost; `None` when there were calls and the cost of none is known.
    #[serde(rename = "costUsd24h")]
    pub cost_usd: Option<Usd>,
    /// The customers they were for.
    #[serde(rename = "activeRefIds24h")]
    pub active_ref_ids: u64,
    /// The change against the day before.
    #[serde(rename = "deltaPct")]
    pub delta_pct: Change,
}

/// A change in percent; `None` where there was nothing before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Change {
    /// Of the calls.
    pub requests: Option<f64>,
    /// Of the tokens.
    pub total_tokens: Option<f64>,
    /// Of the cost.
    pub cost_usd: Option<f64>,
}
