//! One call: authenticated, decided, opened, forwarded, metered. The facade a host embeds.
//!
//! May use every crate below it; never names a database. What it needs to know it asks through the
//! port [`Directory`], and remembers in caches that whoever changes a row invalidates.

pub mod directory;

pub use directory::{Directory, DirectoryError, ObjectOwner, ProjectSnapshot, StoredKey};
