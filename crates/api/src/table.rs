//! The table of routes. A route enters it with the permission it demands, or not at all.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::routing::{MethodFilter, MethodRouter, on, options};
use byok_domain::credential::Permission;
use http::{Method, Request};

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Installation, Scope, dispatch, preflight};
use crate::error::{ApiError, Code};
use crate::state::AppState;

/// What stands before a project's routes when the project is named.
pub(crate) const PREFIX: &str = "/projects/{projectId}";

type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Boxed<First> = Box<dyn Fn(First, Ask) -> Pending + Send + Sync>;

/// What a route runs, by what it asks of its caller.
pub(crate) enum Handler {
    /// Nothing: anyone may.
    Open(Box<dyn Fn(Ask) -> Pending + Send + Sync>),
    /// The operator.
    Operator(Boxed<Installation>),
    /// This permission, in one project.
    Project(Permission, Boxed<Scope>),
    /// This permission, in one project; the operator who names none gets the second, over all.
    ProjectOrAll(Permission, Boxed<Scope>, Boxed<Installation>),
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// For project routes the part after the project.
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}

impl Route {
    /// The full paths it is served under.
    pub(crate) fn paths(&self) -> Vec<String> {
        match &self.handler {
            Handler::Project(..) if self.path.is_empty() => vec![PREFIX.to_owned()],
            Handler::Project(..) | Handler::ProjectOrAll(..) => {
                vec![self.path.to_owned(), format!("{PREFIX}{}", self.path)]
            }
            Handler::Open(_) | Handler::Operator(_) => vec![self.path.to_owned()],
        }
    }
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: anyone may.
    Open,
    /// The operator's admin token.
    Operator,
    /// This permission, in the project that the key belongs to or the path names.
    Project(Permission),
    /// As `Project`; the admin token without a project is answered for all of them.
    ProjectOrAll(Permission),
}

/// A route as tests and documents see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path, its parameters in braces.
    pub path: String,
    /// What it asks of its caller.
    pub access: Access,
}

/// All routes.
#[derive(Default)]
pub(crate) struct Table {
    routes: Vec<Arc<Route>>,
}

impl Table {
    /// A route for anyone.
    pub(crate) fn open<F, T>(mut self, method: Method, path: &'static str, run: F) -> Self
    where
        F: Fn(Ask) -> T + Send + Sync + 'static,
        T: Future<Output = Answer> + Send + 'static,
    {
        let handler = Handler::Open(Box::new(move |ask| Box::pin(run(ask))));
        self.routes.push(Arc::new(Route { method, path, handler }));
        self
    }

    /// A route for the operator, over all projects.
    pub(crate) fn operator<F, T>(mut self, method: Method, path: &'static str, run: F) -> Self
    where
        F: Fn(Installation, Ask) -> T + Send + Sync + 'static,
        T: Future<Output = Answer> + Send + 'static,
    {
        let handler = Handler::Operator(Box::new(move |who, ask| Box::pin(run(who, ask))));
        self.routes.push(Arc::new(Route { method, path, handler }));
        self
    }

    /// A route inside one project, served as `path` (the project of the key) and as
    /// `/projects/{projectId}` followed by `path`; an empty `path` is the project itself.
    pub(crate) fn project<F, T>(
        mut self,
        method: Method,
        path: &'static str,
        permission: Permission,
        run: F,
    ) -> Self
    where
        F: Fn(Scope, Ask) -> T + Send + Sync + 'static,
        T: Future<Output = Answer> + Send + 'static,
    {
        let run: Boxed<Scope> = Box::new(move |scope, ask| Box::pin(run(scope, ask)));
        let handler = Handler::Project(permission, run);
        self.routes.push(Arc::new(Route { method, path, handler }));
        self
    }

    /// A route as [`project`](Self::project) makes it, which `all` answers for an operator who names
    /// no project.
    pub(crate) fn project_or_all<F, T, G, U>(
        mut self,
        method: Method,
        path: &'static str,
        permission: Permission,
        run: F,
        all: G,
    ) -> Self
    where
        F: Fn(Scope, Ask) -> T + Send + Sync + 'static,
        T: Future<Output = Answer> + Send + 'static,
        G: Fn(Installation, Ask) -> U + Send + Sync + 'static,
        U: Future<Output = Answer> + Send + 'static,
    {
        let run: Boxed<Scope> = Box::new(move |scope, ask| Box::pin(run(scope, ask)));
        let all: Boxed<Installation> = Box::new(move |who, ask| Box::pin(all(who, ask)));
        let handler = Handler::ProjectOrAll(permission, run, all);
        self.routes.push(Arc::new(Route { method, path, handler }));
        self
    }

    /// Every route under each of its paths.
    pub(crate) fn infos(&self) -> Vec<RouteInfo> {
        let info = |route: &Arc<Route>| {
            let access = |path: &str| match &route.handler {
                Handler::Open(_) => Access::Open,
                Handler::Operator(_) => Access::Operator,
                Handler::ProjectOrAll(permission, ..) if !path.starts_with(PREFIX) => {
                    Access::ProjectOrAll(*permission)
                }
                Handler::Project(permission, _) | Handler::ProjectOrAll(permission, ..) => {
                    Access::Project(*permission)
                }
            };
            let infos = route.paths().into_iter().map(|path| {
                let access = access(&path);
                RouteInfo { method: route.method.clone(), path, access }
            });
            infos.collect::<Vec<_>>()
        };
        self.routes.iter().flat_map(info).collect()
    }

    /// The router that serves the table.
    pub(crate) fn router(&self, state: &Arc<AppState>) -> Router {
        let mut paths: BTreeMap<String, Vec<Arc<Route>>> = BTreeMap::new();
        for route in &self.routes {
            for path in route.paths() {
                paths.entry(path).or_default().push(route.clone());
            }
        }
        let mut router = Router::new();
        for (path, routes) in paths {
            router = router.route(&path, methods(state, &routes));
        }
        let state = state.clone();
        router.fallback(async move || refuse(&state, no_route()))
    }
}

/// The methods of one path.
fn methods(state: &Arc<AppState>, routes: &[Arc<Route>]) -> MethodRouter {
    let names: Vec<_> = routes.iter().map(|route| route.method.as_str()).collect();
    let allowed = names.join(", ");
    let refusing = state.clone();
    let mut methods =
        MethodRouter::new().fallback(async move || refuse(&refusing, wrong_method(allowed)));
    for route in routes {
        let filter = MethodFilter::try_from(route.method.clone())
            .expect("the table holds plain HTTP methods");
        let (state, route) = (state.clone(), route.clone());
        methods =
            methods.merge(on(filter, move |params: RawPathParams, request: Request<Body>| {
                dispatch(state.clone(), route.clone(), params, request)
            }));
    }
    let browsers_call_it =
        |route: &Arc<Route>| matches!(route.handler, Handler::Project(Permission::Connect, _));
    if routes.iter().any(browsers_call_it) {
        let state = state.clone();
        methods = methods.merge(options(move |params: RawPathParams, request: Request<Body>| {
            preflight(state, params, request)
        }));
    }
    methods
}

fn refuse(state: &AppState, error: ApiError) -> axum::response::Response {
    let request_id = answer::new_request_id(state);
    let mut response = error.into_response(&request_id);
    answer::finish(&mut response, &request_id);
    response
}

fn no_route() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "There is no such route; GET /openapi.json lists those there are.",
    )
}

fn wrong_method(allowed: String) -> ApiError {
    let message = format!("This route does not take that method; it takes: {allowed}.");
    ApiError::new(Code::MethodNotAllowed, message).allowing(allowed)
}
