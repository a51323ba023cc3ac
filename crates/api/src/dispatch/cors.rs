//! What browsers on other origins may see: the answers to publishable keys, and nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawPathParams;
use axum::response::Response;
use byok_domain::ProjectId;
use byok_domain::credential::Permission;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Request, StatusCode};

use crate::answer;
use crate::error::ApiError;
use crate::state::AppState;
use crate::table::{Handler, Route};

/// The cross-origin headers of one answer.
pub(super) struct Cors {
    varies: bool,
    origin: Option<HeaderValue>,
}

impl Cors {
    /// Nothing allowed yet; answers of routes that browsers call differ by origin.
    pub(super) fn for_route(route: &Route) -> Self {
        let varies = matches!(route.handler, Handler::Project(Permission::Connect, _));
        Self { varies, origin: None }
    }

    /// Lets pages of `origin` read the answer.
    pub(super) fn allow(&mut self, origin: HeaderValue) {
        self.origin = Some(origin);
    }

    /// Writes what was decided. Never with credentials: tokens travel in a header, not in cookies.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("x-request-id, retry-after"),
            );
        }
    }
}

/// Answers a browser's question before a request of a publishable key. The question carries no
/// key, so where the path names no project, the origin has to be one that some project allows;
/// whether it is the right one is decided when the request itself comes.
pub(crate) async fn preflight(
    state: Arc<AppState>,
    params: RawPathParams,
    request: Request<Body>,
) -> Response {
    let request_id = answer::new_request_id(&state);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let mut cors = Cors { varies: true, origin: None };
    let origin = request.headers().get(ORIGIN);
    let named = params.iter().find(|(name, _)| *name == "projectId").map(|(_, id)| id);
    let allowed = match (origin.and_then(|origin| origin.to_str().ok()), named) {
        (None, _) => Ok(false),
        (Some(text), Some(id)) => project_permits(&state, id, text).await,
        (Some(text), None) => state.origins.some_project_permits(&state, text).await,
    };
    match (allowed, origin) {
        (Ok(true), Some(origin)) => {
            cors.allow(origin.clone());
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type"),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        (Ok(_), _) => {}
        (Err(error), _) => response = error.into_response(&request_id),
    }
    cors.write(response.headers_mut());
    answer::finish(&mut response, &request_id);
    response
}

async fn project_permits(state: &AppState, id: &str, origin: &str) -> Result<bool, ApiError> {
    let project = state.store.project(&ProjectId::new(id)).await?;
    Ok(project.is_some_and(|project| project.allowed_origins.permits(Some(origin))))
}
