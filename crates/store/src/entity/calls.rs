//! One call of the request log.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "calls")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Vec<u8>,
    pub ref_id: String,
    pub provider: String,
    pub model: Option<String>,
    pub operation: String,
    pub key_id: Option<String>,
    pub source: String,
    pub status: i32,
    pub error: Option<String>,
    pub streamed: bool,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub total_tokens: Option<i64>,
    pub cache_read_tokens: Option<i64>,
    pub cache_write_tokens: Option<i64>,
    pub reasoning_tokens: Option<i64>,
    pub usage_estimated: bool,
    pub customer_reported: bool,
    pub cost_pico: Option<i64>,
    pub latency_ms: i64,
    pub first_byte_ms: Option<i64>,
    pub unit_prices: Option<String>,
    pub usage_detail: Option<String>,
    pub answered_model: Option<String>,
    pub credits: Option<i64>,
    pub fallback: Option<String>,
    pub attempts: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
