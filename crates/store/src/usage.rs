//! What calls used and cost: questions to the hourly roll-ups, exact at their edges.

mod hours;
mod parts;
mod sides;
mod sums;

use byok_domain::{KeySource, ProjectId, ProviderId, RefId, Timestamp};
use byok_metering::RollUp;
use sea_orm::ConnectionTrait;

pub(crate) use self::parts::parts;
pub(crate) use self::sums::{PICO_PER_USD, SUMS, count_at, read_sums};
use crate::column::ref_id;
use crate::statement::Sql;
use crate::{Store, StoreError, UsageFilter};

const TABLE: &str = "usage_hourly";

/// The longest breakdown that is given whole.
const MOST_GROUPS: usize = 1_000;

/// What a project's calls used and cost, seen from several sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of them.
    pub totals: RollUp,
    /// By provider, most calls first.
    pub by_provider: Vec<ProviderUsage>,
    /// By provider and model, most calls first.
    pub by_model: Vec<ModelUsage>,
    /// By customer, most calls first.
    pub by_ref_id: Vec<RefIdUsage>,
    /// By who paid.
    pub by_source: Vec<SourceUsage>,
    /// By UTC day, oldest first; days without calls are left out.
    pub daily: Vec<DayUsage>,
    /// Models whose tokens are known and whose price is not, most calls first.
    pub unknown_models: Vec<UnknownModel>,
    /// Whether a breakdown has more than its first thousand entries. The totals are whole.
    pub cut: bool,
}

/// The calls at one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUsage {
    /// The provider.
    pub provider: ProviderId,
    /// Their sums.
    pub sums: RollUp,
}

/// The calls of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelUsage {
    /// The provider.
    pub provider: ProviderId,
    /// The model; `None` for calls that name none.
    pub model: Option<String>,
    /// Their sums.
    pub sums: RollUp,
}

/// The calls for one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefIdUsage {
    /// The customer.
    pub ref_id: RefId,
    /// Their sums.
    pub sums: RollUp,
}

/// The calls that one side paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUsage {
    /// The side.
    pub source: KeySource,
    /// Their sums.
    pub sums: RollUp,
}

/// The calls of one UTC day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// The day's first millisecond.
    pub day: Timestamp,
    /// Their sums.
    pub sums: RollUp,
}

/// A model that calls used and nobody knows the price of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel {
    /// The provider.
    pub provider: ProviderId,
    /// The model; `None` when the call named none.
    pub model: Option<String>,
    /// Calls without a price.
    pub requests: u64,
    /// Their tokens.
    pub total_tokens: u64,
}

impl Store {
    /// What a project's calls used and cost.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn usage(
        &self,
        project: &ProjectId,
        filter: &UsageFilter,
    ) -> Result<Usage, StoreError> {
        // One snapshot for all sides, so that they add up.
        let snapshot = self.database().snapshot().await?;
        let mut usage = sides::read(&snapshot, project, filter).await?;
        usage.by_ref_id = ref_ids(&snapshot, project, filter).await?;
        snapshot.commit().await?;
        usage.cut |= usage.by_ref_id.len() > MOST_GROUPS;
        usage.by_ref_id.truncate(MOST_GROUPS);
        Ok(usage)
    }
}

/// By customer: on its own, since there may be many more of them than of everything else.
async fn ref_ids(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    filter: &UsageFilter,
) -> Result<Vec<RefIdUsage>, StoreError> {
    let mut sql = Sql::new(&format!("SELECT ref_id, {SUMS} FROM "));
    parts(&mut sql, project, filter);
    sql.push(&format!(" GROUP BY ref_id ORDER BY requests DESC, ref_id LIMIT {}", MOST_GROUPS + 1));
    let rows = connection.query_all_raw(sql.into_statement()).await?;
    rows.iter()
        .map(|row| {
            let ref_id = ref_id(TABLE, &row.try_get_by_index::<String>(0)?)?;
            Ok(RefIdUsage { ref_id, sums: read_sums(row, 1)? })
        })
        .collect()
}
