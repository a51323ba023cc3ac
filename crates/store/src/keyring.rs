//! What the encryption keys seal directly: check records, the installation's secrets, data keys.

use byok_domain::ProjectId;
use byok_domain::audit::Action;
use byok_vault::{SealedDataKey, SealedRoot};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, Statement,
};

use crate::audit::{Change, Metadata, Target, append};
use crate::column::{BACKEND, count};
use crate::entity::{data_keys, keyring_checks, roots};
use crate::{By, Database, Store, StoreError};

/// Data keys that one transaction of a rotation rewrites.
const BATCH: u64 = 100;

/// A record that only the encryption key of this kid opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringCheck {
    /// The key's id.
    pub kid: String,
    /// The record.
    pub record: Vec<u8>,
}

/// How much one encryption key seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KidUse {
    /// The key's id.
    pub kid: String,
    /// Projects' data keys that are sealed under it.
    pub data_keys: u64,
    /// Secrets of the installation that are sealed under it.
    pub roots: u64,
}

/// What one batch of a rotation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Records sealed under the current key now.
    pub rewrapped: u64,
    /// Records still under another.
    pub remaining: u64,
}

impl Database {
    /// The check records of all encryption keys ever used here.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn keyring_checks(&self) -> Result<Vec<KeyringCheck>, StoreError> {
        let rows = keyring_checks::Entity::find()
            .order_by_asc(keyring_checks::Column::Kid)
            .all(self.reader())
            .await?;
        Ok(rows.into_iter().map(|row| KeyringCheck { kid: row.kid, record: row.record }).collect())
    }

    /// Keeps the check record of an encryption key; one that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_keyring_check(&self, check: KeyringCheck) -> Result<(), StoreError> {
        let row = keyring_checks::ActiveModel { kid: Set(check.kid), record: Set(check.record) };
        keyring_checks::Entity::insert(row)
            .on_conflict(OnConflict::column(keyring_checks::Column::Kid).do_nothing().to_owned())
            .exec_without_returning(self.writer())
            .await?;
        Ok(())
    }

    /// The installation secret of this name, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn root(&self, name: &str) -> Result<Option<SealedRoot>, StoreError> {
        let row = roots::Entity::find_by_id(name).one(self.reader()).await?;
        Ok(row.map(|row| SealedRoot { kid: row.kid, bytes: row.sealed }))
    }

    /// The names of all installation secrets.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn root_names(&self) -> Result<Vec<String>, StoreError> {
        let rows = roots::Entity::find().order_by_asc(roots::Column::Name).all(self.reader());
        Ok(rows.await?.into_iter().map(|row| row.name).collect())
    }

    /// Keeps an installation secret unless one of this name is there, and returns the one that is
    /// there now: of two processes that start on an empty database both get the same.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn root_or_insert(
        &self,
        name: &str,
        root: SealedRoot,
    ) -> Result<SealedRoot, StoreError> {
        let row = roots::ActiveModel {
            name: Set(name.to_owned()),
            kid: Set(root.kid),
            sealed: Set(root.bytes),
        };
        roots::Entity::insert(row)
            .on_conflict(OnConflict::column(roots::Column::Name).do_nothing().to_owned())
            .exec_without_returning(self.writer())
            .await?;
        self.root(name).await?.ok_or(StoreError::NotFound("installation secret"))
    }

    /// Which encryption keys are in use, and for how much.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn kids_in_use(&self) -> Result<Vec<KidUse>, StoreError> {
        #[derive(FromQueryResult)]
        struct Row {
            kid: String,
            data_keys: i64,
            roots: i64,
        }
        let sql = "SELECT kid, CAST(SUM(data_keys) AS BIGINT) AS data_keys, \
                   CAST(SUM(roots) AS BIGINT) AS roots FROM \
                   (SELECT kid, COUNT(*) AS data_keys, 0 AS roots FROM data_keys GROUP BY kid \
                    UNION ALL SELECT kid, 0, COUNT(*) FROM roots GROUP BY kid) AS uses \
                   GROUP BY kid ORDER BY kid";
        let rows =
            Row::find_by_statement(Statement::from_string(BACKEND, sql)).all(self.reader()).await?;
        let usage = |row: Row| KidUse {
            kid: row.kid,
            data_keys: count(row.data_keys),
            roots: count(row.roots),
        };
        Ok(rows.into_iter().map(usage).collect())
    }

    /// Seals up to a hundred data keys, or the installation secrets once no data key is left,
    /// under the current encryption key, in one transaction. To be called until nothing remains;
    /// stopped anywhere, every record is readable with the old key or the new one.
    ///
    /// `data_key` and `root` seal one record anew; `None` from them leaves it as it is.
    ///
    /// # Errors
    /// Theirs inside, and then nothing of this batch is changed; [`StoreError::Database`] outside.
    pub async fn rewrap<E: Send>(
        &self,
        current_kid: &str,
        data_key: impl Fn(&ProjectId, &SealedDataKey) -> Result<Option<SealedDataKey>, E> + Send + Sync,
        root: impl Fn(&str, &SealedRoot) -> Result<Option<SealedRoot>, E> + Send + Sync,
    ) -> Result<Result<Rewrapped, E>, StoreError> {
        let transaction = self.begin().await?;
        let mut rewrapped = 0;
        let waiting = data_keys::Entity::find()
            .filter(data_keys::Column::Kid.ne(current_kid))
            .order_by_asc(data_keys::Column::ProjectId)
            .limit(BATCH)
            .all(&transaction)
            .await?;
        for row in &waiting {
            let old = SealedDataKey { kid: row.kid.clone(), bytes: row.sealed.clone() };
            let new = match data_key(&ProjectId::new(row.project_id.as_str()), &old) {
                Ok(Some(new)) => new,
                Ok(None) => continue,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let sql =
                "UPDATE data_keys SET kid = $1, sealed = $2 WHERE project_id = $3 AND kid = $4";
            let values =
                [new.kid.into(), new.bytes.into(), row.project_id.clone().into(), old.kid.into()];
            let statement = Statement::from_sql_and_values(BACKEND, sql, values);
            rewrapped += transaction.execute_raw(statement).await?.rows_affected();
        }
        if waiting.is_empty() {
            let rows = roots::Entity::find()
                .filter(roots::Column::Kid.ne(current_kid))
                .all(&transaction)
                .await?;
            for row in rows {
                let old = SealedRoot { kid: row.kid, bytes: row.sealed };
                let new = match root(&row.name, &old) {
                    Ok(Some(new)) => new,
                    Ok(None) => continue,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let sql = "UPDATE roots SET kid = $1, sealed = $2 WHERE name = $3 AND kid = $4";
                let values = [new.kid.into(), new.bytes.into(), row.name.into(), old.kid.into()];
                let statement = Statement::from_sql_and_values(BACKEND, sql, values);
                rewrapped += transaction.execute_raw(statement).await?.rows_affected();
            }
        }
        transaction.commit().await?;
        let others = self.kids_in_use().await?.into_iter().filter(|usage| usage.kid != current_kid);
        let remaining = others.map(|usage| usage.data_keys + usage.roots).sum();
        Ok(Ok(Rewrapped { rewrapped, remaining }))
    }
}

impl Store {
    /// Writes to the audit log that everything is sealed under another encryption key now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn record_rotation(
        &self,
        current_kid: &str,
        rewrapped: u64,
        by: &By,
    ) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let change = Change {
            project: None,
            action: Action::KeyringRotated,
            target: Target::Keyring,
            target_id: current_kid,
            metadata: Metadata::from([("rewrapped", rewrapped.into())]),
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        Ok(())
    }
}
