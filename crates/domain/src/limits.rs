//! What a tier lets a customer do on credits: so many calls a minute, tokens a day, calls at once.

#[cfg(test)]
mod tests;

use crate::Timestamp;
use crate::tiers::Tier;
use crate::time::DAY_MS;

/// Milliseconds in the window that calls are counted in.
const MINUTE_MS: i64 = 60_000;

/// A tier's limits; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls in a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens in a UTC day.
    pub tokens_per_day: Option<u64>,
    /// Calls at the same time.
    pub concurrent_requests: Option<u64>,
}

impl From<&Tier> for Limits {
    fn from(tier: &Tier) -> Self {
        Self {
            requests_per_minute: tier.requests_per_minute,
            tokens_per_day: tier.tokens_per_day,
            concurrent_requests: tier.concurrent_requests,
        }
    }
}

/// The limit that a call would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Calls in a minute.
    RequestsPerMinute,
    /// Tokens in a UTC day.
    TokensPerDay,
    /// Calls at the same time.
    ConcurrentRequests,
}

impl Limit {
    /// As written in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requestsPerMinute",
            Self::TokensPerDay => "tokensPerDay",
            Self::ConcurrentRequests => "concurrentRequests",
        }
    }
}

/// A call that may not be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What it would pass.
    pub limit: Limit,
    /// Whole seconds after which it is worth another try: `Retry-After`.
    pub retry_after_s: u32,
    /// What is left, all in all.
    pub remaining: Remaining,
}

/// What is left of the limits: the values of the `x-ratelimit-*` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Of the calls in this minute.
    pub requests: Option<Left>,
    /// Of the tokens in this day.
    pub tokens: Option<Left>,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// Whole seconds until it is whole again.
    pub reset_s: u32,
}

impl Remaining {
    /// Names and values of the headers that tell it.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let [requests, tokens] = [self.requests, self.tokens];
        let told = |left: Option<Left>, names: [&'static str; 3]| {
            left.into_iter().flat_map(move |left| {
                names.into_iter().zip([
                    left.limit.to_string(),
                    left.remaining.to_string(),
                    format!("{}s", left.reset_s),
                ])
            })
        };
        told(
            requests,
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
        )
        .chain(told(
            tokens,
            [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
        ))
    }
}

/// What a customer has done of late on credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// When the minute began that `requests` are of: with its first call.
    pub minute: Timestamp,
    /// Calls in that minute.
    pub requests: u64,
    /// The UTC day, counted from 1970, that `tokens` are of.
    pub day: i64,
    /// Tokens in that day.
    pub tokens: u64,
    /// Calls under way.
    pub running: u64,
}

impl Counters {
    /// Admits a call `now`, and counts it: its end is to be told with [`end`](Self::end).
    ///
    /// Tokens are counted when they are known, so that a day ends with the call that reaches its
    /// limit, not before it.
    ///
    /// # Errors
    /// [`Reached`] when a limit forbids it; nothing is counted then.
    pub fn begin(&mut self, limits: &Limits, now: Timestamp) -> Result<Remaining, Reached> {
        self.turn(now);
        let reached = |limit, retry_after_s| Reached {
            limit,
            retry_after_s,
            remaining: self.remaining(limits, now),
        };
        if limits.requests_per_minute.is_some_and(|most| self.requests >= most) {
            return Err(reached(Limit::RequestsPerMinute, self.minute_left_s(now)));
        }
        if limits.tokens_per_day.is_some_and(|most| self.tokens >= most) {
            return Err(reached(Limit::TokensPerDay, day_left_s(now)));
        }
        if limits.concurrent_requests.is_some_and(|most| self.running >= most) {
            return Err(reached(Limit::ConcurrentRequests, 1));
        }
        if self.requests == 0 {
            self.minute = now;
        }
        self.requests += 1;
        self.running += 1;
        Ok(self.remaining(limits, now))
    }

    /// A call that began here ended `now`, and used so many tokens.
    pub fn end(&mut self, tokens: u64, now: Timestamp) {
        self.turn(now);
        self.running = self.running.saturating_sub(1);
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// Whether nothing is counted any more, so that the counters need not be kept.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let mut counters = *self;
        counters.turn(now);
        counters.running == 0 && counters.requests == 0 && counters.tokens == 0
    }

    /// Begins a new minute or day where the old one is over. A clock that was set back begins both;
    /// less than a minute back are calls that are counted in another order than they came in.
    fn turn(&mut self, now: Timestamp) {
        if now.as_millis().abs_diff(self.minute.as_millis()) >= MINUTE_MS.unsigned_abs() {
            self.requests = 0;
        }
        let day_of = |at: Timestamp| at.as_millis().div_euclid(DAY_MS);
        if self.day != day_of(now) && self.day != day_of(now.plus_millis(MINUTE_MS)) {
            (self.day, self.tokens) = (day_of(now), 0);
        }
    }

    fn remaining(&self, limits: &Limits, now: Timestamp) -> Remaining {
        let left = |limit: u64, used: u64, reset_s| Left {
            limit,
            remaining: limit.saturating_sub(used),
            reset_s,
        };
        Remaining {
            requests: limits
                .requests_per_minute
                .map(|limit| left(limit, self.requests, self.minute_left_s(now))),
            tokens: limits.tokens_per_day.map(|limit| left(limit, self.tokens, day_left_s(now))),
        }
    }

    /// Nothing of a minute that no call has begun.
    fn minute_left_s(&self, now: Timestamp) -> u32 {
        if self.requests == 0 {
            return 0;
        }
        seconds((self.minute.as_millis() + MINUTE_MS - now.as_millis()).min(MINUTE_MS))
    }
}

fn day_left_s(now: Timestamp) -> u32 {
    seconds(DAY_MS - now.as_millis().rem_euclid(DAY_MS))
}

/// Whole seconds, none of them too few.
fn seconds(millis: i64) -> u32 {
    u32::try_from((millis + 999) / 1_000).unwrap_or(0)
}
