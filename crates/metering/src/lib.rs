//! Meters calls: keeps each call's record durably, and folds the records into hourly roll-ups.
//!
//! May depend on `domain` and on the file system. It never names a database, an HTTP server or a
//! provider: what a record says is decided elsewhere, and where records end up is behind the port
//! [`UsageLog`].
//!
//! In reading order: [`usage_log`] is the port, [`roll_up`] the sums that the usage queries read.

pub mod roll_up;
pub mod usage_log;

pub use roll_up::{RollUp, RollUpKey, RollUps};
pub use usage_log::{Applied, UsageLog, UsageLogError};
