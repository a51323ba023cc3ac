//! Meters calls: keeps each call's record durably, and folds the records into hourly roll-ups.
//!
//! May depend on `domain` and on the file system. It never names a database, an HTTP server or a
//! provider: what a record says is decided elsewhere, and where records end up is behind the port
//! [`UsageLog`].
//!
//! In reading order: [`meter`] prices a call and [`tap`] relays its answer; [`journal`] is where a
//! record is durable first, one of the [`Lanes`]; [`usage_log`] is the port to where it ends up,
//! [`writer`] what moves it there, [`roll_up`] the sums that the usage queries read;
//! [`credit_ledger`] is the port to where credits are set aside, which [`SettlingLedger`] asks twice
//! before it says that none are left, [`limit_counters`] the one to where calls on credits are counted.

mod bell;
pub mod credit_ledger;
pub mod journal;
mod lanes;
pub mod limit_counters;
pub mod meter;
pub mod roll_up;
#[cfg(test)]
mod samples;
mod settling_ledger;
mod tally;
pub mod tap;
pub mod usage_log;
pub mod writer;

pub use credit_ledger::{CreditLedger, Held, Hold, IdempotencyKey, LedgerError, Repeat};
pub use journal::{Durability, Journal, JournalError, JournalFull, JournalId, Receipt};
pub use lanes::{Lanes, Writers};
pub use limit_counters::{CountedCall, LimitCounters, MemoryCounters, NotAdmitted};
pub use meter::Meter;
pub use roll_up::{RollUp, RollUpKey, RollUps};
pub use settling_ledger::SettlingLedger;
pub use usage_log::{Applied, UsageLog, UsageLogError};
pub use writer::Writer;
