//! The circuits of keys, as far as this process knows them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use byok_domain::call::{CircuitChange, OpenUntil};
use byok_domain::circuit::{Admission, Change, Circuit, Outcome};
use byok_domain::{ErrorClass, ProjectId, ProviderKeyId, Timestamp};
use http::HeaderMap;

use crate::directory::StoredKey;

/// Keys that are kept in mind; those that have failed of late, and no others.
const MOST: usize = 100_000;

/// A key, by the version of what it seals: of another key in its place nothing is known.
type Key = (ProjectId, ProviderKeyId, u32);

type Known = HashMap<Key, Circuit, foldhash::quality::RandomState>;

/// Circuits by key. A key that has not failed has none here, and a call with it finds that out by
/// one load while no key has.
pub(crate) struct Circuits {
    known: RwLock<Known>,
    count: AtomicUsize,
    /// Until when the circuits were open that were closed here of late: what is written down of them
    /// lags behind.
    closed: Mutex<HashMap<Key, Timestamp, foldhash::quality::RandomState>>,
}

impl Circuits {
    pub(crate) fn new() -> Self {
        Self { known: RwLock::default(), count: AtomicUsize::new(0), closed: Mutex::default() }
    }

    /// Whether a call may be made with a key now.
    pub(crate) fn admits(&self, key: &StoredKey, now: Timestamp) -> Admission {
        if self.is_empty() {
            return Admission::Closed;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let circuit = known.get(&place(key));
        circuit.map_or(Admission::Closed, |circuit| circuit.admits(now))
    }

    /// As [`admits`](Self::admits), for the call that is made now.
    pub(crate) fn begin(&self, key: &StoredKey, now: Timestamp) -> Admission {
        match self.admits(key, now) {
            // Of two who see that it is time for a probe, one makes it.
            Admission::Probe => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                let circuit = known.get_mut(&place(key));
                circuit.map_or(Admission::Closed, |circuit| circuit.begin(now))
            }
            other => other,
        }
    }

    /// Notes how a call went that `began` then; returns what that did to the key's circuit. Most
    /// do nothing to any, and then `now` is not asked.
    pub(crate) fn note(
        &self,
        key: &StoredKey,
        outcome: Outcome,
        began: Timestamp,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<CircuitChange> {
        let failed = matches!(outcome, Outcome::Down { .. } | Outcome::QuotaExhausted { .. });
        if !failed && self.is_empty() {
            return None;
        }
        let place = place(key);
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
        let was_open = circuit.open_until();
        let change = circuit.note(outcome, began, now);
        if *circuit == Circuit::default() {
            known.remove(&place);
        }
        self.count.store(known.len(), Ordering::Release);
        let key = place.1.clone();
        change.map(|change| match change {
            Change::Opened { until, cause } => {
                CircuitChange { key, open: Some(OpenUntil { until, cause }) }
            }
            Change::Recovered => {
                let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
                if closed.len() >= MOST {
                    closed.clear();
                }
                closed.insert(place, was_open.unwrap_or(now));
                CircuitChange { key, open: None }
            }
        })
    }

    /// Takes over what is written down of a key's circuit, unless more is known here.
    pub(crate) fn heard(&self, key: &StoredKey) {
        if key.circuit.is_none() && self.is_empty() {
            return;
        }
        let place = place(key);
        let closed =
            self.closed.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match key.circuit {
            None if known.get(&place).is_some_and(Circuit::is_hearsay) => {
                known.remove(&place);
            }
            Some(open) if known.len() < MOST && closed.is_none_or(|until| open.until > until) => {
                let circuit = || Circuit::reopened(open.until, open.cause);
                known.entry(place).or_insert_with(circuit);
            }
            _ => {}
        }
        self.count.store(known.len(), Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}

fn place(key: &StoredKey) -> Key {
    (key.project.clone(), key.id.clone(), key.version)
}

/// Makes room by forgetting circuits that stand in nobody's way now.
fn has_room(known: &mut Known, now: Timestamp) -> bool {
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
        ErrorClass::RateLimited | ErrorClass::RequestRejected => Outcome::Refused,
        // A rejected key has not recovered, whatever that tells of its provider.
        ErrorClass::KeyRejected | ErrorClass::Truncated | ErrorClass::ClientClosed => {
            Outcome::Unknown
        }
    }
}

fn retry_after_ms(headers: &HeaderMap) -> Option<i64> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse::<u32>().ok().map(|seconds| i64::from(seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use byok_domain::circuit::Cause;
    use byok_domain::{KeyStatus, ProviderConfig, ProviderId, RefId};
    use byok_vault::SealedSecret;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const DOWN: Outcome = Outcome::Down { retry_after_ms: None };
    const NO_QUOTA: Outcome = Outcome::QuotaExhausted { retry_after_ms: None };

    fn key(project: &str, id: &str, version: u32) -> StoredKey {
        StoredKey {
            id: ProviderKeyId::new(id),
            project: ProjectId::new(project),
            provider: ProviderId::new("openai"),
            ref_id: RefId::parse("c1").expect("a refId"),
            priority: 0,
            created_at: NOW,
            status: KeyStatus::Valid,
            config: ProviderConfig::default(),
            sealed: SealedSecret { bytes: Vec::new() },
            version,
            circuit: None,
        }
    }

    fn note(circuits: &Circuits, key: &StoredKey, outcome: Outcome, at: Timestamp) -> Option<bool> {
        let change = circuits.note(key, outcome, at, || at);
        change.map(|change| change.open.is_some())
    }

    fn open_until(at: Timestamp) -> Option<OpenUntil> {
        Some(OpenUntil { until: at, cause: Cause::ProviderDown })
    }

    #[test]
    fn a_circuit_is_of_one_key_of_one_project() {
        let circuits = Circuits::new();
        let failing = key("p", "k", 1);
        for n in 1..=5 {
            assert_eq!(note(&circuits, &failing, DOWN, NOW), (n == 5).then_some(true));
        }
        assert!(matches!(circuits.admits(&failing, NOW), Admission::Open { .. }));
        assert_eq!(circuits.admits(&key("p", "other", 1), NOW), Admission::Closed);
        assert_eq!(circuits.admits(&key("q", "k", 1), NOW), Admission::Closed);
        assert_eq!(circuits.admits(&key("p", "k", 2), NOW), Admission::Closed, "it was replaced");
    }

    #[test]
    fn one_probe_goes_at_a_time_and_its_success_closes_the_circuit_and_forgets_it() {
        let circuits = Circuits::new();
        let key = key("p", "k", 1);
        note(&circuits, &key, NO_QUOTA, NOW);
        let later = NOW.plus_millis(30_000);
        assert_eq!(circuits.begin(&key, later), Admission::Probe);
        assert!(matches!(circuits.begin(&key, later), Admission::Open { .. }));
        assert_eq!(note(&circuits, &key, Outcome::Success, later), Some(false));
        assert!(circuits.is_empty());
    }

    #[test]
    fn a_success_forgets_the_failures_before_it() {
        let circuits = Circuits::new();
        let key = key("p", "k", 1);
        for _ in 0..4 {
            note(&circuits, &key, DOWN, NOW);
        }
        note(&circuits, &key, Outcome::Success, NOW);
        assert!(circuits.is_empty());
        assert_eq!(note(&circuits, &key, DOWN, NOW), None);
    }

    #[test]
    fn what_is_written_down_opens_and_closes_only_what_nothing_is_known_of_here() {
        let circuits = Circuits::new();
        let row = |circuit| StoredKey { circuit, ..key("p", "k", 1) };
        let until = NOW.plus_millis(30_000);
        let opened = row(open_until(until));
        circuits.heard(&opened);
        assert!(matches!(circuits.admits(&opened, NOW), Admission::Open { .. }));
        circuits.heard(&row(None));
        assert_eq!(circuits.admits(&opened, NOW), Admission::Closed, "another server closed it");

        note(&circuits, &opened, NO_QUOTA, NOW);
        circuits.heard(&row(None));
        assert!(matches!(circuits.admits(&opened, NOW), Admission::Open { .. }), "not written yet");
        circuits.begin(&opened, until);
        assert_eq!(note(&circuits, &opened, Outcome::Success, until), Some(false));
        circuits.heard(&opened);
        assert_eq!(circuits.admits(&opened, until), Admission::Closed, "it was closed since");
        circuits.heard(&row(open_until(until.plus_millis(1))));
        assert!(matches!(circuits.admits(&opened, until), Admission::Open { .. }), "opened anew");
    }
}
