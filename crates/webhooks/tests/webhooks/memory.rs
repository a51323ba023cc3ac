//! An outbox in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use byok_domain::{DeliveryId, EventId, ProjectId, Timestamp, WebhookId};
use byok_webhooks::{
    Attempt, Claimed, Clock, Lane, Next, Outbox, OutboxError, Sealed, SealedSecrets, Wanted,
};

use crate::TestClock;

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) claimed: Claimed,
    pub(crate) due: Option<Timestamp>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) next: Option<Next>,
}

pub(crate) struct Memory {
    pub(crate) rows: Mutex<Vec<Row>>,
    /// Whether what came of attempts is lost, as if the process had died before it told.
    pub(crate) forgets: Mutex<bool>,
}

impl Memory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { rows: Mutex::default(), forgets: Mutex::new(false) })
    }

    /// One delivery to `url`, due now; its endpoint is the URL's.
    pub(crate) fn add(&self, url: &str, clock: &TestClock) -> DeliveryId {
        let mut rows = self.rows.lock().unwrap();
        let id = DeliveryId::new(format!("dlv_{}", rows.len()));
        rows.push(Row {
            claimed: claimed(id.as_str(), url),
            due: Some(clock.now()),
            attempts: Vec::new(),
            next: None,
        });
        id
    }

    pub(crate) fn row(&self, id: &DeliveryId) -> Row {
        let rows = self.rows.lock().unwrap();
        rows.iter().find(|row| row.claimed.delivery == *id).expect("a row").clone()
    }

    pub(crate) fn settled(&self) -> usize {
        self.rows.lock().unwrap().iter().filter(|row| row.next.is_some()).count()
    }
}

pub(crate) fn claimed(id: &str, url: &str) -> Claimed {
    Claimed {
        delivery: DeliveryId::new(id),
        lease: 1,
        project: ProjectId::new("proj_1"),
        endpoint: WebhookId::new(url),
        url: url.to_owned(),
        secrets: SealedSecrets { current: Sealed { bytes: vec![1], version: 1 }, previous: None },
        failing_since: None,
        event: EventId::new(format!("evt_{id}")),
        body: format!("{{\"id\":\"evt_{id}\"}}").into(),
        tries: 0,
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn claim(&self, mut wanted: Wanted) -> Result<Vec<Claimed>, OutboxError> {
        let mut rows = self.rows.lock().unwrap();
        let mut taken = Vec::new();
        for row in rows.iter_mut() {
            let due = row.due.is_some_and(|due| due <= wanted.now());
            let lane = Lane::of(row.claimed.failing_since);
            if due && wanted.take(&row.claimed.endpoint, lane) {
                row.due = Some(wanted.leased_until());
                taken.push(row.claimed.clone());
            }
        }
        Ok(taken)
    }

    async fn settle(&self, of: &Claimed, attempt: &Attempt, next: Next) -> Result<(), OutboxError> {
        if *self.forgets.lock().unwrap() {
            return Ok(());
        }
        let mut rows = self.rows.lock().unwrap();
        let failing = (!attempt.outcome.is_success()).then_some(attempt.at);
        for row in rows.iter_mut().filter(|row| row.claimed.endpoint == of.endpoint) {
            row.claimed.failing_since = failing;
        }
        let row = rows.iter_mut().find(|row| row.claimed.delivery == of.delivery).unwrap();
        row.attempts.push(*attempt);
        row.claimed.tries += 1;
        row.next = Some(next);
        row.due = match next {
            Next::Again(at) => Some(at),
            _ => None,
        };
        Ok(())
    }

    async fn oldest_pending(&self) -> Result<Option<Timestamp>, OutboxError> {
        Ok(None)
    }

    async fn prune(&self, _: Timestamp, _: Timestamp) -> Result<bool, OutboxError> {
        Ok(false)
    }
}
