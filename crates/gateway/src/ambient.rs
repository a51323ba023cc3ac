//! Time and randomness, from outside, so that every test repeats.

use std::time::SystemTime;

use byok_domain::Timestamp;

/// Where the time and the random part of request ids come from.
pub trait Ambient: Send + Sync + 'static {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;

    /// Ten random bytes; unique is enough, they protect nothing.
    fn random(&self) -> [u8; 10];
}

/// The operating system's clock and a generator seeded from its randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Ambient for System {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&fastrand::u64(..).to_le_bytes());
        bytes[8..].copy_from_slice(&fastrand::u16(..).to_le_bytes());
        bytes
    }
}
