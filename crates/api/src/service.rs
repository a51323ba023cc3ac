//! Both families of routes behind one door.

use std::error::Error;
use std::pin::Pin;

use axum::Router;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::runtime::Handle;
use tower::ServiceExt;

use crate::calls::{CallBodyOut, CallPath, Calls};

/// The whole API: calls where they came in, everything else on a runtime of its own, so that a
/// slow query never holds up a call.
#[derive(Clone)]
pub struct Api {
    calls: Calls,
    management: Router,
    control: Handle,
}

impl Api {
    /// The API. `control` runs the management routes.
    pub fn new(calls: Calls, management: Router, control: Handle) -> Self {
        Self { calls, management, control }
    }

    /// Serves one request.
    ///
    /// On the heap, since a server moves the future about: that of a call is several kilobytes
    /// large.
    pub fn handle<B>(
        &self,
        request: Request<B>,
    ) -> Pin<Box<dyn Future<Output = Response<CallBodyOut>> + Send>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        match CallPath::parse(request.uri().path()) {
            Some(path) => Box::pin(self.calls.clone().serve(path, request)),
            None => Box::pin(self.clone().manage(request.map(AxumBody::new))),
        }
    }

    async fn manage(self, request: Request<AxumBody>) -> Response<CallBodyOut> {
        // A change that has begun is finished although its caller may leave.
        let answer = self.management.oneshot(request);
        let response = match self.control.spawn(answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(stopped) => {
                tracing::error!(error = %stopped, "a management request did not finish");
                let mut response = Response::new(AxumBody::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        };
        response.map(CallBodyOut::Own)
    }

    /// The whole API as a router that a host can mount in its own.
    pub fn into_router(self) -> Router {
        let calls = self.calls;
        let call = axum::routing::any(move |request: Request<AxumBody>| {
            let calls = calls.clone();
            async move {
                let path = CallPath::parse(request.uri().path()).expect("routed by these prefixes");
                calls.serve(path, request).await.map(AxumBody::new)
            }
        });
        let mounts = byok_providers::registry().iter().map(|provider| provider.mount());
        mounts.chain(["proxy"]).fold(self.management, |router, first| {
            router
                .route(&format!("/{first}/{{*path}}"), call.clone())
                .route(&format!("/projects/{{projectId}}/{first}/{{*path}}"), call.clone())
        })
    }
}
