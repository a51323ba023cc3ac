//! Events that somebody is told of.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub event: String,
    pub ref_id: Option<String>,
    pub body: String,
    pub created_at: i64,
    pub notice_due_at: Option<i64>,
    pub notice_tries: i64,
    pub notice_lease: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
