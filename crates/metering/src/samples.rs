//! Records and journals for this crate's tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use byok_domain::{
    CallRecord, KeySource, PicoUsd, ProjectId, ProviderId, RefId, RequestId, Timestamp, Usage,
};

use crate::{Durability, Journal, JournalId};

/// A cap that no test reaches by accident.
pub(crate) const ROOM: u64 = 1 << 30;

/// The record of call number `n`, told from all others by its id.
pub(crate) fn record(n: u64) -> CallRecord {
    CallRecord {
        id: id(n),
        project: ProjectId::from_random(5),
        ref_id: RefId::parse("customer_123").expect("a plain name"),
        provider: ProviderId::new("openai"),
        model: Some("gpt-4o-mini-2024-07-18".into()),
        operation: "chat/completions".into(),
        key: None,
        source: KeySource::Byok,
        status: 200,
        error: None,
        streamed: true,
        usage: Some(Usage { input: n, output: 34, ..Usage::default() }),
        usage_estimated: false,
        customer_reported: false,
        cost: Some(PicoUsd::from_pico(706_000_000)),
        unit_prices: None,
        answered: None,
        latency_ms: 812,
        first_byte_ms: Some(230),
        at: Timestamp::from_millis(1_795_000_000_000),
        objects: Vec::new(),
        aftermath: byok_domain::Aftermath::default(),
    }
}

/// The id of call number `n`.
pub(crate) fn id(n: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RequestId::from_bytes(bytes)
}

/// The number of the call that `record` is of.
pub(crate) fn number(record: &CallRecord) -> u64 {
    u64::from_be_bytes(*record.id.as_bytes()[8..].first_chunk().expect("8 bytes"))
}

/// An id that this process has not used yet.
pub(crate) fn fresh_id() -> JournalId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let process = u128::from(std::process::id()) << 64;
    JournalId::from_random(process | u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn open(dir: &Path, durability: Durability) -> Arc<Journal> {
    Journal::open(dir, durability, ROOM, fresh_id()).expect("the journal opens")
}
