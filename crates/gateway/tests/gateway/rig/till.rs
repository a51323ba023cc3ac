//! A ledger in memory, which keeps the rules that the database does.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use byok_domain::credits::{hold, settle};
use byok_domain::{CallRecord, Credits, ProjectId, RequestId, Timestamp};
use byok_metering::{CreditLedger, Held, Hold, LedgerError};

/// The account of the only customer.
#[derive(Default)]
pub(crate) struct Till(Mutex<Account>);

#[derive(Default)]
struct Account {
    balance: Credits,
    holds: HashMap<RequestId, Credits>,
    settled: HashSet<RequestId>,
    asked: u64,
    broken: bool,
}

impl Account {
    fn available(&self) -> Credits {
        let held = self.holds.values().map(|held| held.get()).sum();
        self.balance.less(Credits::new(held))
    }
}

impl Till {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().expect("whole")
    }

    pub(crate) fn grant(&self, credits: u64) {
        self.account().balance = Credits::new(credits);
    }

    /// Has it answer nothing from now on.
    pub(crate) fn break_down(&self) {
        self.account().broken = true;
    }

    pub(crate) fn balance(&self) -> u64 {
        self.account().balance.get()
    }

    /// Credits that are set aside.
    pub(crate) fn held(&self) -> u64 {
        self.account().holds.values().map(|held| held.get()).sum()
    }

    /// How often it was asked for anything.
    pub(crate) fn asked(&self) -> u64 {
        self.account().asked
    }

    /// Does with the records of calls what the usage log does.
    pub(super) fn settle(&self, records: &[CallRecord]) {
        let mut account = self.account();
        for record in records {
            let Some(cost) = record.aftermath.credits else { continue };
            if account.settled.insert(record.id) {
                let held = account.holds.remove(&record.id);
                assert_eq!(held, record.aftermath.held, "what was held is in the record");
                account.balance = account.balance.less(settle(cost, account.balance).charged);
            }
        }
    }
}

#[async_trait]
impl CreditLedger for Till {
    async fn hold(&self, asked: Hold) -> Result<Held, LedgerError> {
        // Whoever asks and leaves leaves here.
        tokio::task::yield_now().await;
        let mut account = self.account();
        account.asked += 1;
        if account.broken {
            return Err(LedgerError::unavailable("broken"));
        }
        assert!(asked.deadline > asked.at);
        match hold(asked.estimate, account.available()) {
            Some(amount) => {
                account.holds.insert(asked.request, amount);
                Ok(Held::Amount(amount))
            }
            None => Ok(Held::Empty),
        }
    }

    async fn release(
        &self,
        _: &ProjectId,
        request: RequestId,
        _: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut account = self.account();
        account.asked += 1;
        account.holds.remove(&request);
        Ok(())
    }
}
