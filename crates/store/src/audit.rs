//! The audit log: appended to in the transaction of every change, listed, verified.

mod append;
mod list;
mod target;
mod verify;

pub(crate) use append::{Change, Metadata, append, before_and_after};
pub use list::{AuditEntry, AuditFilter};
pub(crate) use target::Target;
pub use verify::{AuditFault, AuditHead, AuditReport, BadEntry};
