//! The task that makes every attempt that is due, so that no endpoint holds up another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use byok_domain::WebhookId;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::meters::Meters;
use crate::outbox::{Claimed, Lane, Outbox, Wanted};
use crate::{Attempt, Clock, Courier, Next, schedule};

/// How much the worker does at a time, and how often it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts at a time.
    pub all: usize,
    /// Attempts at a time at endpoints whose last attempt failed, all of them together.
    pub failing: usize,
    /// Attempts at a time at one endpoint.
    pub endpoint: usize,
    /// Attempts at a time at one endpoint whose last attempt failed.
    pub failing_endpoint: usize,
    /// How often the outbox is looked into while there is nothing to do.
    pub poll: Duration,
    /// How long a delivery is leased: longer than an attempt and its record take, and no longer
    /// than the delivery may wait when the process dies in between.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all: 128,
            failing: 32,
            endpoint: 8,
            failing_endpoint: 1,
            poll: Duration::from_millis(500),
            lease: Duration::from_secs(30),
        }
    }
}

impl Limits {
    pub(crate) fn of_endpoint(&self, lane: Lane) -> usize {
        match lane {
            Lane::Sound => self.endpoint,
            Lane::Failing => self.failing_endpoint,
        }
    }
}

/// After an attempt ends, others that end with it are waited for, so that one look into the outbox
/// serves them all.
const GATHER: Duration = Duration::from_millis(20);
/// Between two looks at the oldest event.
const MEASURE: Duration = Duration::from_secs(15);
/// Between two removals of what is kept no longer.
const PRUNE: Duration = Duration::from_secs(3600);
/// Between two attempts to record what came of a delivery, and how many there are.
const RECORD: (Duration, usize) = (Duration::from_secs(1), 5);

/// Delivers what is in an outbox until it is stopped.
#[derive(Debug)]
pub struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts delivering on `runtime`.
    pub fn start(
        outbox: Arc<dyn Outbox>,
        courier: Courier,
        clock: Arc<dyn Clock>,
        limits: Limits,
        runtime: &Handle,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared { outbox, courier, clock, meters: Meters::new() });
        let rounds = Rounds {
            shared,
            limits,
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            measured: None,
            pruned: None,
            well: true,
        };
        Self { stop, task: runtime.spawn(rounds.run(stopped)) }
    }

    /// Claims no more, and waits for the attempts that are under way. Dropped meanwhile, it breaks
    /// them off: their leases end by themselves, and the deliveries are made again.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // Ends with an error only if it panicked, which the panic hook has told.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    outbox: Arc<dyn Outbox>,
    courier: Courier,
    clock: Arc<dyn Clock>,
    meters: Meters,
}

struct Rounds {
    shared: Arc<Shared>,
    limits: Limits,
    attempts: JoinSet<()>,
    /// By task, so that one that panicked gives its place back too.
    under_way: HashMap<Id, (WebhookId, Lane)>,
    measured: Option<Instant>,
    pruned: Option<Instant>,
    /// Whether the outbox answered the last time: an episode of failures is logged once.
    well: bool,
}

impl Rounds {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            self.keep_house().await;
            if self.claim().await > 0 {
                continue;
            }
            tokio::select! {
                // An error means that the worker itself is gone.
                _ = stopped.changed() => break,
                () = sleep(self.limits.poll) => {}
                Some(ended) = self.attempts.join_next_with_id() => {
                    self.forget(ended);
                    sleep(GATHER).await;
                }
            }
            while let Some(ended) = self.attempts.try_join_next_with_id() {
                self.forget(ended);
            }
        }
        while self.attempts.join_next().await.is_some() {}
    }

    fn forget(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.under_way.remove(&id);
    }

    /// Starts what is due and has a place; returns how many attempts that were.
    async fn claim(&mut self) -> usize {
        let now = self.shared.clock.now();
        let lease = i64::try_from(self.limits.lease.as_millis()).unwrap_or(i64::MAX);
        let mut wanted = Wanted::new(now, now.plus_millis(lease), self.limits);
        for (endpoint, lane) in self.under_way.values() {
            wanted.count(endpoint, *lane);
        }
        if !wanted.has_room() {
            return 0;
        }
        let claimed = match self.shared.outbox.claim(wanted).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.report(&error);
                return 0;
            }
        };
        self.well = true;
        let count = claimed.len();
        for claimed in claimed {
            let place = (claimed.endpoint.clone(), Lane::of(claimed.failing_since));
            let shared = Arc::clone(&self.shared);
            let task = self.attempts.spawn(async move { shared.deliver(claimed).await });
            self.under_way.insert(task.id(), place);
        }
        count
    }

    async fn keep_house(&mut self) {
        if self.measured.is_none_or(|at| at.elapsed() >= MEASURE) {
            self.measured = Some(Instant::now());
            match self.shared.outbox.oldest_pending().await {
                Ok(oldest) => self.shared.measure(oldest),
                Err(error) => self.report(&error),
            }
        }
        if self.pruned.is_none_or(|at| at.elapsed() >= PRUNE) {
            let now = self.shared.clock.now();
            match self.shared.outbox.prune(now.plus_millis(-schedule::KEPT_MS), now).await {
                // A part at a time, with a round of deliveries in between.
                Ok(true) => {}
                Ok(false) => self.pruned = Some(Instant::now()),
                Err(error) => {
                    self.pruned = Some(Instant::now());
                    self.report(&error);
                }
            }
        }
    }

    fn report(&mut self, error: &crate::OutboxError) {
        if std::mem::replace(&mut self.well, false) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "webhooks are not delivered until it is");
        }
    }
}

impl Shared {
    async fn deliver(&self, claimed: Claimed) {
        let attempt = self.courier.attempt(&claimed).await;
        let next =
            schedule::next(&attempt, claimed.tries, claimed.failing_since, self.clock.random());
        self.count(&claimed, &attempt, next);
        for _ in 0..RECORD.1 {
            match self.outbox.settle(&claimed, &attempt, next).await {
                Ok(()) => return,
                Err(error) => {
                    let delivery = &claimed.delivery;
                    tracing::warn!(%delivery, %error, "an attempt was not recorded");
                }
            }
            sleep(RECORD.0).await;
        }
    }

    fn count(&self, claimed: &Claimed, attempt: &Attempt, next: Next) {
        let (endpoint, delivery) = (&claimed.endpoint, &claimed.delivery);
        if next == Next::Delivered {
            self.meters.delivered.increment(1);
            tracing::debug!(%endpoint, %delivery, "a webhook was delivered");
        } else {
            self.meters.failed.increment(1);
            let (status, error) = (attempt.outcome.status(), attempt.outcome.error());
            tracing::info!(%endpoint, %delivery, status, error, ?next, "a webhook was not delivered");
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn measure(&self, oldest: Option<byok_domain::Timestamp>) {
        let age = oldest.map_or(0, |oldest| self.clock.now().as_millis() - oldest.as_millis());
        self.meters.oldest_pending_seconds.set(age.max(0) as f64 / 1000.0);
    }
}
