//! Customers: everybody a key, credits or a call was ever for.

mod erase;
mod erasures;

use byok_domain::audit::Action;
use byok_domain::credits::Balance;
use byok_domain::{Credits, ProjectId, RefId, Timestamp};
use byok_gateway::CustomerSnapshot;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::{Map, Value};

use crate::audit::{Change, Metadata, Target, append};
use crate::column::{from_json, json, ref_id, time};
use crate::entity::customers::{Column, Entity, Model};
use crate::statement::Sql;
use crate::{By, Listing, Page, Store, StoreError, credits, projects, routing};

pub use erase::Erased;
pub(crate) use erasures::{Tombstones, tombstones};

const TABLE: &str = "customers";

/// A customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// The project's own name for it.
    pub ref_id: RefId,
    /// The plan it was put on; `None` for the default one.
    pub tier: Option<String>,
    /// Where notices go.
    pub email: Option<String>,
    /// What the project keeps with it.
    pub metadata: Map<String, Value>,
    /// What it has.
    pub credits: Balance,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is to change of a customer; `None` leaves a part as it is, `Some(None)` takes it away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomerChange {
    /// Another plan; none for the default one.
    pub tier: Option<Option<String>>,
    /// Another address.
    pub email: Option<Option<String>>,
    /// Other metadata, as a whole.
    pub metadata: Option<Map<String, Value>>,
}

impl Store {
    /// A project's customers, in the order of their names; of one plan, if `tier` names one.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn customers(
        &self,
        project: &ProjectId,
        tier: Option<&str>,
        page: Page,
    ) -> Result<Listing<Customer>, StoreError> {
        let reader = self.database().reader();
        let mut query = Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        if let Some(name) = tier {
            let tiers = self.tiers(project).await?;
            query = if tiers.of(None).name == name {
                query
                    .filter(Condition::any().add(Column::Tier.eq(name)).add(Column::Tier.is_null()))
            } else {
                query.filter(Column::Tier.eq(name))
            };
        }
        let total = query.clone().count(reader).await?;
        let rows = query
            .order_by_asc(Column::RefId)
            .limit(page.limit)
            .offset(page.offset)
            .all(reader)
            .await?;
        let mut data = Vec::with_capacity(rows.len());
        for row in rows {
            data.push(read(reader, project, row).await?);
        }
        Ok(Listing { data, total })
    }

    /// A customer, unless nothing was ever heard of it.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<Option<Customer>, StoreError> {
        let reader = self.database().reader();
        match find(reader, project, ref_id).await? {
            Some(row) => Ok(Some(read(reader, project, row).await?)),
            None => Ok(None),
        }
    }

    /// A customer as calls see it.
    pub(crate) async fn customer_snapshot(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<CustomerSnapshot, StoreError> {
        let reader = self.database().reader();
        let row = find(reader, project, ref_id).await?;
        let has = credits::balance(reader, project, ref_id).await?;
        let has_credits = has.balance > Credits::ZERO;
        Ok(CustomerSnapshot { tier: row.and_then(|row| row.tier), has_credits })
    }

    /// Changes what is known of a customer, who need not have been heard of before.
    ///
    /// # Errors
    /// [`StoreError::UnknownTier`], [`StoreError::NotFound`] without the project,
    /// [`StoreError::Database`].
    pub async fn update_customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
        change: CustomerChange,
        by: &By,
    ) -> Result<Customer, StoreError> {
        let transaction = self.database().begin().await?;
        let tiers = routing::read_tiers(&projects::require(&transaction, project).await?)?;
        ensure(&transaction, project, ref_id, by.at).await?;
        let row = find(&transaction, project, ref_id).await?;
        let mut row = row.ok_or(StoreError::NotFound("customer"))?.into_active_model();
        // What is personal goes into the row alone, from where it can be erased.
        let mut metadata = Metadata::from([("refId", ref_id.as_str().into())]);
        if let Some(tier) = change.tier {
            if let Some(name) = tier.as_deref().filter(|name| tiers.find(name).is_none()) {
                let names: Vec<_> = tiers.iter().map(|tier| tier.name.as_str()).collect();
                return Err(StoreError::UnknownTier {
                    name: name.to_owned(),
                    known: names.join(", "),
                });
            }
            metadata.insert("tier", tiers.of(tier.as_deref()).name.clone().into());
            row.tier = Set(tier);
        }
        if let Some(email) = change.email {
            metadata.insert("email", if email.is_some() { "set" } else { "removed" }.into());
            row.email = Set(email);
        }
        if let Some(kept) = change.metadata {
            metadata.insert("metadataFields", kept.len().into());
            row.metadata = Set(json(&kept));
        }
        row.updated_at = Set(by.at.as_millis());
        let row = row.update(&transaction).await?;
        let entry = Change {
            project: Some(project),
            action: Action::CustomerUpdated,
            target: Target::Customer,
            target_id: ref_id.as_str(),
            metadata,
        };
        append(&transaction, self.audit_key(), entry, by).await?;
        let customer = read(&transaction, project, row).await?;
        transaction.commit().await?;
        Ok(customer)
    }
}

/// Notes that there is such a customer.
pub(crate) async fn ensure(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut sql = Sql::new(
        "INSERT INTO customers (project_id, ref_id, metadata, created_at, updated_at) VALUES (",
    );
    sql.bind(project.as_str()).push(", ").bind(ref_id.as_str()).push(", '{}', ");
    sql.bind(at.as_millis()).push(", ").bind(at.as_millis());
    sql.push(") ON CONFLICT (project_id, ref_id) DO NOTHING");
    connection.execute_raw(sql.into_statement()).await?;
    Ok(())
}

async fn find(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ref_id: &RefId,
) -> Result<Option<Model>, StoreError> {
    let place = (project.as_str().to_owned(), ref_id.as_str().to_owned());
    Ok(Entity::find_by_id(place).one(connection).await?)
}

async fn read(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    row: Model,
) -> Result<Customer, StoreError> {
    let ref_id = ref_id(TABLE, &row.ref_id)?;
    let credits = credits::balance(connection, project, &ref_id).await?;
    Ok(Customer {
        ref_id,
        tier: row.tier,
        email: row.email,
        metadata: from_json(TABLE, &row.metadata)?,
        credits,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}
