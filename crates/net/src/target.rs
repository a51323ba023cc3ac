//! Where a request goes: an operator's base URL, or a customer's that the guard has passed.

use std::sync::Arc;

use http::Uri;

use crate::{
    endpoint::{Endpoint, InvalidPath, MalformedUrl},
    guard::Demand,
};

/// A base URL a customer chose. Only [`EgressPolicy::parse`](crate::EgressPolicy::parse) makes one.
#[derive(Debug)]
pub struct CustomerUrl {
    pub(crate) endpoint: Endpoint,
    pub(crate) demand: Demand,
}

impl CustomerUrl {
    pub(crate) fn new(endpoint: Endpoint, demand: Demand) -> Self {
        Self { endpoint, demand }
    }

    /// Scheme, host and port, the port always written: what a stored key is bound to.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.endpoint.origin
    }

    /// The canonical spelling, without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The absolute URI for a path, and query if any, below this base.
    ///
    /// # Errors
    /// [`InvalidPath`] if it does not start with `/`, has dot segments or is not valid in a URI.
    pub fn uri(&self, path_and_query: &str) -> Result<Uri, InvalidPath> {
        self.endpoint.uri(path_and_query)
    }
}

/// A base URL the operator, or this program, chose: any address, http or https.
#[derive(Debug)]
pub struct TrustedUrl {
    pub(crate) endpoint: Endpoint,
}

impl TrustedUrl {
    /// Reads a base URL.
    ///
    /// # Errors
    /// [`MalformedUrl`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, MalformedUrl> {
        Ok(Self { endpoint: Endpoint::parse(text)? })
    }

    /// Scheme, host and port, the port always written.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.endpoint.origin
    }

    /// The canonical spelling, without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The absolute URI for a path, and query if any, below this base.
    ///
    /// # Errors
    /// [`InvalidPath`] if it does not start with `/`, has dot segments or is not valid in a URI.
    pub fn uri(&self, path_and_query: &str) -> Result<Uri, InvalidPath> {
        self.endpoint.uri(path_and_query)
    }
}

/// The place a request is sent to, and with whom its connections may be shared.
#[derive(Debug, Clone)]
pub enum Base {
    /// The operator's choice; connections are shared by everybody who calls this origin.
    Trusted(Arc<TrustedUrl>),
    /// A customer's choice; connections are kept for this project alone.
    Customer {
        /// The project on whose behalf the call is made.
        project: Arc<str>,
        /// Its base URL.
        url: Arc<CustomerUrl>,
    },
}

impl Base {
    /// Scheme, host and port, the port always written.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.endpoint().origin
    }

    /// The absolute URI for a path, and query if any, below this base.
    ///
    /// # Errors
    /// [`InvalidPath`] if it does not start with `/`, has dot segments or is not valid in a URI.
    pub fn uri(&self, path_and_query: &str) -> Result<Uri, InvalidPath> {
        self.endpoint().uri(path_and_query)
    }

    /// Whether a customer chose it.
    #[must_use]
    pub fn is_customers(&self) -> bool {
        matches!(self, Self::Customer { .. })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Trusted(url) => &url.endpoint,
            Self::Customer { url, .. } => &url.endpoint,
        }
    }
}
