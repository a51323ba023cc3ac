//! The port `metering::CreditLedger`: holds of many calls in one commit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use byok_domain::{ProjectId, RequestId, Timestamp};
use byok_metering::{CreditLedger, Held, Hold, LedgerError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::holds::{Known, already_held, hold_all, release};
use crate::{Store, StoreError};

/// What goes into one commit. A disk syncs some hundred times a second: one call a commit would
/// bound all calls on credits by that.
const BATCH: usize = 256;

/// How often holds past their deadline, and keys past theirs, are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// How long a caller waits. Longer than a disk or another process ever takes that does its work,
/// shorter than the patience of whoever waits for an answer: with the database away the call is
/// refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sets credits aside: callers queue, and one task commits what is queued. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    queue: mpsc::Sender<Asked>,
}

/// What a caller waits for.
#[derive(Debug)]
enum Asked {
    Hold(Hold, oneshot::Sender<Result<Held, Arc<StoreError>>>),
    Release(Release, oneshot::Sender<Result<(), Arc<StoreError>>>),
}

#[derive(Debug)]
struct Release {
    project: ProjectId,
    request: RequestId,
    at: Timestamp,
}

impl Ledger {
    /// A ledger on `store`, whose work `runtime` runs until the last clone of it is dropped. `now`
    /// tells the time that deadlines are compared with.
    pub fn start(
        store: Store,
        runtime: &Handle,
        now: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
    ) -> Self {
        let (queue, asked) = mpsc::channel(4 * BATCH);
        runtime.spawn(work(store, asked, now));
        Self { queue }
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, Arc<StoreError>>>) -> Asked,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || LedgerError::unavailable("its task has stopped");
        let asking = async {
            self.queue.send(ask(answer)).await.map_err(|_| stopped())?;
            answered.await.map_err(|_| stopped())?.map_err(LedgerError::unavailable)
        };
        let late = |_| Err(LedgerError::unavailable("the database takes too long"));
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(late)
    }
}

#[async_trait]
impl CreditLedger for Ledger {
    async fn hold(&self, hold: Hold) -> Result<Held, LedgerError> {
        self.ask(|answer| Asked::Hold(hold, answer)).await
    }

    async fn release(
        &self,
        project: &ProjectId,
        request: RequestId,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let release = Release { project: project.clone(), request, at };
        self.ask(|answer| Asked::Release(release, answer)).await
    }
}

async fn work(
    store: Store,
    mut asked: mpsc::Receiver<Asked>,
    now: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
) {
    // Beside the calls, which do not wait for it, and as long as there are any.
    let mut sweeping = JoinSet::new();
    sweeping.spawn(sweep(store.clone(), now.clone()));
    let mut batch = Vec::new();
    while asked.recv_many(&mut batch, BATCH).await > 0 {
        serve(&store, std::mem::take(&mut batch), &now).await;
    }
}

/// Gives back what is held past its deadline, and removes what calls on credits left whose time is
/// over: their idempotency keys, and responses that they could go on from.
async fn sweep(store: Store, now: impl Fn() -> Timestamp) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match store.release_overdue(now()).await {
            Ok(0) => {}
            Ok(holds) => tracing::warn!(holds, "credits were held past their deadline; given back"),
            Err(error) => tracing::error!(%error, "overdue holds of credits cannot be released"),
        }
        if let Err(error) = store.prune_idempotency_keys(now()).await {
            tracing::warn!(%error, "idempotency keys that have expired cannot be removed");
        }
        if let Err(error) = store.prune_objects(now()).await {
            tracing::warn!(%error, "responses that their providers have forgotten cannot be removed");
        }
    }
}

async fn serve(store: &Store, mut batch: Vec<Asked>, now: &(impl Fn() -> Timestamp + Sync)) {
    // Who has left has no use for a hold.
    batch.retain(|asked| !matches!(asked, Asked::Hold(_, answer) if answer.is_closed()));
    if batch.is_empty() {
        return;
    }
    let done = match commit(store, &batch, false).await {
        // Some are asked for again: seldom enough that it is not looked for each time.
        Err(StoreError::Taken(_)) => commit(store, &batch, true).await,
        done => done,
    };
    let done = done.map_err(Arc::new);
    let mut answers = match &done {
        Ok(answers) => answers.iter(),
        Err(_) => [].iter(),
    };
    let mut unwanted = Vec::new();
    for asked in batch {
        match (asked, &done) {
            (Asked::Hold(hold, answer), Ok(_)) => {
                let held = answers.next().copied().unwrap_or(Held::Empty);
                // The caller left while it waited: nobody would ever use what is held.
                if answer.send(Ok(held)).is_err() && matches!(held, Held::Amount(_)) {
                    unwanted.push(Release {
                        project: hold.project,
                        request: hold.request,
                        at: now(),
                    });
                }
            }
            (Asked::Hold(_, answer), Err(error)) => drop(answer.send(Err(Arc::clone(error)))),
            (Asked::Release(_, answer), Ok(_)) => drop(answer.send(Ok(()))),
            (Asked::Release(_, answer), Err(error)) => drop(answer.send(Err(Arc::clone(error)))),
        }
    }
    if !unwanted.is_empty()
        && let Err(error) = give_back(store, &unwanted).await
    {
        tracing::warn!(%error, "holds that nobody waits for stay until their deadline");
    }
}

/// Everything of a batch in one transaction; the answers to its holds, in their order. With `again`
/// it is looked for which were made before.
///
/// # Errors
/// [`StoreError::Taken`] when some were and that was not looked for.
async fn commit(store: &Store, batch: &[Asked], again: bool) -> Result<Vec<Held>, StoreError> {
    let transaction = store.database().begin().await?;
    for asked in batch {
        if let Asked::Release(Release { project, request, at }, _) = asked {
            release(&transaction, project, &[*request], None, *at).await?;
        }
    }
    let holds: Vec<_> = batch
        .iter()
        .filter_map(|asked| match asked {
            Asked::Hold(hold, _) => Some(hold),
            Asked::Release(..) => None,
        })
        .collect();
    let known = match again {
        true => already_held(&transaction, &holds).await?,
        false => Known::new(),
    };
    let answers = hold_all(&transaction, &holds, &known).await?;
    transaction.commit().await?;
    Ok(answers)
}

async fn give_back(store: &Store, unwanted: &[Release]) -> Result<(), StoreError> {
    let transaction = store.database().begin().await?;
    for Release { project, request, at } in unwanted {
        release(&transaction, project, &[*request], None, *at).await?;
    }
    Ok(transaction.commit().await?)
}
