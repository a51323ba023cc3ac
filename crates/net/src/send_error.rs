//! Why a request got no answer.

use crate::connect::ConnectError;

/// Why [`Upstream::send`](crate::Upstream::send) returned no answer.
///
/// The texts are the same for every way not to reach a host, so that a customer who chooses the
/// host cannot use them to map a network. The variants and sources are for logs and metrics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Policy forbids the address behind the customer's URL. Nothing was sent.
    #[error("the upstream could not be reached")]
    Blocked,
    /// No connection. Nothing was sent.
    #[error("the upstream could not be reached")]
    Unreachable(#[source] ConnectError),
    /// No connection in time (`sent` is false), or no answer in time (`sent` is true).
    #[error("{}", if *sent { "the upstream did not answer in time" } else { "the upstream could not be reached" })]
    Timeout {
        /// Whether the upstream may have seen the request.
        sent: bool,
    },
    /// The connection ended before an answer began. The upstream may have seen the request.
    #[error("the upstream closed the connection without an answer")]
    Broken(#[source] hyper::Error),
    /// What came back is not HTTP, or its header is too large.
    #[error("the upstream's answer is not valid")]
    Malformed(#[source] Option<hyper::Error>),
    /// The request's own body failed while it was sent.
    #[error("the request body could not be read")]
    RequestBody(#[source] hyper::Error),
}

impl SendError {
    /// Whether the upstream may have seen the request, so that trying again may do it twice.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        match self {
            Self::Blocked | Self::Unreachable(_) => false,
            Self::Timeout { sent } => *sent,
            Self::Broken(_) | Self::Malformed(_) | Self::RequestBody(_) => true,
        }
    }
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> Self {
        if error.is_user() {
            Self::RequestBody(error)
        } else if error.is_parse() {
            Self::Malformed(Some(error))
        } else {
            Self::Broken(error)
        }
    }
}
