//! The port through which deliveries are leased and settled.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use byok_domain::{DeliveryId, EventId, ProjectId, Timestamp, WebhookId};
use bytes::Bytes;
use thiserror::Error;

use crate::{Attempt, Limits, Next};

/// A secret as it is stored: sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The sealed record.
    pub bytes: Vec<u8>,
    /// Counts the endpoint's secrets; the seal is bound to it.
    pub version: u32,
}

/// The secrets that deliveries to an endpoint are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecrets {
    /// The newest.
    pub current: Sealed,
    /// The one before, while it is being rotated out.
    pub previous: Option<Sealed>,
}

/// A delivery that is leased to who asked: nobody else makes an attempt until the lease is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Tells this lease from later ones.
    pub lease: i64,
    /// Whose event it is.
    pub project: ProjectId,
    /// Where it goes.
    pub endpoint: WebhookId,
    /// The endpoint's URL.
    pub url: String,
    /// What deliveries to the endpoint are signed with.
    pub secrets: SealedSecrets,
    /// Since when nothing has succeeded there.
    pub failing_since: Option<Timestamp>,
    /// The event.
    pub event: EventId,
    /// What is signed and sent.
    pub body: Bytes,
    /// Attempts made before.
    pub tries: u32,
}

/// Whether an endpoint has lately been heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The last attempt succeeded, or none was made.
    Sound,
    /// The last attempt failed: a few places are enough for all such endpoints together.
    Failing,
}

impl Lane {
    /// The lane of an endpoint where nothing has succeeded since `failing_since`.
    pub fn of(failing_since: Option<Timestamp>) -> Self {
        if failing_since.is_some() { Self::Failing } else { Self::Sound }
    }
}

/// How many deliveries are wanted, and of which endpoints: who claims asks it for each candidate,
/// the longest due first.
#[derive(Debug)]
pub struct Wanted {
    now: Timestamp,
    leased_until: Timestamp,
    limits: Limits,
    /// Attempts under way and taken here, of all and of failing endpoints.
    all: usize,
    failing: usize,
    by_endpoint: HashMap<WebhookId, usize>,
    full: HashSet<WebhookId>,
}

impl Wanted {
    /// What is wanted at `now` by who leases until `leased_until` and has nothing under way.
    pub fn new(now: Timestamp, leased_until: Timestamp, limits: Limits) -> Self {
        let (by_endpoint, full) = Default::default();
        Self { now, leased_until, limits, all: 0, failing: 0, by_endpoint, full }
    }

    /// Takes account of an attempt that is under way.
    pub(crate) fn count(&mut self, endpoint: &WebhookId, lane: Lane) {
        self.all += 1;
        self.failing += usize::from(lane == Lane::Failing);
        let of_endpoint = self.by_endpoint.entry(endpoint.clone()).or_default();
        *of_endpoint += 1;
        if *of_endpoint >= self.limits.of_endpoint(lane) {
            self.full.insert(endpoint.clone());
        }
    }

    /// Now: what is due by then is wanted.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Until when it is leased.
    pub fn leased_until(&self) -> Timestamp {
        self.leased_until
    }

    /// Whether anything is wanted.
    pub fn has_room(&self) -> bool {
        self.all < self.limits.all
    }

    /// Whether anything of a failing endpoint is wanted.
    pub fn has_room_for_failing(&self) -> bool {
        self.has_room() && self.failing < self.limits.failing
    }

    /// Endpoints of which nothing more is wanted.
    pub fn full(&self) -> impl Iterator<Item = &WebhookId> {
        self.full.iter()
    }

    /// Whether a delivery to this endpoint is wanted; it counts as taken if so.
    pub fn take(&mut self, endpoint: &WebhookId, lane: Lane) -> bool {
        let room = match lane {
            Lane::Sound => self.has_room(),
            Lane::Failing => self.has_room_for_failing(),
        };
        let taken = self.by_endpoint.get(endpoint).copied().unwrap_or_default();
        if taken >= self.limits.of_endpoint(lane) {
            self.full.insert(endpoint.clone());
        }
        let wanted = room && !self.full.contains(endpoint);
        if wanted {
            self.count(endpoint, lane);
        }
        wanted
    }
}

/// The outbox cannot be read or written for now.
#[derive(Debug, Error)]
#[error("the outbox is not available")]
pub struct OutboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where deliveries wait: implemented by `store`, or by a host that keeps them elsewhere.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Leases deliveries that are due, the longest due first, of those that are wanted.
    async fn claim(&self, wanted: Wanted) -> Result<Vec<Claimed>, OutboxError>;

    /// Records an attempt and what follows from it. Of a lease that is over, the attempt alone: what
    /// follows is up to who holds the delivery now.
    async fn settle(
        &self,
        claimed: &Claimed,
        attempt: &Attempt,
        next: Next,
    ) -> Result<(), OutboxError>;

    /// When the oldest event was made that is still to be delivered somewhere.
    async fn oldest_pending(&self) -> Result<Option<Timestamp>, OutboxError>;

    /// Removes some of the deliveries that were last touched before `before`, with their attempts.
    /// Returns whether there may be more.
    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<bool, OutboxError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let limits =
            Limits { all: 6, failing: 2, endpoint: 3, failing_endpoint: 1, ..Limits::default() };
        Wanted::new(Timestamp::from_millis(0), Timestamp::from_millis(1), limits)
    }

    #[test]
    fn an_endpoint_gets_its_share_and_failing_ones_less() {
        let mut wanted = wanted();
        let ids: Vec<_> = (0..9).map(|n| WebhookId::new(format!("wh_{n}"))).collect();
        let mut take = |n: usize, lane| wanted.take(&ids[n], lane);
        assert_eq!([(); 4].map(|()| take(0, Lane::Sound)), [true, true, true, false]);
        assert_eq!([(); 2].map(|()| take(1, Lane::Failing)), [true, false]);
        assert!(take(2, Lane::Failing));
        assert!(!take(3, Lane::Failing), "all failing endpoints together have two places");
        assert!(take(4, Lane::Sound));
        assert!(!take(5, Lane::Sound), "there are six places");
    }

    #[test]
    fn what_is_under_way_counts() {
        let mut wanted = wanted();
        let (a, b) = (WebhookId::new("wh_a"), WebhookId::new("wh_b"));
        wanted.count(&a, Lane::Sound);
        wanted.count(&b, Lane::Failing);
        assert_eq!(wanted.full().collect::<Vec<_>>(), [&b]);
        assert!(!wanted.take(&b, Lane::Failing));
        assert!(wanted.take(&a, Lane::Sound) && wanted.take(&a, Lane::Sound));
        assert!(!wanted.take(&a, Lane::Sound));
        assert!(wanted.has_room() && wanted.has_room_for_failing());
    }
}
