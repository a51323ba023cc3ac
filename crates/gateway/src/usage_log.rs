//! The usage log, with the gateway told of what it changes.

use std::sync::Arc;

use async_trait::async_trait;
use byok_domain::CallRecord;
use byok_metering::{Applied, UsageLog, UsageLogError};

use crate::gateway::Gateway;

/// A usage log of which the gateway's caches learn at once that a key has another status (one that the
/// provider rejected is tried last from the next call on), and that a customer's credits have run out.
/// What it has taken over of the objects that calls made, the gateway need not remember any more.
pub struct WatchedUsageLog<L> {
    log: L,
    gateway: Arc<Gateway>,
}

impl<L: UsageLog> WatchedUsageLog<L> {
    /// Watches `log` for `gateway`.
    pub fn new(log: L, gateway: Arc<Gateway>) -> Self {
        Self { log, gateway }
    }
}

#[async_trait]
impl<L: UsageLog> UsageLog for WatchedUsageLog<L> {
    async fn applied(&self, journal: &str) -> Result<u64, UsageLogError> {
        self.log.applied(journal).await
    }

    async fn apply(
        &self,
        journal: &str,
        last_seq: u64,
        records: &[CallRecord],
    ) -> Result<Applied, UsageLogError> {
        let applied = self.log.apply(journal, last_seq, records).await?;
        for (project, provider, ref_id) in &applied.changed_keys {
            self.gateway.forget_provider_keys(project, provider, ref_id);
        }
        for (project, ref_id) in &applied.exhausted {
            self.gateway.forget_customer(project, ref_id);
        }
        for record in records {
            self.gateway.made.written(record);
        }
        Ok(applied)
    }
}
