//! Limits per address: failed logins, and what publishable keys do.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{PoisonError, RwLock};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// The addresses remembered at once, a few megabytes. Whoever has more than that to send from is
/// not held by a limit per address.
const MAX_ADDRESSES: usize = 65_536;

/// How many events an address may cause.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// In one go.
    pub burst: NonZeroU32,
    /// Each minute after that.
    pub per_minute: NonZeroU32,
}

impl Rate {
    const fn new(burst: u32, per_minute: u32) -> Self {
        let (Some(burst), Some(per_minute)) = (NonZeroU32::new(burst), NonZeroU32::new(per_minute))
        else {
            panic!("rates are positive")
        };
        Self { burst, per_minute }
    }

    /// Logins with a wrong token.
    pub const FAILED_LOGINS: Self = Self::new(300, 60);
    /// Requests with a publishable key.
    pub const PUBLISHABLE: Self = Self::new(300, 120);
}

/// A limit per address, in bounded memory.
pub(crate) struct PerAddress {
    quota: Quota,
    limiter: RwLock<DefaultKeyedRateLimiter<IpAddr>>,
}

impl PerAddress {
    pub(crate) fn new(rate: Rate) -> Self {
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        Self { quota, limiter: RwLock::new(RateLimiter::keyed(quota)) }
    }

    /// Counts one event.
    ///
    /// # Errors
    /// The seconds to wait, when it is one too many.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), u32> {
        let address = block(address);
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        let counted = limiter.check_key(&address).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
        });
        let full = limiter.len() >= MAX_ADDRESSES;
        drop(limiter);
        if full {
            self.make_room();
        }
        counted
    }

    fn make_room(&self) {
        let mut limiter = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        limiter.retain_recent();
        if limiter.len() >= MAX_ADDRESSES / 2 {
            *limiter = RateLimiter::keyed(self.quota);
        }
    }
}

/// What one client is sure to have: an address of version 4, or a /64 of version 6.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_alone_and_told_when_to_come_back() {
        let limit = PerAddress::new(Rate::new(3, 1));
        let [mine, other]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        for _ in 0..3 {
            assert_eq!(limit.count(mine), Ok(()));
        }
        let wait = limit.count(mine).expect_err("the fourth");
        assert!((30..=61).contains(&wait), "{wait}");
        assert_eq!(limit.count(other), Ok(()));
    }

    #[test]
    fn a_v6_client_cannot_walk_through_its_own_block() {
        let limit = PerAddress::new(Rate::new(1, 1));
        assert!(limit.count("2001:db8:1:2::1".parse().expect("an address")).is_ok());
        assert!(limit.count("2001:db8:1:2:ffff::9".parse().expect("an address")).is_err());
        assert!(limit.count("2001:db8:1:3::1".parse().expect("an address")).is_ok());
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_addresses() {
        let limit = PerAddress::new(Rate::FAILED_LOGINS);
        for n in 0..200_000_u32 {
            let _ = limit.count(IpAddr::V4(n.into()));
        }
        assert!(limit.limiter.read().expect("a limiter").len() <= MAX_ADDRESSES);
    }
}
