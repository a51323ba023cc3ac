//! The port through which call records leave the journal for good.

use std::error::Error;

use async_trait::async_trait;
use byok_domain::{CallRecord, ProjectId, ProviderId, RefId};
use thiserror::Error;

/// Where call records are kept and queried: a database.
///
/// One caller at a time for each journal: its writer, in order of sequence numbers.
#[async_trait]
pub trait UsageLog: Send + Sync {
    /// The last sequence number of `journal` that was applied; 0 when none was.
    ///
    /// # Errors
    /// [`UsageLogError`] when the log cannot be asked; the writer asks again later.
    async fn applied(&self, journal: &str) -> Result<u64, UsageLogError>;

    /// Applies `records`, and that `journal` is applied through `last_seq`, in one transaction.
    ///
    /// The records' sequence numbers are the `records.len()` numbers that end at `last_seq`. Those
    /// at or below [`applied`](Self::applied), and those whose request id the log has already, are
    /// passed over: applying a batch twice leaves what applying it once does.
    ///
    /// # Errors
    /// [`UsageLogError`] when the batch is not known to be applied. The writer then asks what was
    /// applied and sends the rest again, for as long as it takes: it never drops a record.
    async fn apply(
        &self,
        journal: &str,
        last_seq: u64,
        records: &[CallRecord],
    ) -> Result<Applied, UsageLogError>;
}

/// What came of applying a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Records that are in the log since this batch.
    pub written: usize,
    /// Records that were in the log before it.
    pub repeated: usize,
    /// Customers with a key whose status the batch changed: what is remembered of their keys for
    /// that provider is out of date.
    pub changed_keys: Vec<(ProjectId, ProviderId, RefId)>,
    /// Customers whose last credits the batch charged: what is remembered of them is out of date.
    pub exhausted: Vec<(ProjectId, RefId)>,
}

/// Why the usage log does not answer.
#[derive(Debug, Error)]
pub enum UsageLogError {
    /// It cannot be reached, or fails; later it may work.
    #[error("the usage log is not available: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl UsageLogError {
    /// Not available, because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
