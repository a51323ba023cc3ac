//! Calls told apart from their repeats, by the idempotency keys that their callers give them.

use std::time::Duration;

use byok_domain::Timestamp;
use byok_domain::credits::EntryKind;
use byok_metering::{Hold, IdempotencyKey, Repeat};
use sea_orm::ConnectionTrait;

use super::entry::{call_key, request};
use crate::rows::execute_rows;
use crate::statement::Sql;
use crate::{Store, StoreError};

/// How long a key is that of one call.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys that one transaction removes.
const PART: i64 = 500;

const HEAD: &str = "INSERT INTO idempotency_keys (project_id, ref_id, key_digest, body_digest, \
    request_id, settled_by, released_by, expires_at) VALUES";
const COLUMNS: usize = 8;
const TAIL: &str = " ON CONFLICT (project_id, ref_id, key_digest) DO UPDATE SET \
    body_digest = excluded.body_digest, request_id = excluded.request_id, \
    settled_by = excluded.settled_by, released_by = excluded.released_by, \
    expires_at = excluded.expires_at";

/// What became of an earlier call with the key of this one; `None` if there is none that credits
/// paid, or may yet pay, for.
pub(super) async fn earlier(
    connection: &impl ConnectionTrait,
    hold: &Hold,
) -> Result<Option<Repeat>, StoreError> {
    let Some(IdempotencyKey { key, body }) = &hold.idempotency else { return Ok(None) };
    let mut sql = Sql::new(
        "SELECT body_digest, request_id, \
         (SELECT COUNT(*) FROM credit_entries AS entry WHERE entry.project_id = named.project_id \
             AND entry.idempotency_key = named.settled_by \
             AND (entry.amount <> 0 OR entry.shortfall <> 0)), \
         (SELECT COUNT(*) FROM credit_entries AS entry WHERE entry.project_id = named.project_id \
             AND entry.idempotency_key = named.released_by AND entry.reason IS NULL) \
         FROM idempotency_keys AS named WHERE project_id = ",
    );
    sql.bind(hold.project.as_str()).push(" AND ref_id = ").bind(hold.ref_id.as_str());
    sql.push(" AND key_digest = ").bind(key.to_vec());
    sql.push(" AND expires_at > ").bind(hold.at.as_millis());
    let Some(row) = connection.query_one_raw(sql.into_statement()).await? else {
        return Ok(None);
    };
    let first_body: Vec<u8> = row.try_get_by_index(0)?;
    let first = request(&row.try_get_by_index::<Vec<u8>>(1)?)?;
    let (charged, released): (i64, i64) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
    Ok(match (charged > 0, released > 0) {
        _ if first == hold.request => None,
        // It was never sent, or failed: this one is no repeat of what somebody paid for.
        (false, true) => None,
        _ if first_body != body => Some(Repeat::Other(first)),
        (true, _) => Some(Repeat::Charged(first)),
        // What was given back only because nothing was heard of the call may yet be charged.
        (false, false) => Some(Repeat::Running(first)),
    })
}

/// Notes the calls among `holds` that have keys: those that come with them again are repeats.
pub(super) async fn note<'h>(
    connection: &impl ConnectionTrait,
    holds: impl Iterator<Item = &'h Hold>,
) -> Result<(), StoreError> {
    let named = holds.filter_map(|hold| hold.idempotency.as_ref().map(|key| (hold, key)));
    let named: Vec<_> = named.collect();
    let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    execute_rows(connection, HEAD, COLUMNS, TAIL, &named, |(hold, key), values| {
        values.extend([
            hold.project.as_str().into(),
            hold.ref_id.as_str().into(),
            key.key.to_vec().into(),
            key.body.to_vec().into(),
            hold.request.as_bytes().to_vec().into(),
            call_key(EntryKind::Settle, hold.request).into(),
            call_key(EntryKind::Release, hold.request).into(),
            hold.at.plus_millis(kept).as_millis().into(),
        ]);
    })
    .await?;
    Ok(())
}

impl Store {
    /// Removes the keys whose time is over, a part of them in each transaction.
    pub(super) async fn prune_idempotency_keys(&self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let transaction = self.database().begin().await?;
            let mut sql = Sql::new(
                "DELETE FROM idempotency_keys WHERE (project_id, ref_id, key_digest) IN ( \
                 SELECT project_id, ref_id, key_digest FROM idempotency_keys WHERE expires_at <= ",
            );
            sql.bind(now.as_millis()).push(" ORDER BY expires_at LIMIT ").bind(PART).push(")");
            let removed = transaction.execute_raw(sql.into_statement()).await?.rows_affected();
            transaction.commit().await?;
            if removed < PART.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
