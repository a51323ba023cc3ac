//! What the worker reports of itself.

use metrics::{Counter, Gauge, counter, gauge};

/// Figures over all projects: no label tells one from another.
pub(crate) struct Meters {
    /// Deliveries that succeeded.
    pub(crate) delivered: Counter,
    /// Attempts that failed.
    pub(crate) failed: Counter,
    /// The age of the oldest event that is still to be delivered.
    pub(crate) oldest_pending_seconds: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            delivered: counter!("byok_webhooks_delivered_total"),
            failed: counter!("byok_webhooks_failed_total"),
            oldest_pending_seconds: gauge!("byok_webhooks_oldest_pending_seconds"),
        }
    }
}
