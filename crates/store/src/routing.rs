//! Who pays for a project's calls, and the plans that it sells.

use byok_domain::ProjectId;
use byok_domain::audit::Action;
use byok_domain::routing::{RoutingChange, RoutingSettings};
use byok_domain::tiers::{Tier, Tiers};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};

use crate::audit::before_and_after;
use crate::column::{from_json, json};
use crate::entity::customers;
use crate::entity::projects::Model;
use crate::{By, Store, StoreError, projects};

impl Store {
    /// Who pays for a project's calls.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn routing(&self, project: &ProjectId) -> Result<RoutingSettings, StoreError> {
        read_routing(&projects::require(self.database().reader(), project).await?)
    }

    /// Changes who pays for a project's calls.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn update_routing(
        &self,
        project: &ProjectId,
        change: RoutingChange,
        by: &By,
    ) -> Result<RoutingSettings, StoreError> {
        let transaction = self.database().begin().await?;
        let row = projects::require(&transaction, project).await?;
        let before = read_routing(&row)?;
        let after = before.changed(change);
        let mut metadata = before_and_after(self.audit_key(), &json(&before), &json(&after));
        metadata.insert("byokEnabled", after.byok_enabled.into());
        metadata.insert("mode", after.mode.as_str().into());
        let mut row = row.into_active_model();
        row.routing = Set(json(&after));
        row.updated_at = Set(by.at.as_millis());
        row.update(&transaction).await?;
        self.append_of_project(&transaction, Action::RoutingUpdated, project, metadata, by).await?;
        transaction.commit().await?;
        Ok(after)
    }

    /// A project's plans.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn tiers(&self, project: &ProjectId) -> Result<Tiers, StoreError> {
        read_tiers(&projects::require(self.database().reader(), project).await?)
    }

    /// Replaces a project's plans.
    ///
    /// # Errors
    /// [`StoreError::TierInUse`] when customers are on a plan that would be gone,
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn set_tiers(
        &self,
        project: &ProjectId,
        tiers: &Tiers,
        by: &By,
    ) -> Result<(), StoreError> {
        let transaction = self.database().begin().await?;
        let row = projects::require(&transaction, project).await?;
        let names: Vec<_> = tiers.iter().map(|tier| tier.name.as_str()).collect();
        let stranded = customers::Entity::find()
            .filter(customers::Column::ProjectId.eq(project.as_str()))
            .filter(customers::Column::Tier.is_not_null())
            .filter(customers::Column::Tier.is_not_in(names.iter().copied()))
            .order_by_asc(customers::Column::Tier)
            .one(&transaction)
            .await?;
        if let Some(tier) = stranded.and_then(|customer| customer.tier) {
            return Err(StoreError::TierInUse(tier));
        }
        let mut metadata =
            before_and_after(self.audit_key(), &json(&read_tiers(&row)?), &json(tiers));
        metadata.insert("tiers", names.join(", ").into());
        let mut row = row.into_active_model();
        row.tiers = Set(json(tiers));
        row.updated_at = Set(by.at.as_millis());
        row.update(&transaction).await?;
        self.append_of_project(&transaction, Action::TiersUpdated, project, metadata, by).await?;
        transaction.commit().await?;
        Ok(())
    }
}

pub(crate) fn read_routing(row: &Model) -> Result<RoutingSettings, StoreError> {
    from_json(projects::TABLE, &row.routing)
}

/// A project that has set none has the built-in ones.
pub(crate) fn read_tiers(row: &Model) -> Result<Tiers, StoreError> {
    let tiers: Vec<Tier> = from_json(projects::TABLE, &row.tiers)?;
    let damaged = |_| StoreError::damaged(projects::TABLE, "the tiers are none");
    Tiers::parse(tiers).map_err(damaged)
}
