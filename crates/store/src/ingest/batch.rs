//! The records of one transaction, in the form they are kept in.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use byok_domain::{CallRecord, Credits, RefId, Timestamp, Usage};

use crate::column::storable;
use crate::customers::Tombstones;
use crate::filter::time_of;

/// More tokens than any call has. What an address of the customer's choosing reports is held
/// there, so that no sum of calls passes 64 bits.
const MOST_TOKENS: u64 = 10_000_000_000;

/// Call records that go into the log together.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    records: Vec<Cow<'a, CallRecord>>,
    /// The names among them that are of erased customers, and nobody's.
    tombstones: HashSet<RefId>,
}

impl<'a> Batch<'a> {
    pub(super) fn of(records: &'a [CallRecord]) -> Self {
        Self::from_kept(records.iter().map(bounded).collect())
    }

    pub(super) fn from_kept(records: Vec<Cow<'a, CallRecord>>) -> Self {
        Self { records, tombstones: HashSet::new() }
    }

    pub(super) fn into_kept(self) -> Vec<Cow<'a, CallRecord>> {
        self.records
    }

    pub(super) fn kept(&self) -> &[Cow<'a, CallRecord>] {
        &self.records
    }

    /// Corrects what calls are charged in credits.
    pub(super) fn charge(
        &mut self,
        charged: &HashMap<(byok_domain::ProjectId, byok_domain::RequestId), Credits>,
    ) {
        if charged.is_empty() {
            return;
        }
        for record in &mut self.records {
            if let Some(credits) = charged.get(&(record.project.clone(), record.id)) {
                record.to_mut().aftermath.credits = Some(*credits);
            }
        }
    }

    /// Puts calls of customers who were erased under the names that took the place of theirs.
    pub(super) fn rename(&mut self, tombstones: Tombstones) {
        if tombstones.is_empty() {
            return;
        }
        for record in &mut self.records {
            if let Some(tombstone) = tombstones.get(&(record.project.clone(), record.id)) {
                record.to_mut().ref_id = tombstone.clone();
            }
        }
        self.tombstones = tombstones.into_values().collect();
    }

    /// Whether a call's customer is none any more.
    pub(super) fn is_erased(&self, record: &CallRecord) -> bool {
        self.tombstones.contains(&record.ref_id)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CallRecord> {
        self.records.iter().map(AsRef::as_ref)
    }
}

/// A record as it is kept. Its time is the one that its id carries, which the log is sorted by.
fn bounded(record: &CallRecord) -> Cow<'_, CallRecord> {
    let at = time_of(&record.id);
    let too_much = record
        .usage
        .is_some_and(|usage| usage.total() > MOST_TOKENS || usage.reasoning > MOST_TOKENS);
    let texts = [record.model.as_deref(), record.answered.as_deref(), Some(&*record.operation)];
    let storable_whole = texts.into_iter().flatten().all(storable)
        && record.objects.iter().all(|object| storable(&object.id));
    if at == record.at && !too_much && record.model.as_deref() != Some("") && storable_whole {
        return Cow::Borrowed(record);
    }
    let mut kept = record.clone();
    if !storable_whole {
        kept.model = kept.model.map(|model| replaced(&model).into());
        kept.answered = kept.answered.map(|model| replaced(&model).into());
        kept.operation = replaced(&kept.operation).into();
        kept.objects.retain(|object| storable(&object.id));
    }
    kept.at = at;
    kept.usage = kept.usage.map(held);
    kept.model = kept.model.filter(|model| !model.is_empty());
    Cow::Owned(kept)
}

/// A name with a mark in the place of each character that no column takes.
fn replaced(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Each count of tokens at most [`MOST_TOKENS`].
fn held(usage: Usage) -> Usage {
    let most = |tokens: u64| tokens.min(MOST_TOKENS);
    Usage {
        input: most(usage.input),
        cache_read: most(usage.cache_read),
        cache_write: most(usage.cache_write),
        cache_write_1h: most(usage.cache_write_1h),
        cache_write_12h: most(usage.cache_write_12h),
        output: most(usage.output),
        reasoning: most(usage.reasoning),
        // The rest is not summed.
        ..usage
    }
}

/// Milliseconds of a record's time.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millis()
}
