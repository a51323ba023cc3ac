//! The port `metering::LimitCounters` in Redis: limits of plans for several servers together.
//!
//! A script counts, in one round trip and at once (`counters.lua`). The time is that of Redis: with
//! the times of several servers, a slow clock would end a minute that a fast one has begun.
//!
//! A call holds its place by a lease, which its server renews: the places of a server that died are
//! free after a minute. Everything else ends with the minute and day that it was counted in.
//!
//! While Redis is away, calls on credits pass uncounted or are refused, as the operator wants, and
//! no call waits to find that out.

mod connection;
mod link;
#[cfg(test)]
mod tests;
mod url;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use byok_domain::limits::{Counters, Limits, Remaining};
use byok_domain::{RequestId, Timestamp};
use byok_metering::{CountedCall, LimitCounters, NotAdmitted};
use metrics::{Counter, counter};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use connection::{Asked, Connection};
use link::Link;
pub use url::RedisUrl;

/// How long a place is held without a word from its server, which renews it four times meanwhile.
const LEASE: Duration = Duration::from_secs(60);

/// How long Redis is left alone after it has failed, and between attempts to connect.
const RETRY: Duration = Duration::from_secs(1);

/// Ends of calls that may be on their way to Redis. The place of one that is too many ends with
/// its lease, and its tokens are not counted.
const MOST_ENDS: u32 = 4096;

/// What happens to calls on credits that cannot be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailMode {
    /// They pass.
    #[default]
    Open,
    /// They are refused.
    Closed,
}

/// The counters of several servers, in one Redis.
pub struct RedisCounters {
    shared: Arc<Shared>,
    runtime: Handle,
    keeper: AbortHandle,
    ends: Arc<Semaphore>,
    on_loss: FailMode,
    uncounted: Counter,
}

struct Shared {
    link: Link,
    lease: Duration,
    /// The calls of this server that are counted in Redis.
    places: Mutex<HashMap<RequestId, Place>>,
}

struct Place {
    tag: String,
    since: Instant,
}

impl RedisCounters {
    /// Connects to Redis, or goes on trying to; the current runtime does all that is not part of a
    /// call.
    pub async fn start(url: RedisUrl, on_loss: FailMode) -> Self {
        Self::with_lease(url, on_loss, LEASE).await
    }

    async fn with_lease(url: RedisUrl, on_loss: FailMode, lease: Duration) -> Self {
        let link = Link::new(url, on_loss);
        let shared = Arc::new(Shared { link, lease, places: Mutex::default() });
        let failed = shared.link.connect().await.err();
        if let Some(why) = &failed {
            shared.link.tell_away(why);
        }
        let keeping = Arc::clone(&shared);
        let keeper = tokio::spawn(async move { keeping.keep(failed).await });
        let mode = match on_loss {
            FailMode::Open => "open",
            FailMode::Closed => "closed",
        };
        Self {
            shared,
            runtime: Handle::current(),
            keeper: keeper.abort_handle(),
            ends: Arc::new(Semaphore::new(MOST_ENDS as usize)),
            on_loss,
            uncounted: counter!("byok_limits_failed_total", "mode" => mode),
        }
    }

    /// Whether calls can be counted in the Redis at `url`.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub async fn check(url: &RedisUrl) -> Result<(), String> {
        Connection::open(url).await.map(drop)
    }

    /// Waits until the ends of calls that were told are known to Redis, so long at most.
    pub async fn settle(&self, within: Duration) {
        let _ = tokio::time::timeout(within, self.ends.acquire_many(MOST_ENDS)).await;
    }

    /// Counts a call at the time of Redis, or another.
    async fn begin_at(
        &self,
        call: &CountedCall,
        limits: &Limits,
        at: Option<Timestamp>,
    ) -> Result<Remaining, NotAdmitted> {
        let limit = |most: Option<u64>| most.map_or_else(String::new, |most| most.to_string());
        let more = [
            call.request.to_string(),
            limit(limits.requests_per_minute),
            limit(limits.tokens_per_day),
            limit(limits.concurrent_requests),
        ];
        let asked = self.shared.asked(tag(call), "begin", at, more);
        // A caller who leaves meanwhile does not leave the place taken.
        let mut place = Taken { counters: self, call, kept: false };
        let counts = self.shared.link.ask(&asked).await;
        let Some((mut counters, now)) = counts.as_deref().and_then(counters) else {
            if *limits == Limits::default() {
                place.kept = true;
                return Ok(Remaining::default());
            }
            self.uncounted.increment(1);
            place.kept = self.on_loss == FailMode::Open;
            return match self.on_loss {
                FailMode::Open => Ok(Remaining::default()),
                FailMode::Closed => Err(NotAdmitted::Uncounted),
            };
        };
        place.kept = true;
        let remaining = counters.begin(limits, now).map_err(NotAdmitted::Reached)?;
        self.shared.hold(call.request, Place { tag: asked.tag, since: Instant::now() });
        Ok(remaining)
    }

    /// What a call that ended leaves to be told.
    fn end_at(&self, call: &CountedCall, tokens: u64, at: Option<Timestamp>) -> Asked {
        let place = self.shared.let_go(call.request);
        let more = [call.request.to_string(), tokens.to_string()];
        self.shared.asked(place.map_or_else(|| tag(call), |place| place.tag), "end", at, more)
    }
}

#[async_trait]
impl LimitCounters for RedisCounters {
    async fn begin(
        &self,
        call: &CountedCall,
        limits: &Limits,
        _now: Timestamp,
    ) -> Result<Remaining, NotAdmitted> {
        self.begin_at(call, limits, None).await
    }

    fn end(&self, call: &CountedCall, tokens: u64, _now: Timestamp) {
        let asked = self.end_at(call, tokens, None);
        let Ok(permit) = Arc::clone(&self.ends).try_acquire_owned() else { return };
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
            if shared.link.ask(&asked).await.is_none() {
                shared.free(asked).await;
            }
            drop(permit);
        });
    }
}

impl Drop for RedisCounters {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// A place that may have been taken; free again unless it is kept.
struct Taken<'c> {
    counters: &'c RedisCounters,
    call: &'c CountedCall,
    kept: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.counters.end(self.call, 0, Timestamp::default());
        }
    }
}

impl Shared {
    fn asked(
        &self,
        tag: String,
        action: &str,
        at: Option<Timestamp>,
        more: impl IntoIterator<Item = String>,
    ) -> Asked {
        let now = at.map_or_else(String::new, |at| at.as_millis().to_string());
        let mut arguments = vec![action.to_owned(), now, self.lease.as_millis().to_string()];
        arguments.extend(more);
        Asked { tag, arguments }
    }

    /// Tells the end of a call that Redis may have heard of or not: its place has to be free, and its
    /// tokens must not count twice.
    async fn free(&self, mut end: Asked) {
        if let Some(tokens) = end.arguments.last_mut() {
            "0".clone_into(tokens);
        }
        let began = Instant::now();
        // After that its lease is over.
        while began.elapsed() < self.lease {
            tokio::time::sleep(RETRY).await;
            if self.link.ask(&end).await.is_some() {
                return;
            }
        }
    }

    fn hold(&self, request: RequestId, place: Place) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(request, place);
    }

    fn let_go(&self, request: RequestId) -> Option<Place> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&request)
    }

    /// Renews leases while there is a connection, and gets it back when it is lost. `failed` is why
    /// there is none yet.
    async fn keep(&self, mut failed: Option<String>) {
        loop {
            if failed.is_none() {
                tokio::select! {
                    () = self.link.lost() => {}
                    () = self.renew_leases() => {}
                }
            }
            tokio::time::sleep(RETRY).await;
            let before = failed.take();
            failed = self.link.connect().await.err();
            if let Some(why) = failed.as_ref().filter(|_| failed != before) {
                tracing::info!(why, "Redis cannot be connected to");
            }
        }
    }

    /// Renews leases, again and again, until Redis is away. Where there are none it asks for nothing:
    /// a connection that was idle for too long is found lost before a call needs it.
    async fn renew_leases(&self) {
        loop {
            tokio::time::sleep(self.lease / 4).await;
            let calls = self.long_calls().into_iter();
            let mut asked: Vec<_> =
                calls.map(|(tag, calls)| self.asked(tag, "renew", None, calls)).collect();
            if asked.is_empty() {
                asked.push(Asked::nothing());
            }
            for asked in asked {
                if self.link.ask(&asked).await.is_none() {
                    return;
                }
            }
        }
    }

    /// The calls that were there at the last renewal already, by customer.
    fn long_calls(&self) -> HashMap<String, Vec<String>> {
        let mut calls: HashMap<_, Vec<_>> = HashMap::new();
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for (request, place) in
            places.iter().filter(|(_, one)| one.since.elapsed() >= self.lease / 4)
        {
            calls.entry(place.tag.clone()).or_default().push(request.to_string());
        }
        calls
    }
}

/// What stands for a customer in the names of its keys: of the refId, which may be an e-mail
/// address and hold any sign, a hash.
fn tag(call: &CountedCall) -> String {
    let hash = Sha256::digest(call.ref_id.as_str());
    let half = hash.iter().take(16).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    format!("{}:{half:032x}", call.project)
}

/// The counts as they were when a call asked, and the time then.
fn counters(counts: &[i64]) -> Option<(Counters, Timestamp)> {
    let &[now, minute, requests, day, tokens, running] = counts else { return None };
    let counters = Counters {
        minute: Timestamp::from_millis(minute),
        requests: u64::try_from(requests).ok()?,
        day,
        tokens: u64::try_from(tokens).ok()?,
        running: u64::try_from(running).ok()?,
    };
    Some((counters, Timestamp::from_millis(now)))
}
