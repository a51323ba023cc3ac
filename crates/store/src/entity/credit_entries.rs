//! One entry of the ledger of credits.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credit_entries")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub sequence: i64,
    pub project_id: String,
    pub ref_id: String,
    pub kind: String,
    pub amount: i64,
    pub shortfall: i64,
    pub balance_after: Option<i64>,
    pub held_after: Option<i64>,
    pub request_id: Option<Vec<u8>>,
    pub reason: Option<String>,
    pub idempotency_key: String,
    pub body_hash: Option<String>,
    pub created_at: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
