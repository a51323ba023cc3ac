//! Call records from the journal into the log, the roll-ups and what is known of keys.

mod batch;
mod call_rows;
mod circuits;
mod customers;
mod events;
mod key_uses;
mod objects;
mod positions;
mod roll_ups;
mod verdicts;

use async_trait::async_trait;
use byok_domain::{CallRecord, Credits};
use byok_metering::{Applied, UsageLog, UsageLogError};
use sea_orm::DatabaseTransaction;

use self::batch::Batch;
use self::call_rows::Inserted;
use self::circuits::Recovered;
use crate::changes::Changed;
use crate::credits::settle;
use crate::customers::tombstones;
use crate::{Store, StoreError};

#[async_trait]
impl UsageLog for Store {
    async fn applied(&self, journal: &str) -> Result<u64, UsageLogError> {
        positions::of(self.database().reader(), journal).await.map_err(UsageLogError::unavailable)
    }

    async fn apply(
        &self,
        journal: &str,
        last_seq: u64,
        records: &[CallRecord],
    ) -> Result<Applied, UsageLogError> {
        self.ingest(journal, last_seq, records).await.map_err(UsageLogError::unavailable)
    }
}

impl Store {
    async fn ingest(
        &self,
        journal: &str,
        last_seq: u64,
        records: &[CallRecord],
    ) -> Result<Applied, StoreError> {
        let transaction = self.database().begin_apart().await?;
        let done = positions::of(&transaction, journal).await?;
        let fresh = unapplied(records, last_seq, done);
        // Nearly always every record is new, and whole rows of rows go in at once. When one is
        // not, all is undone and the records go in one by one, each telling whether it was new.
        let batch = Batch::of(fresh);
        let (transaction, batch) = match call_rows::insert_all(&transaction, &batch).await? {
            Inserted::All => (transaction, batch),
            Inserted::NotAll => {
                transaction.rollback().await?;
                let transaction = self.database().begin_apart().await?;
                let new = call_rows::insert_each(&transaction, batch).await?;
                (transaction, new)
            }
        };
        self.database().take_turn(&transaction).await?;
        let mut batch = batch;
        // Only now is it certain who has been erased: rows went in before it was our turn.
        let erased = tombstones(&transaction, self.audit_key(), batch.iter()).await?;
        call_rows::rename(&transaction, &erased).await?;
        batch.rename(erased);
        let settled = settle(&transaction, batch.iter()).await?;
        call_rows::correct_charges(&transaction, &settled.short).await?;
        batch.charge(&settled.short);
        // That some are left is what others remember of an account, and still true of most.
        let exhausted = settled.charged.iter().filter(|of| of.after.balance == Credits::ZERO);
        let exhausted: Vec<_> =
            exhausted.map(|of| (of.project.clone(), of.ref_id.clone())).collect();
        let told = exhausted.iter().cloned();
        let told = told.map(|(project, ref_id)| Changed::Customer(project, ref_id));
        Changed::tell_all(&transaction, told).await?;
        let (changed_keys, recovered) = self.fold(&transaction, &batch).await?;
        events::tell(&transaction, &batch, &settled.charged, recovered).await?;
        positions::advance(&transaction, journal, last_seq.max(done)).await?;
        transaction.commit().await?;
        let written = batch.len();
        Ok(Applied { written, repeated: records.len() - written, changed_keys, exhausted })
    }

    /// Everything that follows from calls that are new to the log.
    async fn fold<'b>(
        &self,
        transaction: &DatabaseTransaction,
        batch: &'b Batch<'_>,
    ) -> Result<(Vec<ChangedKey>, Vec<Recovered<'b>>), StoreError> {
        roll_ups::add(transaction, batch).await?;
        customers::note(transaction, batch).await?;
        let recovered = circuits::record(transaction, batch).await?;
        objects::bind(transaction, batch).await?;
        key_uses::add(transaction, batch).await?;
        let changed = verdicts::record(transaction, self.audit_key(), batch).await?;
        Ok((changed, recovered))
    }
}

/// A customer with a key whose status changed.
type ChangedKey = (byok_domain::ProjectId, byok_domain::ProviderId, byok_domain::RefId);

/// The records above the journal's position, of records whose numbers end at `last_seq`.
fn unapplied(records: &[CallRecord], last_seq: u64, done: u64) -> &[CallRecord] {
    let above = usize::try_from(last_seq.saturating_sub(done)).unwrap_or(usize::MAX);
    &records[records.len().saturating_sub(above)..]
}
