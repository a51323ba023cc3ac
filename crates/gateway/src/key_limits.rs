//! What providers said last of the limits of each key.

use std::sync::Arc;

use byok_domain::{ProjectId, ProviderKeyId, Timestamp};
use byok_providers::{RateLimit, rate_limits};
use http::HeaderMap;

/// Keys that are remembered; the ones used longest ago go first.
const MOST: u64 = 200_000;

/// A key's limits as an answer told them.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// When that answer came.
    pub at: Timestamp,
    /// The limits it told.
    pub limits: Vec<RateLimit>,
}

/// Limits by key, as far as answers passed through this process.
pub(crate) struct LimitsByKey(moka::sync::Cache<(ProjectId, ProviderKeyId), Arc<KeyLimits>>);

impl LimitsByKey {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(MOST))
    }

    /// Takes note of an answer's headers; most answers of some providers tell nothing.
    pub(crate) fn note(
        &self,
        project: &ProjectId,
        key: &ProviderKeyId,
        headers: &HeaderMap,
        at: Timestamp,
    ) {
        let limits = rate_limits(headers, at);
        if !limits.is_empty() {
            self.0.insert((project.clone(), key.clone()), Arc::new(KeyLimits { at, limits }));
        }
    }

    pub(crate) fn of(&self, project: &ProjectId, key: &ProviderKeyId) -> Option<Arc<KeyLimits>> {
        self.0.get(&(project.clone(), key.clone()))
    }
}
