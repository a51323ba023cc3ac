//! Time and randomness, from outside, so that every test repeats.

use byok_domain::Timestamp;

/// Where the time and the jitter of retries come from.
pub trait Clock: Send + Sync + 'static {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;

    /// A random number; it spreads retries and protects nothing.
    fn random(&self) -> u32;
}
