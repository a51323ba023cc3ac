//! Customers' provider keys: connected, checked, validated, revoked, listed. Never shown.

mod check;
mod connect;
mod list;
mod platform;
mod revoke;
mod settings;
mod validate;
mod vaulted;
mod verdict;

pub(crate) use check::check;
pub(crate) use connect::connect;
pub(crate) use list::list;
pub(crate) use platform::{
    put as put_platform_key, remove as remove_platform_key, show as show_platform_key,
};
pub(crate) use revoke::revoke;
pub(crate) use settings::settings;
pub(crate) use validate::validate;

use std::sync::Arc;

use byok_domain::{ProviderId, RefId, routing};
use byok_gateway::{Project, StoredKey};

use crate::dispatch::Scope;
use crate::error::{ApiError, Code};
use crate::state::AppState;

/// A customer's keys for a provider, in the order in which calls try them.
async fn in_order(
    state: &AppState,
    scope: &Scope,
    provider: &ProviderId,
    ref_id: &RefId,
) -> Result<Vec<StoredKey>, ApiError> {
    let mut keys = state.store.sealed_keys(scope.id(), provider, ref_id).await?;
    keys.sort_by(|a, b| routing::compare(&a.candidate(), &b.candidate()));
    Ok(keys)
}

/// The scope's project with its data key open.
pub(crate) async fn opened(state: &AppState, scope: &Scope) -> Result<Arc<Project>, ApiError> {
    let project = state.gateway.project(scope.id()).await.map_err(ApiError::unavailable)?;
    project.ok_or_else(|| ApiError::not_found("project"))
}

fn not_connected(provider: &ProviderId) -> ApiError {
    ApiError::new(
        Code::KeyNotConnected,
        format!(
            "This customer has connected no {provider} key; connect one with POST /keys/connect."
        ),
    )
}
