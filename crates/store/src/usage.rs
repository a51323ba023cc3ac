//! What calls used and cost: questions to the hourly roll-ups, exact at their edges.

mod hours;
mod parts;
mod sums;

use byok_domain::{KeySource, ProjectId, ProviderId, RefId, Timestamp};
use byok_metering::RollUp;
use sea_orm::{ConnectionTrait, QueryResult, TransactionTrait};

pub(crate) use self::parts::parts;
pub(crate) use self::sums::{PICO_PER_USD, SUMS, count_at, read_sums};
use crate::column::{key_source, ref_id, time};
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
        let snapshot = self.database().reader().begin().await?;
        let grouped = Grouped { connection: &snapshot, project, filter };
        let most_calls = "requests DESC";

        let by_source = grouped.rows("source", "source", MOST_GROUPS, |row| {
            let source = key_source(TABLE, &row.try_get_by_index::<String>(0)?)?;
            Ok(SourceUsage { source, sums: read_sums(row, 1)? })
        });
        let (by_source, _) = by_source.await?;
        let mut totals = RollUp::default();
        for part in &by_source {
            totals.merge(&part.sums);
        }
        let (by_provider, cut_providers) = grouped
            .rows("provider", &format!("{most_calls}, provider"), MOST_GROUPS, |row| {
                let provider = ProviderId::new(row.try_get_by_index::<String>(0)?);
                Ok(ProviderUsage { provider, sums: read_sums(row, 1)? })
            })
            .await?;
        let (by_model, cut_models) = grouped
            .rows(
                "provider, model",
                &format!("{most_calls}, provider, model"),
                MOST_GROUPS,
                |row| {
                    let provider = ProviderId::new(row.try_get_by_index::<String>(0)?);
                    let model = named(row.try_get_by_index(1)?);
                    Ok(ModelUsage { provider, model, sums: read_sums(row, 2)? })
                },
            )
            .await?;
        let (by_ref_id, cut_ref_ids) = grouped
            .rows("ref_id", &format!("{most_calls}, ref_id"), MOST_GROUPS, |row| {
                let ref_id = ref_id(TABLE, &row.try_get_by_index::<String>(0)?)?;
                Ok(RefIdUsage { ref_id, sums: read_sums(row, 1)? })
            })
            .await?;
        let (daily, _) = grouped
            .rows("day", "day", usize::MAX, |row| {
                Ok(DayUsage { day: time(row.try_get_by_index(0)?), sums: read_sums(row, 1)? })
            })
            .await?;
        let (unknown_models, cut_unknown) = grouped.unknown_models().await?;
        snapshot.commit().await?;

        Ok(Usage {
            totals,
            by_provider,
            by_model,
            by_ref_id,
            by_source,
            daily,
            unknown_models,
            cut: cut_providers || cut_models || cut_ref_ids || cut_unknown,
        })
    }
}

/// A question asked once a side.
struct Grouped<'a, C> {
    connection: &'a C,
    project: &'a ProjectId,
    filter: &'a UsageFilter,
}

impl<C: ConnectionTrait> Grouped<'_, C> {
    /// The sums by `columns`, and whether there are more than `most`.
    async fn rows<T>(
        &self,
        columns: &str,
        order: &str,
        most: usize,
        read: impl Fn(&QueryResult) -> Result<T, StoreError>,
    ) -> Result<(Vec<T>, bool), StoreError> {
        let mut sql = Sql::new(&format!("SELECT {columns}, {SUMS} FROM "));
        parts(&mut sql, self.project, self.filter);
        sql.push(&format!(" GROUP BY {columns} ORDER BY {order}"));
        self.limited(sql, most, read).await
    }

    async fn unknown_models(&self) -> Result<(Vec<UnknownModel>, bool), StoreError> {
        let mut sql = Sql::new(
            "SELECT provider, model, CAST(SUM(unpriced_requests) AS BIGINT) AS requests, \
             CAST(SUM(unpriced_tokens) AS BIGINT) AS tokens FROM ",
        );
        parts(&mut sql, self.project, self.filter);
        sql.push(
            " WHERE unpriced_requests > 0 GROUP BY provider, model \
             ORDER BY requests DESC, provider, model",
        );
        self.limited(sql, MOST_GROUPS, |row| {
            Ok(UnknownModel {
                provider: ProviderId::new(row.try_get_by_index::<String>(0)?),
                model: named(row.try_get_by_index(1)?),
                requests: count_at(row, 2)?,
                total_tokens: count_at(row, 3)?,
            })
        })
        .await
    }

    async fn limited<T>(
        &self,
        mut sql: Sql,
        most: usize,
        read: impl Fn(&QueryResult) -> Result<T, StoreError>,
    ) -> Result<(Vec<T>, bool), StoreError> {
        if let Ok(limit) = i64::try_from(most) {
            sql.push(" LIMIT ").bind(limit.saturating_add(1));
        }
        let rows = self.connection.query_all_raw(sql.into_statement()).await?;
        let data = rows.iter().take(most).map(read).collect::<Result<_, _>>()?;
        Ok((data, rows.len() > most))
    }
}

/// Roll-ups have an empty text where a call named no model, since a key has no holes.
fn named(model: String) -> Option<String> {
    (!model.is_empty()).then_some(model)
}
