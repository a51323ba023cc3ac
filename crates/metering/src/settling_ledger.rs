//! A ledger of credits that looks twice before it says that nothing is left, or that a call runs.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use byok_domain::{ProjectId, RequestId, Timestamp};

use crate::{CreditLedger, Held, Hold, LedgerError, Repeat, Writers};

/// How long a call with nothing left to pay with waits for the ones before it to be settled.
const PATIENCE: Duration = Duration::from_secs(1);

/// A ledger before which calls that have ended are settled, where it matters.
///
/// What is held for a call is given back when its record is applied, some 100 ms after its caller
/// has seen the end of the answer. Whoever calls again at once, with few credits, would find them
/// all set aside for the call before; and who repeats a call that failed, that it still runs.
pub struct SettlingLedger<L> {
    ledger: L,
    writers: OnceLock<Weak<Writers>>,
}

impl<L> SettlingLedger<L> {
    /// `ledger`, and as yet nobody who settles.
    pub fn new(ledger: L) -> Self {
        Self { ledger, writers: OnceLock::new() }
    }

    /// From now on calls are settled by `writers`; the first to be named stay.
    pub fn settled_by(&self, writers: &Arc<Writers>) {
        let _ = self.writers.set(Arc::downgrade(writers));
    }
}

#[async_trait]
impl<L: CreditLedger> CreditLedger for SettlingLedger<L> {
    async fn hold(&self, hold: Hold) -> Result<Held, LedgerError> {
        let held = self.ledger.hold(hold.clone()).await?;
        match self.writers.get().and_then(Weak::upgrade) {
            Some(writers) if matches!(held, Held::Empty | Held::Repeat(Repeat::Running(_))) => {
                writers.caught_up(PATIENCE).await;
                self.ledger.hold(hold).await
            }
            _ => Ok(held),
        }
    }

    async fn release(
        &self,
        project: &ProjectId,
        request: RequestId,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        self.ledger.release(project, request, at).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use byok_domain::{CallRecord, Credits, RefId};
    use tokio::runtime::Handle;

    use super::*;
    use crate::samples::record;
    use crate::{Applied, Durability, JournalId, Lanes, UsageLog, UsageLogError};

    /// An account whose credits are all held for one call, until its record is applied.
    #[derive(Default)]
    struct Account {
        settled: AtomicBool,
    }

    #[async_trait]
    impl CreditLedger for Arc<Account> {
        async fn hold(&self, hold: Hold) -> Result<Held, LedgerError> {
            let settled = self.settled.load(Ordering::SeqCst);
            Ok(if settled { Held::Amount(hold.estimate) } else { Held::Empty })
        }

        async fn release(
            &self,
            _: &ProjectId,
            _: RequestId,
            _: Timestamp,
        ) -> Result<(), LedgerError> {
            Ok(())
        }
    }

    #[async_trait]
    impl UsageLog for Account {
        async fn applied(&self, _: &str) -> Result<u64, UsageLogError> {
            Ok(0)
        }

        async fn apply(
            &self,
            _: &str,
            _: u64,
            records: &[CallRecord],
        ) -> Result<Applied, UsageLogError> {
            self.settled.store(true, Ordering::SeqCst);
            Ok(Applied { written: records.len(), ..Applied::default() })
        }
    }

    fn hold() -> Hold {
        let one = record(1);
        Hold {
            project: one.project,
            ref_id: RefId::parse("c1").expect("a refId"),
            request: one.id,
            estimate: Credits::new(5),
            at: one.at,
            deadline: one.at.plus_millis(1),
            idempotency: None,
        }
    }

    #[tokio::test]
    async fn a_call_right_after_another_finds_what_that_one_gave_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let lanes =
            Lanes::open(folder.path(), 1, Durability::Os, 1 << 20, || JournalId::from_random(7));
        let lanes = lanes.expect("a journal");
        let account = Arc::new(Account::default());
        let log: Arc<dyn UsageLog> = account.clone();
        let writers = Arc::new(Writers::start(&lanes, &log, &Handle::current()).expect("a writer"));
        let ledger = SettlingLedger::new(account);
        assert_eq!(ledger.hold(hold()).await.expect("answered"), Held::Empty, "nobody settles yet");
        ledger.settled_by(&writers);
        assert_eq!(ledger.hold(hold()).await.expect("answered"), Held::Empty, "nothing has ended");
        drop(lanes.append(&record(1)).expect("kept"));
        assert_eq!(ledger.hold(hold()).await.expect("answered"), Held::Amount(Credits::new(5)));
    }
}
