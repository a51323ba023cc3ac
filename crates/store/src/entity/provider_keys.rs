//! A customer's key for a provider, sealed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provider_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub provider: String,
    pub ref_id: String,
    pub label: String,
    pub priority: i32,
    pub hint: String,
    pub status: String,
    pub last_error: Option<String>,
    pub last_validated_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub total_requests: i64,
    pub total_tokens: i64,
    pub config: String,
    pub sealed: Vec<u8>,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub circuit_until: Option<i64>,
    pub circuit_cause: Option<String>,
    pub check_due_at: i64,
    pub check_tries: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
