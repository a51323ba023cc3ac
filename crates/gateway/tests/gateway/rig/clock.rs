//! A clock that moves when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use byok_domain::Timestamp;
use byok_gateway::Ambient;

/// The time of a test, and numbers that never repeat.
#[derive(Clone)]
pub(crate) struct Clock(Arc<(AtomicI64, AtomicU64)>);

impl Clock {
    pub(crate) fn at(time: Timestamp) -> Self {
        Self(Arc::new((AtomicI64::new(time.as_millis()), AtomicU64::new(0))))
    }

    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.0.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

impl Ambient for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.0.load(Ordering::SeqCst))
    }

    fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&self.0.1.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        bytes
    }
}
