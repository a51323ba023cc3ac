//! Tokens of a project: found by their digest, listed by their hint.

use byok_domain::audit::Action;
use byok_domain::credential::{ApiKey, ApiKeyKind, Environment};
use byok_domain::{ApiKeyId, KeyHint, ProjectId, RefId, Timestamp};
use byok_vault::{AuditKey, Token, TokenDigest, TokenHasher, random_bytes};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter,
};

use crate::audit::{Change, Metadata, Target, append};
use crate::column::{optional_millis, optional_time, parsed, ref_id, storable, time};
use crate::entity::api_keys::{ActiveModel, Column, Entity, Model};
use crate::listing::in_order;
use crate::{By, Listing, Page, Store, StoreError, projects};

const TABLE: &str = "api_keys";

/// A token to be kept: its digest, not itself.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Its id, not used before.
    pub id: ApiKeyId,
    /// What it may do.
    pub kind: ApiKeyKind,
    /// Its name, for people.
    pub name: String,
    /// The one customer it stands for; customer keys only.
    pub ref_id: Option<RefId>,
    /// The part of it that people may see.
    pub hint: KeyHint,
    /// What it is found by.
    pub digest: TokenDigest,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl NewApiKey {
    /// A new token, with what is to be kept of it: for no single customer, and for good.
    pub fn mint(
        hasher: &TokenHasher,
        kind: ApiKeyKind,
        environment: Environment,
        name: &str,
    ) -> (Token, Self) {
        let token = Token::mint(kind.token_prefix(environment));
        let row = Self {
            id: ApiKeyId::from_random(u128::from_be_bytes(random_bytes())),
            kind,
            name: name.to_owned(),
            ref_id: None,
            hint: token.hint(),
            digest: hasher.digest(token.as_str()),
            expires_at: None,
        };
        (token, row)
    }
}

/// A token, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its id.
    pub id: ApiKeyId,
    /// What it may do.
    pub kind: ApiKeyKind,
    /// Its name, for people.
    pub name: String,
    /// The part of it that people may see.
    pub hint: KeyHint,
    /// The one customer it stands for; customer keys only.
    pub ref_id: Option<RefId>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Keeps a token of a project.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the project, [`StoreError::Taken`],
    /// [`StoreError::Database`].
    pub async fn create_api_key(
        &self,
        project: &ProjectId,
        new: NewApiKey,
        by: &By,
    ) -> Result<ApiKeyRow, StoreError> {
        let transaction = self.database().begin().await?;
        projects::require(&transaction, project).await?;
        let row = insert_api_key(&transaction, self.audit_key(), project, new, by).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// A project's tokens, oldest first, revoked ones included.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn api_keys(
        &self,
        project: &ProjectId,
        page: Page,
    ) -> Result<Listing<ApiKeyRow>, StoreError> {
        let query = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        let order = [Column::CreatedAt, Column::Id];
        in_order(self.database().reader(), query, order, page).await?.try_map(read)
    }

    /// Withdraws a token. Returns its digest, so that whoever remembers the token can forget it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also for one withdrawn before, [`StoreError::Database`].
    pub async fn revoke_api_key(
        &self,
        project: &ProjectId,
        id: &ApiKeyId,
        by: &By,
    ) -> Result<TokenDigest, StoreError> {
        if !storable(id.as_str()) {
            return Err(StoreError::NotFound("token"));
        }
        let transaction = self.database().begin().await?;
        let row = Entity::find_by_id(id.as_str())
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RevokedAt.is_null())
            .one(&transaction)
            .await?
            .ok_or(StoreError::NotFound("token"))?;
        let digest = digest(&row)?;
        let metadata = describe(&row);
        let mut row = row.into_active_model();
        row.revoked_at = Set(Some(by.at.as_millis()));
        row.update(&transaction).await?;
        let change = Change {
            project: Some(project),
            action: Action::ApiKeyRevoked,
            target: Target::ApiKey,
            target_id: id.as_str(),
            metadata,
        };
        append(&transaction, self.audit_key(), change, by).await?;
        transaction.commit().await?;
        Ok(digest)
    }

    /// Whose the token with this digest is, unless it was withdrawn. Whether it has expired is the
    /// caller's to check.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn find_api_key(&self, digest: &TokenDigest) -> Result<Option<ApiKey>, StoreError> {
        let row = Entity::find()
            .filter(Column::Digest.eq(digest.as_bytes().to_vec()))
            .filter(Column::RevokedAt.is_null())
            .one(self.database().reader())
            .await?;
        row.map(|row| {
            let row = read_with_project(row)?;
            Ok(ApiKey {
                id: row.1.id,
                project: row.0,
                kind: row.1.kind,
                ref_id: row.1.ref_id,
                expires_at: row.1.expires_at,
            })
        })
        .transpose()
    }
}

/// Keeps a token, with its entry in the audit log.
pub(crate) async fn insert_api_key(
    transaction: &DatabaseTransaction,
    audit_key: &AuditKey,
    project: &ProjectId,
    new: NewApiKey,
    by: &By,
) -> Result<ApiKeyRow, StoreError> {
    let digest = new.digest.as_bytes().to_vec();
    let taken =
        Condition::any().add(Column::Id.eq(new.id.as_str())).add(Column::Digest.eq(digest.clone()));
    if Entity::find().filter(taken).one(transaction).await?.is_some() {
        return Err(StoreError::Taken("token"));
    }
    let row = ActiveModel {
        id: Set(new.id.as_str().to_owned()),
        project_id: Set(project.as_str().to_owned()),
        kind: Set(new.kind.as_str().to_owned()),
        name: Set(new.name),
        hint: Set(new.hint.as_str().to_owned()),
        digest: Set(digest),
        ref_id: Set(new.ref_id.map(|ref_id| ref_id.as_str().to_owned())),
        expires_at: Set(optional_millis(new.expires_at)),
        created_at: Set(by.at.as_millis()),
        revoked_at: Set(None),
    }
    .insert(transaction)
    .await?;
    let change = Change {
        project: Some(project),
        action: Action::ApiKeyCreated,
        target: Target::ApiKey,
        target_id: new.id.as_str(),
        metadata: describe(&row),
    };
    append(transaction, audit_key, change, by).await?;
    read(row)
}

fn describe(row: &Model) -> Metadata {
    let mut metadata = Metadata::from([
        ("hint", row.hint.clone().into()),
        ("name", row.name.clone().into()),
        ("type", row.kind.clone().into()),
    ]);
    if let Some(ref_id) = &row.ref_id {
        metadata.insert("refId", ref_id.clone().into());
    }
    metadata
}

fn digest(row: &Model) -> Result<TokenDigest, StoreError> {
    <[u8; 32]>::try_from(row.digest.as_slice())
        .map(TokenDigest::from_bytes)
        .map_err(|_| StoreError::damaged(TABLE, "a digest is not 32 bytes long"))
}

fn read_with_project(row: Model) -> Result<(ProjectId, ApiKeyRow), StoreError> {
    let project = ProjectId::new(row.project_id.as_str());
    Ok((project, read(row)?))
}

fn read(row: Model) -> Result<ApiKeyRow, StoreError> {
    Ok(ApiKeyRow {
        id: ApiKeyId::new(row.id),
        kind: parsed(TABLE, &row.kind, ApiKeyKind::parse)?,
        name: row.name,
        hint: KeyHint::stored(row.hint),
        ref_id: row.ref_id.as_deref().map(|text| ref_id(TABLE, text)).transpose()?,
        expires_at: optional_time(row.expires_at),
        created_at: time(row.created_at),
        revoked_at: optional_time(row.revoked_at),
    })
}
