//! A management request as its handler sees it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawPathParams;
use byok_domain::Timestamp;
use http::request::Parts;

use crate::body;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::query::Query;
use crate::state::AppState;

/// A request, its path already matched.
pub(crate) struct Ask {
    /// What the server works with.
    pub(crate) state: Arc<AppState>,
    /// When it came in.
    pub(crate) at: Timestamp,
    params: Vec<(String, String)>,
    parts: Parts,
    body: Body,
}

impl Ask {
    pub(super) fn new(
        state: Arc<AppState>,
        params: &RawPathParams,
        request: http::Request<Body>,
    ) -> Self {
        let at = state.ambient.now();
        let params =
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (parts, body) = request.into_parts();
        Self { state, at, params, parts, body }
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// A part of the path; empty when the route has none of that name, which is no id.
    pub(crate) fn param(&self, name: &str) -> &str {
        let param = self.params.iter().find(|(given, _)| given == name);
        param.map_or("", |(_, value)| value.as_str())
    }

    /// The query parameters; `allowed` are those the route takes.
    pub(crate) fn query(&self, allowed: &[&str]) -> Result<Query, ApiError> {
        Query::parse(self.parts.uri.query(), allowed)
    }

    /// A header of one printable value, if it was sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.parts.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The body's bytes, announced as JSON, and what the handler works with beside them.
    pub(crate) async fn json(self) -> Result<(Arc<AppState>, Timestamp, Vec<u8>), ApiError> {
        Query::parse(self.parts.uri.query(), &[])?;
        let body = body::collect(&self.parts.headers, self.body).await?;
        Ok((self.state, self.at, body.to_vec()))
    }

    /// The body as one JSON object, and what the handler works with beside it.
    pub(crate) async fn fields(self) -> Result<(Arc<AppState>, Timestamp, Fields), ApiError> {
        Query::parse(self.parts.uri.query(), &[])?;
        let fields = body::read(&self.parts.headers, self.body).await?;
        Ok((self.state, self.at, fields))
    }
}
