//! Calls as the gateway records them.

use byok_domain::{
    CallRecord, ErrorClass, KeySource, PicoUsd, ProjectId, ProviderId, RefId, RequestId, Timestamp,
    Usage,
};
use byok_gateway::Ambient;

use super::Rig;

impl Rig {
    /// A call of project A just now, successful and priced, not yet recorded.
    pub(crate) fn call(&self, ref_id: &str) -> CallRecord {
        let at = self.clock.now();
        CallRecord {
            id: RequestId::from_parts(at, self.clock.random()),
            project: ProjectId::new(self.a.id.as_str()),
            ref_id: RefId::parse(ref_id).expect("a refId"),
            provider: ProviderId::new("openai"),
            model: Some("gpt-4.1".into()),
            operation: "chat/completions".into(),
            key: None,
            source: KeySource::Byok,
            status: 200,
            error: None,
            streamed: false,
            usage: Some(Usage {
                input: 100,
                cache_read: 20,
                cache_write: 5,
                output: 50,
                reasoning: 10,
                ..Usage::default()
            }),
            usage_estimated: false,
            customer_reported: false,
            cost: Some(PicoUsd::from_pico(706_000_000)),
            unit_prices: None,
            answered: None,
            latency_ms: 12,
            first_byte_ms: Some(7),
            at,
            objects: Vec::new(),
            aftermath: byok_domain::Aftermath::default(),
        }
    }

    /// Puts a record where the gateway puts it.
    pub(crate) fn record(&self, record: &CallRecord) {
        // Whether it is durable matters to nobody here.
        drop(self.journal.append(record).expect("room in the journal"));
    }

    /// A call that the provider refused, and of which no usage is known.
    pub(crate) fn failed(&self, ref_id: &str) -> CallRecord {
        CallRecord {
            status: 401,
            error: Some(ErrorClass::KeyRejected),
            usage: None,
            cost: None,
            first_byte_ms: None,
            ..self.call(ref_id)
        }
    }

    /// A call at another time.
    pub(crate) fn call_at(&self, ref_id: &str, at: Timestamp) -> CallRecord {
        let id = RequestId::from_parts(at, self.clock.random());
        CallRecord { id, at, ..self.call(ref_id) }
    }
}
