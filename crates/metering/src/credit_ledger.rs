//! The port through which credits are set aside for calls.

use std::error::Error;

use async_trait::async_trait;
use byok_domain::{Credits, ProjectId, RefId, RequestId, Timestamp};
use thiserror::Error;

/// Where customers' credits are kept: a database.
///
/// Settling is not among this: the record of a call carries what it is charged and what was held
/// for it ([`Aftermath`](byok_domain::Aftermath)), and whoever applies the record settles and
/// releases in the same transaction, once.
#[async_trait]
pub trait CreditLedger: Send + Sync + 'static {
    /// Sets credits aside for a call: as much as it may cost, or all there is. Once it returns
    /// [`Held::Amount`], that is durable, and nobody else counts on it.
    ///
    /// Asked again for the same call, it answers the same.
    ///
    /// # Errors
    /// [`LedgerError`] when it is not known whether credits were set aside. Then the call must not
    /// be made; what may have been held is released at its deadline.
    async fn hold(&self, hold: Hold) -> Result<Held, LedgerError>;

    /// Gives back what was held for a call that was never made and so leaves no record. Of no
    /// effect when there is nothing held for it.
    ///
    /// # Errors
    /// [`LedgerError`] when that is not known to be done; the hold's deadline will do it.
    async fn release(
        &self,
        project: &ProjectId,
        request: RequestId,
        at: Timestamp,
    ) -> Result<(), LedgerError>;
}

/// Credits to be set aside for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Whose customer it is.
    pub project: ProjectId,
    /// The customer.
    pub ref_id: RefId,
    /// The call.
    pub request: RequestId,
    /// What the call may cost.
    pub estimate: Credits,
    /// Now.
    pub at: Timestamp,
    /// When the hold ends by itself: later than the call can.
    pub deadline: Timestamp,
}

/// What was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// So much.
    Amount(Credits),
    /// Nothing: the customer has no credits available.
    Empty,
}

/// Why the ledger does not answer.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// It cannot be reached, or fails; later it may work.
    #[error("the ledger of credits is not available: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl LedgerError {
    /// Not available, because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
