//! The way of every management request: who is it, may it, in which project, then its handler.

mod ask;
mod cors;
mod scope;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::RawPathParams;
use axum::response::Response;
use byok_domain::ProjectId;
use byok_domain::credential::{Caller, Permission};
use byok_store::Project;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Request};

pub(crate) use ask::Ask;
pub(crate) use cors::preflight;
pub(crate) use scope::{Installation, Scope};

use crate::address;
use crate::answer::{self, Answer};
use crate::auth;
use crate::error::{ApiError, Code};
use crate::state::AppState;
use crate::table::{Handler, Route};
use cors::Cors;

/// Runs a request of a matched route to its answer. A panic on the way is that request's own.
pub(crate) async fn dispatch(
    state: Arc<AppState>,
    route: Arc<Route>,
    params: RawPathParams,
    request: Request<Body>,
) -> Response {
    let started = Instant::now();
    let request_id = answer::new_request_id(&state);
    let mut cors = Cors::for_route(&route);
    let ask = Ask::new(state, &params, request);
    let served = AssertUnwindSafe(serve(&route, ask, &mut cors)).catch_unwind().await;
    let served = served.unwrap_or_else(|_| Err(ApiError::internal("the handler panicked")));
    let mut response = served.unwrap_or_else(|error| error.into_response(&request_id));
    cors.write(response.headers_mut());
    answer::finish(&mut response, &request_id);

    let (method, path) = (route.method.as_str(), route.path);
    let status = response.status().as_u16();
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(request_id, method, route = path, status, latency_ms, "management request");
    metrics::counter!(
        "byok_management_requests_total",
        "method" => route.method.to_string(), "route" => path, "status" => status.to_string()
    )
    .increment(1);
    response
}

async fn serve(route: &Route, ask: Ask, cors: &mut Cors) -> Answer {
    let permission = match &route.handler {
        Handler::Open(handler) => return handler(ask).await,
        Handler::Operator(_) => Permission::Operate,
        Handler::Project(permission, _) | Handler::ProjectOrAll(permission, ..) => *permission,
    };
    let (state, parts) = (&ask.state, ask.parts());
    let address = address::client(&state.trusted_proxies, &parts.extensions, &parts.headers);
    let caller = auth::authenticate(state, &parts.headers, address).await?;
    if scope::is_public(&caller) {
        state.limits.publishable(address)?;
    }
    if !caller.may(permission) {
        return Err(forbidden(permission));
    }
    match &route.handler {
        Handler::Open(handler) => handler(ask).await,
        Handler::Operator(handler) => handler(Installation::new(caller, address), ask).await,
        Handler::ProjectOrAll(_, _, all) if caller == Caller::Admin && named(&ask).is_none() => {
            all(Installation::new(caller, address), ask).await
        }
        Handler::Project(_, handler) | Handler::ProjectOrAll(_, handler, _) => {
            let named = named(&ask);
            let scope = enter(state, parts, named, caller, address, cors).await?;
            handler(scope, ask).await
        }
    }
}

/// The project that the path names, if it names one.
fn named(ask: &Ask) -> Option<&str> {
    Some(ask.param("projectId")).filter(|id| !id.is_empty())
}

/// The project that the caller means, if it may be there.
async fn enter(
    state: &AppState,
    parts: &Parts,
    named: Option<&str>,
    caller: Caller,
    address: IpAddr,
    cors: &mut Cors,
) -> Result<Scope, ApiError> {
    let id = match (&caller, named) {
        (Caller::Admin, None) => {
            return Err(ApiError::parameter(
                "The admin token belongs to no project; call this route as /projects/{id}/….",
            ));
        }
        (Caller::Admin, Some(id)) => ProjectId::new(id),
        (Caller::Key(key), Some(id)) if key.project.as_str() != id => return Err(no_project()),
        (Caller::Key(key), _) => key.project.clone(),
    };
    let project = state.store.project(&id).await?.ok_or_else(no_project)?;
    if scope::is_public(&caller) {
        check_origin(&project, &parts.headers, cors)?;
    }
    Ok(Scope::new(project, caller, address))
}

fn check_origin(project: &Project, headers: &HeaderMap, cors: &mut Cors) -> Result<(), ApiError> {
    let mut origins = headers.get_all(http::header::ORIGIN).iter();
    let origin = origins.next();
    let text = origin.and_then(|origin| origin.to_str().ok());
    if origins.next().is_some() || !project.allowed_origins.permits(text) {
        return Err(ApiError::new(
            Code::OriginNotAllowed,
            "This page may not use the project's publishable key; add its origin to \
             allowedOrigins with a secret key.",
        ));
    }
    if let Some(origin) = origin {
        cors.allow(origin.clone());
    }
    Ok(())
}

fn no_project() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "There is no such project for this credential; check the project's id and the key.",
    )
}

fn forbidden(permission: Permission) -> ApiError {
    ApiError::new(
        Code::Forbidden,
        match permission {
            Permission::Operate => "Only the operator may do this; use the admin token.",
            Permission::Manage => {
                "This key may not do this; use a secret key (byo_sk_…) from your server."
            }
            Permission::Call | Permission::Connect => {
                "This kind of key may not do this; use a secret key (byo_sk_…) from your server."
            }
        },
    )
}
