//! The request log: one row a call. No prompt or completion was ever in it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::ask::Ask;
use crate::error::{Error, Result};
use crate::receipt::{Fallback, KeySource, Receipt, TokenUsage};
use crate::requests::{group, list};
use crate::timestamp::Timestamp;
use crate::usd::Usd;

/// How far the log may be behind a call's end.
const BEHIND: Duration = Duration::from_secs(5);
/// Between two looks into it. The server itself waits for the row before it says that there is none.
const PAUSE: Duration = Duration::from_millis(50);

group! {
    /// The request log.
    Logs,
    /// The request log: one row a call.
    logs
}

impl Logs {
    /// The calls that are wanted, newest first.
    pub fn list(&self) -> ListLogs {
        ListLogs(Ask::new(&self.byok, Method::GET, &["logs"]))
    }

    /// One call, by its request id.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound) when there is none, and all the others.
    pub async fn get(&self, id: impl AsRef<str>) -> Result<LogEntry> {
        Ask::new(&self.byok, Method::GET, &["logs", id.as_ref()]).send().await
    }

    /// Completes a receipt by what the log knows of the call: for streams, and for answers that
    /// are no JSON, which have no room for it. The log has a call shortly after its end, and is
    /// given five seconds.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn settle(&self, mut receipt: Receipt) -> Result<Receipt> {
        let Some(id) = &receipt.request_id else { return Ok(receipt) };
        let deadline = Instant::now() + BEHIND;
        let row = loop {
            match self.get(id).await {
                Err(Error::NotFound(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                row => break row?,
            }
        };
        receipt.usage = row.usage();
        receipt.cost_usd = row.cost_usd;
        receipt.key_source = row.source;
        receipt.fallback = row.fallback_reason;
        Ok(receipt)
    }
}

list! {
    /// The calls that are wanted.
    ListLogs of LogEntry {
        /// Those for this customer.
        query ref_id(String) = "refId";
        /// Those to this provider.
        query provider(String) = "provider";
        /// Those of this model.
        query model(String) = "model";
        /// Those that succeeded, or that did not.
        query success(bool) = "success";
        /// Those that this paid for.
        query source(KeySource) = "source";
        /// Those from this moment on.
        query since(Timestamp) = "since";
        /// Those before this moment.
        query until(Timestamp) = "until";
        /// Those after a page, by its `next_cursor`.
        query cursor(String) = "cursor";
    }
}

/// One call. What is not known is `None`, never 0.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogEntry {
    /// The request id that the call was answered with.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The customer.
    pub ref_id: String,
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: Option<String>,
    /// What was called, such as `chat/completions`.
    pub operation: String,
    /// The key that paid; `None` for the platform's own.
    pub key_id: Option<String>,
    /// Whose key paid.
    pub source: KeySource,
    /// The provider's status.
    pub status_code: u16,
    /// Whether it succeeded.
    pub success: bool,
    /// How it failed, such as `key_rejected`.
    pub error_class: Option<String>,
    /// Whether it was a stream.
    pub streamed: bool,
    /// All tokens that went in.
    pub input_tokens: Option<u64>,
    /// All tokens that came out.
    pub output_tokens: Option<u64>,
    /// Both.
    pub total_tokens: Option<u64>,
    /// Of the input, what was read from the provider's cache.
    pub cache_read_tokens: Option<u64>,
    /// Of the input, what was written to it.
    pub cache_write_tokens: Option<u64>,
    /// Of the output, what nobody sees.
    pub reasoning_tokens: Option<u64>,
    /// Whether the tokens are an estimate.
    #[serde(default)]
    pub usage_estimated: bool,
    /// Whether the tokens are what an address of the customer's own has told.
    #[serde(default)]
    pub customer_reported: bool,
    /// The cost.
    pub cost_usd: Option<Usd>,
    /// The credits that it was charged; 0 on the customer's own key.
    pub credits_charged: u64,
    /// How long it took in all, in milliseconds.
    pub latency_ms: u64,
    /// How long it took until the first byte of the answer, in milliseconds.
    pub first_byte_ms: Option<u64>,
    /// Why it was not the customer's own key that paid.
    pub fallback_reason: Option<Fallback>,
    /// When it came in.
    pub created_at: Timestamp,
    /// The unit prices that entered the cost, told by [`Logs::get`] alone.
    pub unit_prices: Option<BTreeMap<String, f64>>,
    /// The attempts that failed before, told by [`Logs::get`] alone.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

impl LogEntry {
    /// Its tokens, if they are known.
    pub fn usage(&self) -> Option<TokenUsage> {
        Some(TokenUsage {
            input_tokens: self.input_tokens?,
            output_tokens: self.output_tokens?,
            total_tokens: self.total_tokens?,
            cache_read_tokens: self.cache_read_tokens.unwrap_or_default(),
            cache_write_tokens: self.cache_write_tokens.unwrap_or_default(),
            reasoning_tokens: self.reasoning_tokens.unwrap_or_default(),
        })
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attempt {
    /// The key; `None` for the platform's own.
    pub key_id: Option<String>,
    /// Whose key it was.
    pub source: KeySource,
    /// How it failed.
    pub error_class: String,
    /// The provider's status.
    pub status_code: u16,
}
