//! The database schema as a list of changes, one file each, forward only.
//!
//! Types are portable: text ids, `bigint` for milliseconds, tokens and picodollars, blobs for
//! request ids, digests and sealed bytes. What each database says in its own words is in [`dialect`].

#![expect(
    elided_lifetimes_in_paths,
    reason = "the trait elides them, and async_trait takes no other spelling of its method"
)]

mod dialect;
mod m0001_projects;
mod m0002_keyring;
mod m0003_provider_keys;
mod m0004_usage;
mod m0005_audit;
mod m0006_call_prices;
mod m0007_keys_to_reseal;
mod m0009_credits;
mod m0010_webhooks;
mod m0011_key_checks;
mod m0012_idempotency_keys;
mod m0013_customer_erasures;
mod m0014_credit_refunds;
mod m0015_object_ends;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{MigrationTrait, async_trait};

/// Brings a database to the newest schema.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_projects::Change),
            Box::new(m0002_keyring::Change),
            Box::new(m0003_provider_keys::Change),
            Box::new(m0004_usage::Change),
            Box::new(m0005_audit::Change),
            Box::new(m0006_call_prices::Change),
            Box::new(m0007_keys_to_reseal::Change),
            Box::new(m0009_credits::Change),
            Box::new(m0010_webhooks::Change),
            Box::new(m0011_key_checks::Change),
            Box::new(m0012_idempotency_keys::Change),
            Box::new(m0013_customer_erasures::Change),
            Box::new(m0014_credit_refunds::Change),
            Box::new(m0015_object_ends::Change),
        ]
    }
}
