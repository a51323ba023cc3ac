//! The circuits of keys, as far as this process knows them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use byok_domain::call::{CircuitChange, OpenUntil};
use byok_domain::circuit::{Admission, Change, Circuit, Outcome};
use byok_domain::{ErrorClass, ProjectId, ProviderKeyId, Timestamp};
use http::HeaderMap;

/// Keys that are kept in mind; those that have failed of late, and no others.
const MOST: usize = 100_000;

type Key = (ProjectId, ProviderKeyId);

/// Circuits by key. A key that has not failed has none here, and a call with it finds that out by
/// one load while no key has.
pub(crate) struct Circuits {
    known: RwLock<HashMap<Key, Circuit, foldhash::quality::RandomState>>,
    count: AtomicUsize,
}

impl Circuits {
    pub(crate) fn new() -> Self {
        Self { known: RwLock::default(), count: AtomicUsize::new(0) }
    }

    /// Whether a call may be made with a key now.
    pub(crate) fn admits(
        &self,
        project: &ProjectId,
        key: &ProviderKeyId,
        now: Timestamp,
    ) -> Admission {
        if self.is_empty() {
            return Admission::Closed;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let circuit = known.get(&(project.clone(), key.clone()));
        circuit.map_or(Admission::Closed, |circuit| circuit.admits(now))
    }

    /// As [`admits`](Self::admits), for the call that is made now.
    pub(crate) fn begin(
        &self,
        project: &ProjectId,
        key: &ProviderKeyId,
        now: Timestamp,
    ) -> Admission {
        match self.admits(project, key, now) {
            // Of two who see that it is time for a probe, one makes it.
            Admission::Probe => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                let circuit = known.get_mut(&(project.clone(), key.clone()));
                circuit.map_or(Admission::Closed, |circuit| circuit.begin(now))
            }
            other => other,
        }
    }

    /// Notes how a call went that `began` then; returns what that did to the key's circuit. Most
    /// do nothing to any, and then `now` is not asked.
    pub(crate) fn note(
        &self,
        project: &ProjectId,
        key: &ProviderKeyId,
        outcome: Outcome,
        began: Timestamp,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<CircuitChange> {
        let failed = matches!(outcome, Outcome::Down { .. } | Outcome::QuotaExhausted { .. });
        if !failed && self.is_empty() {
            return None;
        }
        let place = (project.clone(), key.clone());
        let is_known = || self.known.read().is_ok_and(|known| known.contains_key(&place));
        if !failed && !is_known() {
            return None;
        }
        let now = now();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&place) && (!failed || !has_room(&mut known, now)) {
            return None;
        }
        let circuit = known.entry(place.clone()).or_default();
        let change = circuit.note(outcome, began, now);
        if *circuit == Circuit::default() {
            known.remove(&place);
        }
        self.count.store(known.len(), Ordering::Release);
        let (_, key) = place;
        change.map(|change| match change {
            Change::Opened { until, cause } => {
                CircuitChange { key, open: Some(OpenUntil { until, cause }) }
            }
            Change::Recovered => CircuitChange { key, open: None },
        })
    }

    /// Takes over a circuit that was open when it was last written down, unless more is known.
    pub(crate) fn reopen(&self, project: &ProjectId, key: &ProviderKeyId, open: OpenUntil) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST {
            let circuit = || Circuit::reopened(open.until, open.cause);
            known.entry((project.clone(), key.clone())).or_insert_with(circuit);
            self.count.store(known.len(), Ordering::Release);
        }
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}

/// Makes room by forgetting circuits that stand in nobody's way now.
fn has_room(
    known: &mut HashMap<Key, Circuit, foldhash::quality::RandomState>,
    now: Timestamp,
) -> bool {
    if known.len() >= MOST {
        known.retain(|_, circuit| matches!(circuit.admits(now), Admission::Open { .. }));
    }
    known.len() < MOST
}

/// What a failure says to the circuit of its key. `headers` are the answer's, if there was one.
pub(crate) fn outcome(class: ErrorClass, headers: Option<&HeaderMap>) -> Outcome {
    let retry_after_ms = headers.and_then(retry_after_ms);
    match class {
        ErrorClass::ProviderDown => Outcome::Down { retry_after_ms },
        ErrorClass::QuotaExhausted => Outcome::QuotaExhausted { retry_after_ms },
        ErrorClass::KeyRejected | ErrorClass::RateLimited | ErrorClass::RequestRejected => {
            Outcome::Refused
        }
        ErrorClass::Truncated | ErrorClass::ClientClosed => Outcome::Unknown,
    }
}

fn retry_after_ms(headers: &HeaderMap) -> Option<i64> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse::<u32>().ok().map(|seconds| i64::from(seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const DOWN: Outcome = Outcome::Down { retry_after_ms: None };

    fn note(circuits: &Circuits, key: &str, outcome: Outcome, at: Timestamp) -> Option<bool> {
        let project = ProjectId::new("p");
        let change = circuits.note(&project, &ProviderKeyId::new(key), outcome, at, || at);
        change.map(|change| change.open.is_some())
    }

    fn admits(circuits: &Circuits, project: &str, key: &str, at: Timestamp) -> Admission {
        circuits.admits(&ProjectId::new(project), &ProviderKeyId::new(key), at)
    }

    #[test]
    fn a_circuit_is_of_one_key_of_one_project() {
        let circuits = Circuits::new();
        for n in 1..=5 {
            assert_eq!(note(&circuits, "k", DOWN, NOW), (n == 5).then_some(true));
        }
        assert!(matches!(admits(&circuits, "p", "k", NOW), Admission::Open { .. }));
        assert_eq!(admits(&circuits, "p", "other", NOW), Admission::Closed);
        assert_eq!(admits(&circuits, "q", "k", NOW), Admission::Closed);
    }

    #[test]
    fn one_probe_goes_at_a_time_and_its_success_closes_the_circuit_and_forgets_it() {
        let circuits = Circuits::new();
        note(&circuits, "k", Outcome::QuotaExhausted { retry_after_ms: None }, NOW);
        let later = NOW.plus_millis(30_000);
        let (project, key) = (ProjectId::new("p"), ProviderKeyId::new("k"));
        assert_eq!(circuits.begin(&project, &key, later), Admission::Probe);
        assert!(matches!(circuits.begin(&project, &key, later), Admission::Open { .. }));
        assert_eq!(note(&circuits, "k", Outcome::Success, later), Some(false));
        assert!(circuits.is_empty());
    }

    #[test]
    fn a_success_forgets_the_failures_before_it() {
        let circuits = Circuits::new();
        for _ in 0..4 {
            note(&circuits, "k", DOWN, NOW);
        }
        note(&circuits, "k", Outcome::Success, NOW);
        assert!(circuits.is_empty());
        assert_eq!(note(&circuits, "k", DOWN, NOW), None);
    }
}
