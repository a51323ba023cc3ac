//! The last 24 hours beside the 24 before.

use byok_domain::time::DAY_MS;
use byok_domain::{ProjectId, Timestamp};
use byok_metering::RollUp;
use sea_orm::ConnectionTrait;

use crate::statement::Sql;
use crate::usage::{SUMS, count_at, parts, read_sums};
use crate::{Store, StoreError, UsageFilter};

/// A project's last 24 hours beside the 24 before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The last 24 hours.
    pub current: Window,
    /// The 24 before them.
    pub previous: Window,
}

/// What a project's calls in 24 hours used and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Their sums.
    pub sums: RollUp,
    /// Customers who made one.
    pub active_ref_ids: u64,
}

impl Store {
    /// The 24 hours up to `now`, beside the 24 before them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn stats(&self, project: &ProjectId, now: Timestamp) -> Result<Stats, StoreError> {
        let snapshot = self.database().snapshot().await?;
        let yesterday = now.plus_millis(-DAY_MS);
        let day_before = yesterday.plus_millis(-DAY_MS);
        let current = window(&snapshot, project, yesterday, now).await?;
        let previous = window(&snapshot, project, day_before, yesterday).await?;
        snapshot.commit().await?;
        Ok(Stats { current, previous })
    }
}

async fn window(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    since: Timestamp,
    until: Timestamp,
) -> Result<Window, StoreError> {
    let filter = UsageFilter { since: Some(since), until: Some(until), ..UsageFilter::default() };
    let mut sql = Sql::new(&format!("SELECT CAST(COUNT(DISTINCT ref_id) AS BIGINT), {SUMS} FROM "));
    parts(&mut sql, project, &filter);
    match connection.query_one_raw(sql.into_statement()).await? {
        Some(row) => Ok(Window { active_ref_ids: count_at(&row, 0)?, sums: read_sums(&row, 1)? }),
        None => Ok(Window::default()),
    }
}
