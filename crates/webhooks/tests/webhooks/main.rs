//! Deliveries to a receiver that behaves as badly as one can.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod courier;
#[cfg(feature = "email")]
mod mail;
mod memory;
mod receiver;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use byok_domain::{ProjectId, Timestamp, WebhookId};
use byok_net::{EgressPolicy, Timeouts, Upstream};
use byok_webhooks::{Clock, Courier, Sealed, Secret, SecretError, Secrets};

/// A clock that runs on by itself and can be set forward.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn random(&self) -> u32 {
        0
    }
}

/// Opens seals that are the secret's one byte; one that is empty does not open.
pub(crate) struct TestSecrets;

#[async_trait]
impl Secrets for TestSecrets {
    async fn open(
        &self,
        _: &ProjectId,
        _: &WebhookId,
        sealed: &Sealed,
    ) -> Result<Secret, SecretError> {
        match sealed.bytes.first() {
            Some(byte) => Ok(Secret::new(zeroize::Zeroizing::new([*byte; 32]))),
            None => Err(SecretError("it is empty".into())),
        }
    }
}

/// A courier who may go to the loopback, and waits as long as `deadline`.
pub(crate) fn courier(clock: &Arc<TestClock>, deadline: Duration) -> Courier {
    let policy = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a range")]);
    let upstream = Upstream::new(policy.clone(), Timeouts::default()).expect("a way out");
    Courier::new(upstream, policy, Arc::new(TestSecrets), clock.clone()).with_deadline(deadline)
}
