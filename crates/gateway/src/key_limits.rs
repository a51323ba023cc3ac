//! What providers said last of the limits of each key.

use std::sync::Arc;

use byok_domain::call::QuotaWarning;
use byok_domain::time::HOUR_MS;
use byok_domain::{ProjectId, ProviderKeyId, Timestamp};
use byok_providers::{RateLimit, rate_limits};
use foldhash::quality::RandomState;
use http::HeaderMap;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use crate::remembered::bounded;

/// Keys that are remembered; the ones used longest ago go first.
const MOST: u32 = 200_000;

/// A key's limits as an answer told them.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// When that answer came.
    pub at: Timestamp,
    /// The limits it told.
    pub limits: Vec<RateLimit>,
}

type Key = (ProjectId, ProviderKeyId);

/// Limits by key, as far as answers passed through this process.
pub(crate) struct LimitsByKey {
    told: Cache<Key, Arc<KeyLimits>, UnitWeighter, RandomState>,
    /// When it was last warned of a key's limits.
    warned: Cache<Key, Timestamp, UnitWeighter, RandomState>,
}

impl LimitsByKey {
    pub(crate) fn new() -> Self {
        Self { told: bounded(MOST), warned: bounded(MOST) }
    }

    /// Takes note of an answer's headers; most answers of some providers tell nothing. Returns the
    /// limit of which the least is left, if that is little.
    pub(crate) fn note(
        &self,
        project: &ProjectId,
        key: &ProviderKeyId,
        headers: &HeaderMap,
        at: Timestamp,
    ) -> Option<QuotaWarning> {
        let limits = rate_limits(headers, at);
        if limits.is_empty() {
            return None;
        }
        let warning = limits
            .iter()
            .filter_map(|l| QuotaWarning::of(&l.kind, l.limit, l.remaining, l.reset_at))
            .min_by_key(|warning| {
                u128::from(warning.remaining) * 1_000 / u128::from(warning.limit)
            });
        self.told.insert((project.clone(), key.clone()), Arc::new(KeyLimits { at, limits }));
        warning
    }

    /// Whether it is to be warned of a key now: once in an hour.
    pub(crate) fn warns(&self, project: &ProjectId, key: &ProviderKeyId, at: Timestamp) -> bool {
        let place = (project.clone(), key.clone());
        let before = self.warned.get(&place);
        let due = before.is_none_or(|before| at.as_millis() >= before.as_millis() + HOUR_MS);
        if due {
            self.warned.insert(place, at);
        }
        due
    }

    pub(crate) fn of(&self, project: &ProjectId, key: &ProviderKeyId) -> Option<Arc<KeyLimits>> {
        self.told.get(&(project.clone(), key.clone()))
    }
}
