//! Usage by provider, by model, by who paid and by day: all from one reading of the roll-ups.

use std::cmp::Reverse;

use byok_domain::{ProjectId, ProviderId};
use sea_orm::{ConnectionTrait, QueryResult};

use super::sums::PARTIAL_SUMS;
use super::{
    DayUsage, MOST_GROUPS, ModelUsage, ProviderUsage, SUMS, SourceUsage, TABLE, UnknownModel,
    Usage, parts, read_sums,
};
use crate::column::{key_source, time};
use crate::statement::Sql;
use crate::{StoreError, UsageFilter};

/// The sides by number, the first column of a row.
const BY_SOURCE: i64 = 0;
const BY_PROVIDER: i64 = 1;
const BY_MODEL: i64 = 2;
const BY_DAY: i64 = 3;
const UNPRICED: i64 = 4;

/// The first of the sums among a row's columns.
const FIRST_SUM: usize = 4;

/// Reads all sides but the customers.
///
/// Each side is a sum over few groups, once the roll-ups have been summed by model, payer and day:
/// reading 720,000 roll-ups once a side took three times as long.
pub(super) async fn read(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    filter: &UsageFilter,
) -> Result<Usage, StoreError> {
    let mut sql = Sql::new(&format!(
        "WITH groups_of_calls AS MATERIALIZED \
         (SELECT provider, model, source, day, {PARTIAL_SUMS} FROM "
    ));
    parts(&mut sql, project, filter);
    sql.push(" GROUP BY provider, model, source, day) ");
    // Names are free texts of whoever calls, so there may be any number of models: only so many
    // of them leave the database.
    let by_model = |first: &str| {
        let limit = MOST_GROUPS + 1;
        format!("GROUP BY provider, model ORDER BY {first} DESC, provider, model LIMIT {limit}")
    };
    let (none, no_day) = ("CAST('' AS TEXT)", "CAST(0 AS BIGINT)");
    for (side, columns, rest) in [
        (BY_SOURCE, format!("source, {none}, {no_day}"), "GROUP BY source".to_owned()),
        (BY_PROVIDER, format!("provider, {none}, {no_day}"), "GROUP BY provider".to_owned()),
        (BY_DAY, format!("{none}, {none}, day"), "GROUP BY day".to_owned()),
        (BY_MODEL, format!("provider, model, {no_day}"), by_model("requests")),
        (
            UNPRICED,
            format!("provider, model, {no_day}"),
            format!("WHERE unpriced_requests > 0 {}", by_model("SUM(unpriced_requests)")),
        ),
    ] {
        let union = if side == BY_SOURCE { "" } else { " UNION ALL " };
        sql.push(&format!(
            "{union}SELECT * FROM \
             (SELECT CAST({side} AS BIGINT), {columns}, {SUMS} FROM groups_of_calls {rest}) AS side_{side}"
        ));
    }
    let mut usage = Usage::default();
    for row in connection.query_all_raw(sql.into_statement()).await? {
        usage.take(&row)?;
    }
    usage.put_in_order();
    Ok(usage)
}

impl Usage {
    fn take(&mut self, row: &QueryResult) -> Result<(), StoreError> {
        let name: String = row.try_get_by_index(1)?;
        // Roll-ups have an empty text where a call named no model, since a key has no holes.
        let model: String = row.try_get_by_index(2)?;
        let model = (!model.is_empty()).then_some(model);
        let sums = read_sums(row, FIRST_SUM)?;
        match row.try_get_by_index::<i64>(0)? {
            BY_SOURCE => {
                self.totals.merge(&sums);
                self.by_source.push(SourceUsage { source: key_source(TABLE, &name)?, sums });
            }
            BY_PROVIDER => {
                self.by_provider.push(ProviderUsage { provider: ProviderId::new(name), sums });
            }
            BY_DAY => self.daily.push(DayUsage { day: time(row.try_get_by_index(3)?), sums }),
            BY_MODEL => {
                self.by_model.push(ModelUsage { provider: ProviderId::new(name), model, sums });
            }
            _ => self.unknown_models.push(UnknownModel {
                provider: ProviderId::new(name),
                model,
                requests: sums.unpriced_requests,
                total_tokens: sums.unpriced_tokens,
            }),
        }
        Ok(())
    }

    fn put_in_order(&mut self) {
        self.by_source.sort_by_key(|row| row.source.as_str());
        self.by_provider.sort_by(|a, b| {
            order(a.sums.requests, &a.provider).cmp(&order(b.sums.requests, &b.provider))
        });
        self.by_model.sort_by(|a, b| {
            (order(a.sums.requests, &a.provider), &a.model)
                .cmp(&(order(b.sums.requests, &b.provider), &b.model))
        });
        self.unknown_models.sort_by(|a, b| {
            (order(a.requests, &a.provider), &a.model)
                .cmp(&(order(b.requests, &b.provider), &b.model))
        });
        self.daily.sort_by_key(|row| row.day);
        self.cut = self.by_model.len() > MOST_GROUPS || self.unknown_models.len() > MOST_GROUPS;
        self.by_model.truncate(MOST_GROUPS);
        self.unknown_models.truncate(MOST_GROUPS);
    }
}

fn order(requests: u64, provider: &ProviderId) -> (Reverse<u64>, &ProviderId) {
    (Reverse(requests), provider)
}
