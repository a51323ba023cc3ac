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
    /// Asked again for the same call, it answers the same. Asked for another call with the same
    /// [idempotency key](Hold::idempotency), it holds nothing for a day, unless the first one was
    /// never sent or cost nothing.
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
    /// What the call's maker tells repeats of it by, if it does.
    pub idempotency: Option<IdempotencyKey>,
}

/// What a call's maker tells repeats of it by: keyed digests, which nothing can be read back from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Of the key itself.
    pub key: [u8; 32],
    /// Of what is asked for.
    pub body: [u8; 32],
}

/// What was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// So much.
    Amount(Credits),
    /// Nothing: the customer has no credits available.
    Empty,
    /// Nothing: the call repeats another.
    Repeat(Repeat),
}

/// The earlier call with an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is not known yet what came of it.
    Running(RequestId),
    /// It was answered and charged.
    Charged(RequestId),
    /// It asked for something else.
    Other(RequestId),
}

impl Repeat {
    /// What `second` is to `first`, which has the same key and runs.
    pub fn of(second: &Hold, first: &Hold) -> Self {
        let body = |hold: &Hold| hold.idempotency.as_ref().map(|key| key.body);
        if body(second) == body(first) {
            Self::Running(first.request)
        } else {
            Self::Other(first.request)
        }
    }
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
