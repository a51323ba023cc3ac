//! One entry of the audit log.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub id: String,
    pub project_id: Option<String>,
    pub action: String,
    pub actor_type: String,
    pub actor_id: String,
    pub ip: Option<String>,
    pub target_type: String,
    pub target_id: String,
    pub metadata: String,
    pub created_at: i64,
    pub prev_hash: String,
    pub hash: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
