//! Answers of the directory, remembered.

use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::directory::DirectoryError;

/// How long an answer is used without asking again. Whoever changes a row in this process
/// invalidates at once; this bounds how long a change made by another process goes unseen.
const FRESH: Duration = Duration::from_secs(30);

/// A bounded cache that prefers a stale answer to none: while the directory cannot be read, what
/// was known goes on being used.
pub(crate) struct Remembered<K, V> {
    cache: Cache<K, Entry<V>, UnitWeighter, RandomState>,
    /// Counts invalidations, so that an answer loaded before one is not kept after it.
    epoch: AtomicU64,
}

/// A cache of so many entries; those that are of least use go first.
pub(crate) fn bounded<K: Hash + Eq, V: Clone>(
    capacity: u32,
) -> Cache<K, V, UnitWeighter, RandomState> {
    let (items, weight) = (capacity as usize, capacity.into());
    let lifecycle = DefaultLifecycle::default();
    Cache::with(items, weight, UnitWeighter, RandomState::default(), lifecycle)
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    loaded: Instant,
}

impl<K, V> Remembered<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(capacity: u32) -> Self {
        Self { cache: bounded(capacity), epoch: AtomicU64::new(0) }
    }

    pub(crate) async fn get<F>(
        &self,
        key: &K,
        load: impl FnOnce() -> F,
    ) -> Result<V, DirectoryError>
    where
        F: Future<Output = Result<V, DirectoryError>>,
    {
        let known = self.cache.get(key);
        if let Some(entry) = &known
            && entry.loaded.elapsed() < FRESH
        {
            return Ok(entry.value.clone());
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        match load().await {
            Ok(value) => {
                let entry = Entry { value: value.clone(), loaded: Instant::now() };
                if self.epoch.load(Ordering::Acquire) == epoch {
                    self.cache.insert(key.clone(), entry);
                    // An invalidation between the check and the insert must win.
                    if self.epoch.load(Ordering::Acquire) != epoch {
                        self.cache.remove(key);
                    }
                }
                Ok(value)
            }
            Err(error) => match known {
                Some(entry) => {
                    tracing::warn!(%error, "using what was known, since the directory cannot be read");
                    Ok(entry.value)
                }
                None => Err(error),
            },
        }
    }

    pub(crate) fn forget(&self, key: &K) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache.remove(key);
    }

    pub(crate) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache.clear();
    }

    pub(crate) fn forget_where(&self, matches: impl Fn(&K, &V) -> bool) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache.retain(|key, entry| !matches(key, &entry.value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn broken() -> DirectoryError {
        DirectoryError("gone".into())
    }

    #[tokio::test]
    async fn an_answer_is_asked_for_once_and_again_after_it_was_forgotten() {
        let asked = AtomicUsize::new(0);
        let remembered = Remembered::<u32, usize>::new(10);
        let load = || async { Ok(asked.fetch_add(1, Ordering::Relaxed)) };
        assert_eq!(remembered.get(&1, load).await.expect("loads"), 0);
        assert_eq!(remembered.get(&1, load).await.expect("remembers"), 0);
        remembered.forget(&1);
        assert_eq!(remembered.get(&1, load).await.expect("loads"), 1);
        remembered.forget_where(|key, _| *key == 1);
        assert_eq!(remembered.get(&1, load).await.expect("loads"), 2);
    }

    #[tokio::test]
    async fn an_answer_loaded_before_an_invalidation_is_not_kept_after_it() {
        let remembered = Remembered::<u32, u32>::new(10);
        let old = remembered
            .get(&1, || async {
                remembered.forget(&1);
                Ok(7)
            })
            .await
            .expect("loads");
        assert_eq!(old, 7);
        assert_eq!(remembered.get(&1, || async { Ok(8) }).await.expect("loads"), 8);
    }

    #[tokio::test]
    async fn nothing_known_and_nobody_to_ask_is_an_error() {
        let remembered = Remembered::<u32, u32>::new(10);
        assert!(remembered.get(&1, || async { Err(broken()) }).await.is_err());
    }
}
