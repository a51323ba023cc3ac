//! The task that asks providers once a day whether they still accept the stored keys.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use byok_domain::{KeyStatus, key_checks};
use byok_net::Base;
use byok_providers::{Plane, Verdict};
use foldhash::quality::RandomState;
use metrics::{Counter, counter};
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::attempt::open;
use crate::error::CallError;
use crate::gateway::{Gateway, UsableKey};
use crate::key_checks::{DueKey, KeyChecks, Told};
use crate::remembered::bounded;
use crate::validate::Asked;
use crate::verdict::Checked;

/// How hard providers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPace {
    /// Keys asked about at a time, and in one round.
    pub at_a_time: usize,
    /// Of them, at one address.
    pub at_one_address: usize,
    /// Between two rounds.
    pub round: Duration,
    /// How long an address is left alone that could not be asked: the keys there that come due
    /// meanwhile are put off.
    pub rest: Duration,
    /// How long a key is leased: longer than the question and its record take.
    pub lease: Duration,
}

impl Default for CheckPace {
    /// Sixteen a second at most: a million keys a day, with room to catch up.
    fn default() -> Self {
        Self {
            at_a_time: 16,
            at_one_address: 4,
            round: Duration::from_secs(1),
            rest: Duration::from_secs(60),
            lease: Duration::from_secs(120),
        }
    }
}

/// Addresses that are kept in mind.
const MOST_ADDRESSES: u32 = 10_000;

/// Asks until it is dropped. What is broken off then is asked again when its lease is over.
#[derive(Debug)]
pub struct KeyChecker {
    task: JoinHandle<()>,
}

impl KeyChecker {
    /// Starts asking on `runtime` about the keys in `checks`.
    pub fn start(
        gateway: Arc<Gateway>,
        checks: Arc<dyn KeyChecks>,
        pace: CheckPace,
        runtime: &Handle,
    ) -> Self {
        let outcome = |outcome| counter!("byok_key_checks_total", "outcome" => outcome);
        let asking = Asking {
            gateway,
            checks,
            pace,
            addresses: bounded(MOST_ADDRESSES),
            valid: outcome("valid"),
            invalid: outcome("invalid"),
            silent: outcome("silent"),
        };
        Self { task: runtime.spawn(Arc::new(asking).run()) }
    }
}

impl Drop for KeyChecker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Asking {
    gateway: Arc<Gateway>,
    checks: Arc<dyn KeyChecks>,
    pace: CheckPace,
    addresses: Cache<String, Arc<Address>, UnitWeighter, RandomState>,
    valid: Counter,
    invalid: Counter,
    silent: Counter,
}

/// Where keys are used: a provider's own address, or one that a customer chose.
struct Address {
    places: Semaphore,
    rests_until: Mutex<Option<Instant>>,
}

/// What came of asking about a key.
enum Outcome {
    Told(Checked),
    /// The provider was asked, and told nothing of the key.
    Silent,
    /// It was not asked: its address rests.
    Spared,
}

impl Asking {
    async fn run(self: Arc<Self>) {
        let mut under_way = JoinSet::new();
        let mut well = true;
        loop {
            while under_way.try_join_next().is_some() {}
            let room = self.pace.at_a_time.saturating_sub(under_way.len());
            if room > 0 {
                let now = self.gateway.ambient.now();
                let lease = i64::try_from(self.pace.lease.as_millis()).unwrap_or(i64::MAX);
                match self.checks.claim(now, now.plus_millis(lease), room).await {
                    Ok(due) => {
                        well = true;
                        for key in due {
                            under_way.spawn(Arc::clone(&self).check(key));
                        }
                    }
                    Err(error) => {
                        if std::mem::replace(&mut well, false) {
                            let cause = std::error::Error::source(&error).map(ToString::to_string);
                            tracing::error!(%error, cause, "keys are not checked until they are");
                        }
                    }
                }
            }
            sleep(self.pace.round).await;
        }
    }

    async fn check(self: Arc<Self>, due: DueKey) {
        let ambient = &self.gateway.ambient;
        let at = ambient.now();
        let outcome = self.ask(&due).await.unwrap_or_else(|error| {
            tracing::info!(key = %due.key.id, %error, "a key was not checked");
            Outcome::Silent
        });
        let [a, b, c, d, ..] = ambient.random();
        let random = u32::from_le_bytes([a, b, c, d]);
        let later = |tries| key_checks::after_silence(ambient.now(), tries, random);
        let (told, next, tries) = match outcome {
            Outcome::Told(checked) => {
                let told = Told { status: checked.status, error: checked.error(), at };
                (Some(told), key_checks::after_verdict(at, random), 0)
            }
            Outcome::Silent => (None, later(due.tries), due.tries.saturating_add(1)),
            Outcome::Spared => (None, later(0), due.tries),
        };
        let counter = match &told {
            Some(told) if told.status == KeyStatus::Invalid => &self.invalid,
            Some(_) => &self.valid,
            None => &self.silent,
        };
        counter.increment(1);
        let key = &due.key;
        match self.checks.settle(&due, told, next, tries).await {
            Ok(true) => {
                self.gateway.forget_provider_keys(&key.project, &key.provider, &key.ref_id);
            }
            Ok(false) => {}
            // The lease ends, and it is asked again.
            Err(error) => tracing::warn!(key = %key.id, %error, "a check was not recorded"),
        }
    }

    async fn ask(&self, due: &DueKey) -> Result<Outcome, CallError> {
        let stored = &due.key;
        // A provider that this version does not know.
        let Some(provider) = byok_providers::find(stored.provider.as_str()) else {
            return Ok(Outcome::Silent);
        };
        let gateway = &self.gateway;
        let project = gateway.project(&stored.project).await?.ok_or(CallError::NoProject)?;
        let base = gateway.base(provider, &stored.project, &stored.config, Plane::Runtime);
        let key = UsableKey { stored: stored.clone(), base };
        let base = key.base.as_ref().ok_or(CallError::Blocked)?;
        let address = self.address(base);
        let Ok(_place) = address.places.acquire().await else { return Ok(Outcome::Spared) };
        if address.rests() {
            return Ok(Outcome::Spared);
        }
        let secret = open(&project, &key)?;
        let asked = gateway.ask(&stored.project, provider, &stored.config, &secret).await?;
        match asked {
            // Whoever is counted need not be known: some addresses count before they look.
            Asked { throttled: true, verdict: Verdict::Valid }
            | Asked { verdict: Verdict::Unreachable, .. } => {
                address.rest(self.pace.rest);
                Ok(Outcome::Silent)
            }
            // An answer that tells nothing of this key tells nothing of others either.
            Asked { verdict: Verdict::Inconclusive(_), .. } => Ok(Outcome::Silent),
            Asked { verdict, .. } => Ok(Outcome::Told(Checked::new(verdict, provider, &secret))),
        }
    }

    fn address(&self, base: &Base) -> Arc<Address> {
        let made: Result<_, Infallible> = self.addresses.get_or_insert_with(base.origin(), || {
            let places = Semaphore::new(self.pace.at_one_address);
            Ok(Arc::new(Address { places, rests_until: Mutex::new(None) }))
        });
        let Ok(address) = made;
        address
    }
}

impl Address {
    fn rests(&self) -> bool {
        let until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self, duration: Duration) {
        let mut until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + duration);
    }
}
