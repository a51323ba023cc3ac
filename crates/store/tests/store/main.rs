//! The store on real databases: SQLite files, and PostgreSQL where there is a server.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod support;

mod api_keys;
mod audit;
mod calls;
mod changes;
mod connect;
mod credits;
mod customers;
mod directory;
mod events;
mod filters;
mod ingest;
mod installation;
mod key_checks;
mod keyring;
mod money;
mod projects;
mod provider_keys;
mod races;
mod reprice;
mod reseal;
mod routing;
mod schema;
mod tenancy;
mod usage;
mod verdicts;
mod webhooks;
