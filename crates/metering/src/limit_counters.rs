//! The port through which the limits of tiers are kept, and the counters of a single process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use byok_domain::limits::{Counters, Limits, Reached, Remaining};
use byok_domain::{ProjectId, RefId, RequestId, Timestamp};
use thiserror::Error;

/// Where it is counted what customers do on credits.
#[async_trait]
pub trait LimitCounters: Send + Sync + 'static {
    /// Admits a call `now`, and counts it: its end is to be told with [`end`](Self::end), which a
    /// [`Slot`] does. A call begins once.
    ///
    /// An implementation that cannot count decides for itself whether it admits.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    async fn begin(
        &self,
        call: &CountedCall,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Remaining, NotAdmitted>;

    /// An admitted call ended `now`, and used so many tokens. Does not wait.
    fn end(&self, call: &CountedCall, tokens: u64, now: Timestamp);
}

/// A call that is counted, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedCall {
    /// Whose customer it is.
    pub project: ProjectId,
    /// The customer.
    pub ref_id: RefId,
    /// The call.
    pub request: RequestId,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// A limit forbids it.
    #[error("a limit of the customer's plan is reached")]
    Reached(Reached),
    /// Nobody can say now, and then no call is to be made.
    #[error("calls cannot be counted at the moment")]
    Uncounted,
}

/// The place of an admitted call among those at the same time. Dropping it makes it free.
pub struct Slot {
    counters: Arc<dyn LimitCounters>,
    call: CountedCall,
    tokens: u64,
    at: Timestamp,
    began: Instant,
}

impl Slot {
    /// Asks `counters` for a place.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub async fn take(
        counters: &Arc<dyn LimitCounters>,
        call: CountedCall,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(Self, Remaining), NotAdmitted> {
        let remaining = counters.begin(&call, limits, now).await?;
        let counters = Arc::clone(counters);
        Ok((Self { counters, call, tokens: 0, at: now, began: Instant::now() }, remaining))
    }

    /// Frees the place of a call that used so many tokens.
    pub fn end(mut self, tokens: u64) {
        self.tokens = tokens;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        let now = self.at.plus_millis(elapsed);
        self.counters.end(&self.call, self.tokens, now);
    }
}

/// Customers that are counted before those who have nothing to count are forgotten.
const SWEEP_FROM: usize = 10_000;

/// The counters of a process that is alone.
#[derive(Default)]
pub struct MemoryCounters(Mutex<Customers>);

#[derive(Default)]
struct Customers {
    counters: HashMap<(ProjectId, RefId), Counters>,
    /// How many there were after the last sweep.
    swept: usize,
}

impl Customers {
    fn of(&mut self, call: &CountedCall, now: Timestamp) -> &mut Counters {
        if self.counters.len() >= (2 * self.swept).max(SWEEP_FROM) {
            self.counters.retain(|_, counters| !counters.is_idle(now));
            self.swept = self.counters.len();
        }
        self.counters.entry((call.project.clone(), call.ref_id.clone())).or_default()
    }
}

#[async_trait]
impl LimitCounters for MemoryCounters {
    async fn begin(
        &self,
        call: &CountedCall,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Remaining, NotAdmitted> {
        let mut customers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        customers.of(call, now).begin(limits, now).map_err(NotAdmitted::Reached)
    }

    fn end(&self, call: &CountedCall, tokens: u64, now: Timestamp) {
        let mut customers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        customers.of(call, now).end(tokens, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::limits::Limit;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn call(ref_id: &str) -> CountedCall {
        let ref_id = RefId::parse(ref_id).expect("a refId");
        let request = RequestId::from_parts(NOW, [0; 10]);
        CountedCall { project: ProjectId::new("p"), ref_id, request }
    }

    async fn take(
        counters: &Arc<dyn LimitCounters>,
        ref_id: &str,
        limits: &Limits,
    ) -> Result<Slot, Limit> {
        match Slot::take(counters, call(ref_id), limits, NOW).await {
            Ok((slot, _)) => Ok(slot),
            Err(NotAdmitted::Reached(reached)) => Err(reached.limit),
            Err(NotAdmitted::Uncounted) => panic!("memory counts always"),
        }
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_its_call_ended_or_was_dropped() {
        let counters: Arc<dyn LimitCounters> = Arc::new(MemoryCounters::default());
        let limits = Limits { concurrent_requests: Some(1), ..Limits::default() };
        let first = take(&counters, "c1", &limits).await.expect("a place");
        assert_eq!(take(&counters, "c1", &limits).await.err(), Some(Limit::ConcurrentRequests));
        let other = take(&counters, "c2", &limits).await.expect("one of its own");
        first.end(7);
        let second = take(&counters, "c1", &limits).await.expect("the place");
        drop(second);
        drop(other);
        assert!(take(&counters, "c1", &limits).await.is_ok());
    }

    #[tokio::test]
    async fn tokens_of_ended_calls_count_towards_the_day() {
        let counters: Arc<dyn LimitCounters> = Arc::new(MemoryCounters::default());
        let limits = Limits { tokens_per_day: Some(10), ..Limits::default() };
        take(&counters, "c1", &limits).await.expect("admitted").end(9);
        take(&counters, "c1", &limits).await.expect("admitted").end(1);
        assert_eq!(take(&counters, "c1", &limits).await.err(), Some(Limit::TokensPerDay));
    }

    #[tokio::test]
    async fn customers_who_have_nothing_to_count_are_forgotten() {
        let counters = MemoryCounters::default();
        for n in 0..3 * SWEEP_FROM {
            counters.end(&call(&format!("c{n}")), 0, NOW);
        }
        let left = counters.0.lock().expect("whole").counters.len();
        assert!(left <= SWEEP_FROM, "{left}");
    }
}
