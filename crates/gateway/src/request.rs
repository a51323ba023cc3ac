//! A call as it comes in.

use std::error::Error;
use std::time::Instant;

use byok_domain::{ProjectId, RefId, RequestId, Timestamp};
use byok_providers::{Provider, Route};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use thiserror::Error;

use crate::upload_ticket::Continued;

/// One call, its caller known and its route found.
pub struct Call<B> {
    /// The request id, made when the request came in.
    pub id: RequestId,
    /// When it came in.
    pub at: Timestamp,
    /// The same, for measuring.
    pub started: Instant,
    /// Whose product makes it.
    pub project: ProjectId,
    /// For which customer.
    pub ref_id: RefId,
    /// At which provider.
    pub provider: &'static dyn Provider,
    /// Which operation.
    pub route: Route,
    /// The query of the drop-in route, without `?`.
    pub query: Option<String>,
    /// The caller's headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: CallBody<B>,
    /// The upload that the call goes on with, if it came by the address that its beginning told: it
    /// needs no key of the customer's any more.
    pub continues: Option<Continued>,
    /// Where the caller reaches the provider here, on routes whose answers name addresses.
    pub here: Option<Here>,
}

/// Where a caller reaches a provider's routes here: what an address in an answer is replaced by
/// begins like this. A host whose callers send the provider no credential of its own needs none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// In place of the provider's base URL, as the caller wrote it.
    pub base: String,
    /// The same, in the form that names the project.
    pub project_base: String,
}

/// A call without its body.
pub(crate) struct CallHead {
    pub(crate) id: RequestId,
    pub(crate) at: Timestamp,
    pub(crate) started: Instant,
    pub(crate) project: ProjectId,
    pub(crate) ref_id: RefId,
    pub(crate) provider: &'static dyn Provider,
    pub(crate) route: Route,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) continues: Option<Continued>,
    pub(crate) here: Option<Here>,
}

impl<B> Call<B> {
    pub(crate) fn split(self) -> (CallHead, CallBody<B>) {
        let Self { id, at, started, project, ref_id, provider, route, query, headers, .. } = self;
        let Self { body, continues, here, .. } = self;
        let head = CallHead {
            id,
            at,
            started,
            project,
            ref_id,
            provider,
            route,
            query,
            headers,
            continues,
            here,
        };
        (head, body)
    }
}

/// A request's body, as far as it has been read.
pub enum CallBody<B> {
    /// A whole JSON payload.
    Json(Bytes),
    /// Anything, streamed through.
    Stream(B),
    /// None.
    Empty,
}

/// Why a body was not collected.
#[derive(Debug, Error)]
pub enum CollectError {
    /// Over the limit.
    #[error("the body is longer than {0} bytes")]
    TooLarge(u64),
    /// The caller broke it off.
    #[error("the request body broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// Collects a body of at most `limit` bytes. A body that came in one piece is not copied; one that
/// announces more than the limit is refused unread.
///
/// # Errors
/// [`CollectError`].
pub async fn collect<B>(mut body: B, limit: u64) -> Result<Bytes, CollectError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let announced = body.size_hint();
    if announced.lower() > limit {
        return Err(CollectError::TooLarge(limit));
    }
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CollectError::Broken(error.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() && all.is_none() {
            first = data;
        } else {
            let all = all.get_or_insert_with(|| {
                // Trust the announcement for one allocation, within the limit checked above.
                let expected = usize::try_from(announced.exact().unwrap_or(0)).unwrap_or(0);
                let mut all = BytesMut::with_capacity(expected.max(first.len() + data.len()));
                all.extend_from_slice(&first);
                all
            });
            all.extend_from_slice(&data);
        }
        let length = all.as_ref().map_or(first.len(), BytesMut::len);
        if length as u64 > limit {
            return Err(CollectError::TooLarge(limit));
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use std::convert::Infallible;

    fn pieces(pieces: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames: Vec<_> =
            pieces.iter().map(|p| Ok(Frame::data(Bytes::from_static(p.as_bytes())))).collect();
        StreamBody::new(stream::iter(frames))
    }

    #[tokio::test]
    async fn a_body_in_one_piece_is_not_copied() {
        let body = Bytes::from("hello".to_owned());
        let collected = collect(Full::new(body.clone()), 5).await.expect("fits");
        assert_eq!(collected.as_ptr(), body.as_ptr());
    }

    #[tokio::test]
    async fn pieces_are_joined_and_the_limit_holds_also_without_an_announcement() {
        assert_eq!(collect(pieces(&["ab", "", "c", "de"]), 5).await.expect("fits"), "abcde");
        assert!(matches!(collect(pieces(&["ab", "cde"]), 4).await, Err(CollectError::TooLarge(4))));
        let announced = Full::new(Bytes::from_static(b"abcde"));
        assert!(matches!(collect(announced, 4).await, Err(CollectError::TooLarge(4))));
    }
}
