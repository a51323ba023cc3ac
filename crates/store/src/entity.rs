//! Rows as the database holds them, a module a table. Nothing outside this crate sees one.

#![expect(unreachable_pub, reason = "the derives make public items")]

pub mod api_keys;
pub mod audit_log;
pub mod calls;
pub mod credit_entries;
pub mod credit_holds;
pub mod customer_erasures;
pub mod customers;
pub mod data_keys;
pub mod keyring_checks;
pub mod keys_to_reseal;
pub mod platform_keys;
pub mod projects;
pub mod provider_keys;
pub mod provider_objects;
pub mod roots;
pub mod webhook_attempts;
pub mod webhook_deliveries;
pub mod webhook_endpoints;
pub mod webhook_events;
