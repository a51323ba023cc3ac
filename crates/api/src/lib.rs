//! The HTTP surface over gateway and store: routers that a host can mount.
//!
//! May use every crate below it, and is alone in naming axum. It decides nothing that the domain
//! could decide, names no table of the database, and never shows a key that was stored.
//!
//! In reading order: [`error`] says what can be refused and how; `routes` is the table of the
//! management routes, each with the permission it demands; `dispatch` is the way of a request
//! through that table; then a module an object. `calls` holds the routes that calls to providers
//! take, which go a shorter way.

mod address;
mod answer;
mod api_keys;
mod audit_logs;
mod auth;
mod body;
pub mod calls;
mod credits;
mod customers;
mod dispatch;
pub mod error;
mod fields;
mod keys;
mod limits;
mod logs;
mod openapi;
mod origins;
mod preflight_origins;
mod pricing;
mod probes;
mod projects;
mod query;
mod routes;
mod routing;
mod service;
mod state;
mod table;
mod tiers;
mod usage;
mod usage_tail;
mod webhooks;

use std::sync::Arc;

use axum::Router;

pub use answer::finish;
pub use calls::{Calls, OwnAddress};
pub use error::{ApiError, Code, FieldError};
pub use limits::Rate;
pub use openapi::document;
pub use service::Api;
pub use state::{AppState, Services};
pub use table::{Access, RouteInfo};
pub use usage_tail::UsageTail;

/// The management routes, and the answer to every path that there is no route for.
///
/// Requests should carry [`PeerAddr`](byok_net::PeerAddr), or axum's `ConnectInfo<SocketAddr>`, in
/// their extensions: limits per address and the audit log need it.
pub fn router(state: &Arc<AppState>) -> Router {
    routes::table().router(state)
}

/// Every management route under each of its paths, with what it asks of its caller.
pub fn routes() -> Vec<RouteInfo> {
    routes::table().infos()
}
