//! The port through which the limits of tiers are kept, and the counters of a single process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use byok_domain::limits::{Counters, Limits, Reached, Remaining};
use byok_domain::{ProjectId, RefId, Timestamp};

/// Where it is counted what customers do on credits.
#[async_trait]
pub trait LimitCounters: Send + Sync + 'static {
    /// Admits a call `now`, and counts it: its end is to be told with [`end`](Self::end), which a
    /// [`Slot`] does.
    ///
    /// An implementation that cannot count decides for itself whether it admits.
    ///
    /// # Errors
    /// [`Reached`] when a limit forbids the call.
    async fn begin(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Remaining, Reached>;

    /// An admitted call ended `now`, and used so many tokens. Does not wait.
    fn end(&self, project: &ProjectId, ref_id: &RefId, tokens: u64, now: Timestamp);
}

/// The place of an admitted call among those at the same time. Dropping it makes it free.
pub struct Slot {
    counters: Arc<dyn LimitCounters>,
    project: ProjectId,
    ref_id: RefId,
    tokens: u64,
    at: Timestamp,
    began: Instant,
}

impl Slot {
    /// Asks `counters` for a place.
    ///
    /// # Errors
    /// [`Reached`] when a limit forbids the call.
    pub async fn take(
        counters: &Arc<dyn LimitCounters>,
        project: &ProjectId,
        ref_id: &RefId,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(Self, Remaining), Reached> {
        let remaining = counters.begin(project, ref_id, limits, now).await?;
        let slot = Self {
            counters: Arc::clone(counters),
            project: project.clone(),
            ref_id: ref_id.clone(),
            tokens: 0,
            at: now,
            began: Instant::now(),
        };
        Ok((slot, remaining))
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
        self.counters.end(&self.project, &self.ref_id, self.tokens, now);
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
    fn of(&mut self, project: &ProjectId, ref_id: &RefId, now: Timestamp) -> &mut Counters {
        if self.counters.len() >= (2 * self.swept).max(SWEEP_FROM) {
            self.counters.retain(|_, counters| !counters.is_idle(now));
            self.swept = self.counters.len();
        }
        self.counters.entry((project.clone(), ref_id.clone())).or_default()
    }
}

#[async_trait]
impl LimitCounters for MemoryCounters {
    async fn begin(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Remaining, Reached> {
        let mut customers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        customers.of(project, ref_id, now).begin(limits, now)
    }

    fn end(&self, project: &ProjectId, ref_id: &RefId, tokens: u64, now: Timestamp) {
        let mut customers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        customers.of(project, ref_id, now).end(tokens, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::limits::Limit;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    async fn take(
        counters: &Arc<dyn LimitCounters>,
        ref_id: &str,
        limits: &Limits,
    ) -> Result<Slot, Limit> {
        let ref_id = RefId::parse(ref_id).expect("a refId");
        let taken = Slot::take(counters, &ProjectId::new("p"), &ref_id, limits, NOW).await;
        taken.map(|(slot, _)| slot).map_err(|reached| reached.limit)
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
        let project = ProjectId::new("p");
        for n in 0..3 * SWEEP_FROM {
            let ref_id = RefId::parse(&format!("c{n}")).expect("a refId");
            counters.end(&project, &ref_id, 0, NOW);
        }
        let left = counters.0.lock().expect("whole").counters.len();
        assert!(left <= SWEEP_FROM, "{left}");
    }
}
