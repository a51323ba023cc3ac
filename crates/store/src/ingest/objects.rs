//! Objects that providers keep, bound to the customers they were made for.

use std::time::Duration;

use byok_domain::Timestamp;
use sea_orm::ConnectionTrait;

use super::batch::Batch;
use crate::rows::execute_rows;
use crate::statement::Sql;
use crate::{Store, StoreError};

const HEAD: &str = "INSERT INTO provider_objects \
    (project_id, provider, kind, object_id, ref_id, key_id, ends_at) VALUES";
const COLUMNS: usize = 7;
/// Whose an object is does not change.
const TAIL: &str = " ON CONFLICT (project_id, provider, kind, object_id) DO NOTHING";

/// What its provider keeps for a while only, and for how long: a day less than it is known here.
/// <https://platform.openai.com/docs/guides/conversation-state>
const ENDING: &str = "response";
const KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Objects that a transaction removes at most.
const PART: i64 = 500;

/// Binds the objects that the calls made or named.
pub(super) async fn bind(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let made: Vec<_> = batch
        .iter()
        .flat_map(|record| record.objects.iter().map(move |object| (record, object)))
        .collect();
    let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    execute_rows(connection, HEAD, COLUMNS, TAIL, &made, |(record, object), values| {
        let ends = (&*object.kind == ENDING).then(|| record.at.plus_millis(kept).as_millis());
        values.extend([
            record.project.as_str().into(),
            record.provider.as_str().into(),
            (*object.kind).into(),
            object.id.as_str().into(),
            record.ref_id.as_str().into(),
            record.key.as_ref().map(|key| key.as_str()).into(),
            ends.into(),
        ]);
    })
    .await?;
    Ok(())
}

impl Store {
    /// Removes what is known of objects that their providers have forgotten by now.
    pub(crate) async fn prune_objects(&self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let transaction = self.database().begin().await?;
            let mut sql = Sql::new(
                "DELETE FROM provider_objects \
                 WHERE (project_id, provider, kind, object_id) IN ( \
                 SELECT project_id, provider, kind, object_id FROM provider_objects \
                 WHERE ends_at <= ",
            );
            sql.bind(now.as_millis()).push(" ORDER BY ends_at LIMIT ").bind(PART).push(")");
            let removed = transaction.execute_raw(sql.into_statement()).await?.rows_affected();
            transaction.commit().await?;
            if removed < PART.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
