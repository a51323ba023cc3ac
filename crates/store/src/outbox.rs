//! Events on their way out: written in the transaction that causes them, leased, settled, removed.

mod debounce;
mod emit;
mod lease;
mod notices;
mod prune;
mod settle;

pub(crate) use emit::{emit, insert_event, new_id};
pub(crate) use lease::claimed;
pub(crate) use settle::give_up;

use async_trait::async_trait;
use byok_domain::Timestamp;
use byok_webhooks::{Attempt, Claimed, Next, Outbox, OutboxError, Wanted};

use crate::{Store, StoreError};

/// What has become of a delivery, as the database has it.
pub(crate) mod status {
    pub(crate) const PENDING: &str = "pending";
    pub(crate) const DELIVERED: &str = "delivered";
    pub(crate) const FAILED: &str = "failed";
}

#[async_trait]
impl Outbox for Store {
    async fn claim(&self, wanted: Wanted) -> Result<Vec<Claimed>, OutboxError> {
        self.claim_deliveries(wanted).await.map_err(unavailable)
    }

    async fn settle(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        next: Next,
    ) -> Result<(), OutboxError> {
        self.settle_delivery(claimed, attempt, next).await.map_err(unavailable)
    }

    async fn oldest_pending(&self) -> Result<Option<Timestamp>, OutboxError> {
        self.oldest_pending_delivery().await.map_err(unavailable)
    }

    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<bool, OutboxError> {
        self.prune_deliveries(before, now).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> OutboxError {
    OutboxError(Box::new(error))
}
