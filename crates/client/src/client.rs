//! The client: where the server is, and who asks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use reqwest::Url;

use crate::builder::Builder;
use crate::error::Result;
use crate::secret::Secret;

/// A client of one BYOK server, for one API key.
///
/// A clone is a second handle on the same connections. It needs a Tokio runtime to be used in, and
/// brings none.
#[derive(Clone)]
pub struct Byok {
    pub(crate) inner: Arc<Inner>,
    /// The project that is named in every path; the key's own where `None`.
    pub(crate) project: Option<Arc<str>>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) api_key: Secret,
    /// Sent with every request, the API key among them.
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) retries: u32,
}

impl Byok {
    /// A client with the settings that nobody named: the server is where `BYO_BASE_URL` says, or at
    /// `http://localhost:3000`.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn new(api_key: impl Into<String>) -> Result<Self> {
        Self::builder(api_key).build()
    }

    /// Settings other than those of [`new`](Self::new).
    pub fn builder(api_key: impl Into<String>) -> Builder {
        Builder::new(Secret::from(api_key.into()))
    }

    /// The same client in this project: for the operator's token, which belongs to none.
    #[must_use]
    pub fn in_project(&self, id: impl Into<Arc<str>>) -> Self {
        Self { inner: self.inner.clone(), project: Some(id.into()) }
    }
}

impl fmt::Debug for Byok {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = &self.inner.base;
        let base = format!("{}{}", base.origin().ascii_serialization(), base.path());
        f.debug_struct("Byok")
            .field("base_url", &base)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}
