//! Counts of calls, as metrics.

use std::sync::{OnceLock, PoisonError, RwLock};

use byok_domain::ErrorClass;
use metrics::{Counter, Gauge};

/// Counts of calls. Finding a metric by its labels takes longer than counting, so each one is
/// found once.
#[derive(Default)]
pub(crate) struct Tally {
    in_flight: OnceLock<Gauge>,
    ended: RwLock<Vec<Ended>>,
}

/// Calls that ended in the same way.
struct Ended {
    provider: String,
    error: Option<ErrorClass>,
    counter: Counter,
}

impl Tally {
    pub(crate) fn began(&self) {
        self.in_flight().increment(1.0);
    }

    pub(crate) fn ended(&self, provider: &str, error: Option<ErrorClass>) {
        self.in_flight().decrement(1.0);
        let same = |ended: &Ended| ended.error == error && ended.provider == provider;
        let known = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = known.iter().find(|ended| same(ended)) {
            ended.counter.increment(1);
            return;
        }
        drop(known);
        let outcome = error.map_or("ok", ErrorClass::as_str);
        let provider = provider.to_owned();
        let labels = [("provider", provider.clone()), ("outcome", outcome.to_owned())];
        let counter = metrics::counter!("byok_calls_total", &labels);
        counter.increment(1);
        let mut known = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(same) {
            known.push(Ended { provider, error, counter });
        }
    }

    fn in_flight(&self) -> &Gauge {
        self.in_flight.get_or_init(|| metrics::gauge!("byok_calls_in_flight"))
    }
}
