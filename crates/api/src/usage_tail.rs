//! The way of call records from the journal into the database, as reads of usage need it.

use std::time::Duration;

use async_trait::async_trait;

/// How long a read of usage waits for the calls before it, so that whoever made a call finds it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

/// The way of call records from the journal into the database.
#[async_trait]
pub trait UsageTail: Send + Sync + 'static {
    /// Waits until every call that ended before is in the database, at most `within`. Returns
    /// whether it got there.
    async fn caught_up(&self, within: Duration) -> bool;

    /// Whether the journal takes further records.
    fn has_room(&self) -> bool;
}
