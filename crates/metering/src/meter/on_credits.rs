//! What a call is charged that credits pay for.

use byok_domain::credits::CreditRate;
use byok_domain::{CallRecord, Credits, ErrorClass};

use crate::limit_counters::Slot;

/// A call that credits pay for.
pub struct OnCredits {
    /// What a dollar of list price is charged as.
    pub rate: CreditRate,
    /// What was set aside for it.
    pub held: Credits,
    /// What it is charged if it was answered and nobody tells what it used.
    pub expected: Credits,
    /// Its place among the customer's calls.
    pub slot: Slot,
}

impl OnCredits {
    /// Writes into the call's finished record what it is charged, and frees its place.
    pub(super) fn charge(self, record: &mut CallRecord) {
        record.aftermath.held = Some(self.held);
        let charged = match (record.cost, record.error) {
            (Some(cost), _) => self.rate.credits(cost),
            (None, None | Some(ErrorClass::Truncated | ErrorClass::ClientClosed)) => {
                record.usage_estimated = true;
                self.expected
            }
            // What the provider refused, or failed at, it does not bill.
            (None, Some(_)) => Credits::ZERO,
        };
        record.aftermath.credits = Some(charged);
        self.slot.end(record.usage.map_or(0, |usage| usage.total()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::limit_counters::{CountedCall, LimitCounters, MemoryCounters};
    use crate::samples;
    use byok_domain::limits::Limits;
    use byok_domain::{PicoUsd, Timestamp};

    async fn charged(cost: Option<PicoUsd>, error: Option<ErrorClass>) -> (u64, bool) {
        let mut record = CallRecord { cost, error, usage: None, ..samples::record(1) };
        let counters: Arc<dyn LimitCounters> = Arc::new(MemoryCounters::default());
        let (project, ref_id) = (record.project.clone(), record.ref_id.clone());
        let call = CountedCall { project, ref_id, request: record.id };
        let (limits, now) = (Limits::default(), Timestamp::default());
        let slot = Slot::take(&counters, call, &limits, now).await;
        let (slot, _) = slot.expect("no limit");
        let (held, expected) = (Credits::new(90), Credits::new(100));
        OnCredits { rate: CreditRate::default(), held, expected, slot }.charge(&mut record);
        assert_eq!(record.aftermath.held, Some(held));
        (record.aftermath.credits.expect("charged").get(), record.usage_estimated)
    }

    #[tokio::test]
    async fn what_is_known_is_charged_what_is_not_is_estimated_and_a_refusal_is_free() {
        use ErrorClass::{ClientClosed, ProviderDown, RateLimited, Truncated};
        let cent = Some(PicoUsd::from_pico(10_000_000_000));
        for (cost, error, expected) in [
            (cent, None, (100, false)),
            (cent, Some(Truncated), (100, false)),
            (cent, Some(ProviderDown), (100, false)),
            (Some(PicoUsd::from_pico(1)), None, (1, false)),
            (None, None, (100, true)),
            (None, Some(Truncated), (100, true)),
            (None, Some(ClientClosed), (100, true)),
            (None, Some(RateLimited), (0, false)),
            (None, Some(ProviderDown), (0, false)),
        ] {
            assert_eq!(charged(cost, error).await, expected, "{cost:?} {error:?}");
        }
    }
}
