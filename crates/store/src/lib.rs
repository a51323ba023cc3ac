//! Rows and queries: projects, tokens, sealed provider keys, usage, the audit log.
//!
//! May depend on `domain`, `vault` (for sealed records and digests), `metering`, `webhooks` and
//! `gateway` (for the ports they declare) and `migrations`; with those it is alone in naming a database. It moves
//! sealed keys and never opens one.
//!
//! [`Database`] is an open database of a known schema, with what the installation itself keeps there.
//! [`Store`] is a database with the key of its audit log: whoever holds one can change things,
//! since every change is written to the log in the transaction that makes it. Every method on what
//! belongs to a tenant takes the project first; no query goes without one.

mod api_keys;
mod audit;
mod by;
mod calls;
mod changes;
mod column;
mod credits;
mod customers;
mod database;
mod directory;
mod entity;
mod error;
mod export;
mod filter;
mod ingest;
mod installation;
mod keyring;
mod listing;
mod made_project;
mod origins;
mod outbox;
mod platform_keys;
mod pricing;
mod projects;
mod provider_keys;
#[cfg(feature = "redis")]
mod redis_counters;
mod reprice;
mod routing;
mod rows;
mod statement;
mod stats;
mod store;
mod usage;
mod usage_detail;
mod webhooks;

pub use api_keys::{ApiKeyRow, NewApiKey};
pub use audit::{AuditEntry, AuditFault, AuditFilter, AuditHead, AuditReport, BadEntry};
pub use by::By;
pub use calls::{Call, CallPage, CallRange};
pub use changes::Changed;
pub use credits::{AccountFault, CreditEntry, CreditReport, Grant, Granted, Ledger};
pub use customers::{Customer, CustomerChange, Erased};
pub use database::Database;
pub use error::StoreError;
pub use export::CallExport;
pub use filter::{CallFilter, UsageFilter};
pub use installation::{Installation, InstallationError};
pub use keyring::{KeyringCheck, KidUse, Rewrapped};
pub use listing::{Listing, Page};
pub use made_project::MadeProject;
pub use platform_keys::{NewPlatformKey, PlatformKeyRow};
pub use projects::{NewProject, Project, ProjectChange};
pub use provider_keys::{ConnectKey, Connected, KeyFilter, ProviderKeyRow, Replace, Verdict};
#[cfg(feature = "redis")]
pub use redis_counters::{FailMode, RedisCounters, RedisUrl};
pub use reprice::{Reprice, Repriced, StillUnpriced, Unpriced};
pub use stats::{Stats, Window};
pub use store::Store;
pub use usage::{
    DayUsage, ModelUsage, ProviderUsage, RefIdUsage, SourceUsage, UnknownModel, Usage,
};
pub use webhooks::{Delivery, DeliveryAttempt, DeliveryStatus, NewWebhook, Webhook, WebhookChange};
