//! Hearing what other processes change.

use std::pin::pin;
use std::time::Duration;

use byok_domain::ProjectId;
use sea_orm::sqlx::postgres::{PgListener, PgNotification};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, RuntimeErr, sqlx,
};
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{CHANNEL, Changed, Message};
use crate::entity::audit_log::{Column, Entity};
use crate::{Store, StoreError};

/// How often the audit log is looked into, and a lost connection is tried again.
const LOOK: Duration = Duration::from_secs(1);

/// Entries read at a time.
const PAGE: u64 = 1_000;

impl Store {
    /// Calls `forget` with what other processes change, within a second of it and mostly at once,
    /// until the database is closed. What this process changes comes back to it as well.
    ///
    /// While the database cannot be reached it says nothing, so that what is known goes on being
    /// used, and says [`Changed::Anything`] as soon as it can be reached again. Returns at once on
    /// SQLite.
    pub async fn watch_changes(&self, forget: impl Fn(Changed) + Send + Sync) {
        if !self.database().is_postgres() {
            return;
        }
        let pool = self.database().reader().get_postgres_connection_pool();
        let mut deaf = false;
        while !pool.is_closed() {
            let Err(error) = self.listen(&forget, &mut deaf).await else { return };
            if !deaf && !pool.is_closed() {
                tracing::warn!(%error, "what other instances change is not heard: trying again");
                deaf = true;
            }
            sleep(LOOK).await;
        }
    }

    /// Listens until the connection is lost.
    async fn listen(
        &self,
        forget: &(impl Fn(Changed) + Send + Sync),
        deaf: &mut bool,
    ) -> Result<(), StoreError> {
        let pool = self.database().reader().get_postgres_connection_pool();
        let mut listener = PgListener::connect_with(pool).await.map_err(failed)?;
        listener.listen(CHANNEL).await.map_err(failed)?;
        let mut tail = Tail { last: self.audit_head().await? };
        if std::mem::take(deaf) {
            tracing::info!("what other instances change is heard again");
        }
        // What changed before anybody listened.
        forget(Changed::Anything);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Kept until it is done: given up half-way, it would lose what it has read.
            let mut hearing = pin!(listener.try_recv());
            let heard = loop {
                tokio::select! {
                    heard = &mut hearing => break heard.map_err(failed)?,
                    _ = look.tick() => tail.catch_up(self, forget).await?,
                }
            };
            let Some(heard) = heard else {
                return Err(failed(sqlx::Error::WorkerCrashed).into());
            };
            tail.take(&heard, forget);
        }
    }

    async fn audit_head(&self) -> Result<i64, StoreError> {
        let last = Entity::find().order_by_desc(Column::Sequence).one(self.database().reader());
        Ok(last.await?.map_or(0, |row| row.sequence))
    }
}

/// The end of the audit log, as far as it was heard or read.
struct Tail {
    last: i64,
}

impl Tail {
    fn take(&mut self, heard: &PgNotification, forget: &impl Fn(Changed)) {
        match serde_json::from_str::<Message>(heard.payload()) {
            Ok(Message { sequence, changed }) => {
                // With a gap before it, it is read once more with what is missing.
                if sequence == Some(self.last + 1) {
                    self.last += 1;
                }
                forget(changed);
            }
            // A newer release has other things to tell.
            Err(_) => forget(Changed::Anything),
        }
    }

    /// Reads what was written since and not heard.
    async fn catch_up(
        &mut self,
        store: &Store,
        forget: &impl Fn(Changed),
    ) -> Result<(), StoreError> {
        loop {
            let rows = Entity::find()
                .filter(Column::Sequence.gt(self.last))
                .order_by_asc(Column::Sequence)
                .limit(PAGE)
                .all(store.database().reader())
                .await?;
            let more = rows.len() as u64 == PAGE;
            for row in rows {
                self.last = row.sequence;
                let project = row.project_id.map(ProjectId::new);
                let metadata: Value = serde_json::from_str(&row.metadata).unwrap_or_default();
                let told =
                    Changed::told_by(project.as_ref(), &row.target_type, &row.target_id, &metadata);
                told.into_iter().for_each(forget);
            }
            if !more {
                return Ok(());
            }
        }
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
