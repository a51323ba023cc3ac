//! Lists: a page of one, and all of one as a stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ask::Ask;
use crate::error::Result;

/// A part of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// How many the whole list has.
    pub total: u64,
    /// How many a page has at most.
    #[serde(default)]
    pub limit: u64,
    /// How many came before.
    #[serde(default)]
    pub offset: u64,
    /// Where the next page begins, in lists that say so.
    pub next_cursor: Option<String>,
}

/// Values that come one by one: a [`Stream`] that can be asked by [`next`](Self::next) without
/// another crate. Dropping it ends the request.
pub struct Items<T>(Pin<Box<dyn Stream<Item = Result<T>> + Send>>);

impl<T> Items<T> {
    pub(crate) fn new(stream: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The next value; `None` at the end. An error is the last value.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.0.next().await
    }

    /// All that are left.
    ///
    /// # Errors
    /// The error that ended the stream.
    pub async fn collect(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await {
            all.push(item?);
        }
        Ok(all)
    }
}

impl<T: DeserializeOwned + Send + 'static> Items<T> {
    /// The entries of every page of a list, asked for as they are needed.
    pub(crate) fn pages(ask: Ask) -> Self {
        struct Reading<T> {
            ready: VecDeque<T>,
            next: Option<Ask>,
        }
        let reading = Reading { ready: VecDeque::new(), next: Some(ask) };
        Self::new(stream::try_unfold(reading, |mut reading| async move {
            loop {
                if let Some(entry) = reading.ready.pop_front() {
                    return Ok(Some((entry, reading)));
                }
                let Some(ask) = reading.next.take() else { return Ok(None) };
                let page: Page<T> = ask.clone().send().await?;
                let reached = page.offset + page.data.len() as u64;
                reading.next = match page.next_cursor {
                    Some(cursor) => Some(ask.without("offset").query("cursor", &cursor)),
                    None if page.data.is_empty() || reached >= page.total => None,
                    // Lists with a cursor have none at their end.
                    None if ask.has("cursor") => None,
                    None => Some(ask.query("offset", &reached)),
                };
                reading.ready = page.data.into();
            }
        }))
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items(…)")
    }
}
