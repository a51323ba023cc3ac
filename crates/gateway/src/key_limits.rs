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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_tenth_that_is_left_is_warned_of_under_every_providers_names() {
        for (limit, remaining, kind) in [
            // OpenAI, Azure, Groq, xAI, Fireworks.
            ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "requests"),
            ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "tokens"),
            (
                "x-ratelimit-limit-project-tokens",
                "x-ratelimit-remaining-project-tokens",
                "project-tokens",
            ),
            (
                "anthropic-ratelimit-requests-limit",
                "anthropic-ratelimit-requests-remaining",
                "requests",
            ),
            ("anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "tokens"),
            (
                "anthropic-ratelimit-input-tokens-limit",
                "anthropic-ratelimit-input-tokens-remaining",
                "input-tokens",
            ),
            (
                "anthropic-ratelimit-output-tokens-limit",
                "anthropic-ratelimit-output-tokens-remaining",
                "output-tokens",
            ),
            (
                "anthropic-priority-input-tokens-limit",
                "anthropic-priority-input-tokens-remaining",
                "priority-input-tokens",
            ),
            // Mistral.
            ("x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute", "req-minute"),
            (
                "x-ratelimit-limit-tokens-minute",
                "x-ratelimit-remaining-tokens-minute",
                "tokens-minute",
            ),
            // Together; OpenRouter's have the same names, on refusals.
            ("x-ratelimit-limit", "x-ratelimit-remaining", "requests"),
            ("x-tokenlimit-limit", "x-tokenlimit-remaining", "tokens"),
        ] {
            let (project, key) = (ProjectId::new("p"), ProviderKeyId::new("k"));
            let limits = LimitsByKey::new();
            for (left, little) in [("201", false), ("200", true), ("0", true)] {
                let headers = HeaderMap::from_iter([
                    (HeaderName::from_static(limit), HeaderValue::from_static("2000")),
                    (HeaderName::from_static(remaining), HeaderValue::from_static(left)),
                ]);
                let warning = limits.note(&project, &key, &headers, NOW);
                let told = warning.map(|w| (w.kind.to_string(), w.limit));
                let expected = little.then(|| (kind.to_owned(), 2000));
                assert_eq!(told, expected, "{remaining}: {left}");
            }
        }
    }

    #[test]
    fn each_key_is_warned_of_once_in_an_hour() {
        let limits = LimitsByKey::new();
        let warns = |project: &str, key: &str, minutes: i64| {
            let at = NOW.plus_millis(minutes * 60_000);
            limits.warns(&ProjectId::new(project), &ProviderKeyId::new(key), at)
        };
        for (project, key, minutes, expected) in [
            ("p", "k", 0, true),
            ("p", "k", 59, false),
            ("p", "other", 59, true),
            ("q", "k", 59, true),
            ("p", "k", 60, true),
            ("p", "k", 119, false),
            ("p", "k", 120, true),
        ] {
            assert_eq!(warns(project, key, minutes), expected, "{project} {key} {minutes}");
        }
    }
}
