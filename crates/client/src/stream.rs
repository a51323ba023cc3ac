//! Answers that come event by event.

mod frames;
mod sse;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Byok;
use crate::error::{Error, ProviderError, Result};
use crate::items::Items;
use crate::receipt::Receipt;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event<T = Value> {
    /// Its name, where the provider names its events: `response.output_text.delta`,
    /// `content_block_delta`, `contentBlockDelta`.
    pub name: Option<String>,
    /// What it says.
    pub data: T,
}

/// The events of an answer, as a [`Stream`] and by [`next`](Self::next).
///
/// It ends after the last event. An error, the provider's own included, is its last value. Dropping
/// it ends the call.
pub struct EventStream<T = Value> {
    items: Items<Event<T>>,
    receipt: Receipt,
    byok: Byok,
}

/// As it came, before it is known what it is.
struct RawEvent {
    name: Option<String>,
    data: Vec<u8>,
    /// Whether the wire says that it is an error.
    is_error: bool,
}

/// Why bytes are no events.
#[derive(Debug, PartialEq)]
struct Garbled(&'static str);

enum Decoder {
    Sse(sse::Decoder),
    Frames(frames::Decoder),
}

impl Decoder {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Sse(decoder) => decoder.push(bytes),
            Self::Frames(decoder) => decoder.push(bytes),
        }
    }

    fn next(&mut self) -> Result<Option<RawEvent>, Garbled> {
        match self {
            Self::Sse(decoder) => decoder.next(),
            Self::Frames(decoder) => decoder.next(),
        }
    }

    /// Whether nothing is left over that was to become an event.
    fn is_empty(&self) -> bool {
        match self {
            Self::Sse(decoder) => decoder.is_empty(),
            Self::Frames(decoder) => decoder.is_empty(),
        }
    }
}

impl<T> EventStream<T> {
    /// What is known of the call so far: everything but usage and cost.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Event<T>>> {
        self.items.next().await
    }

    /// What the call used and cost, once it has ended: the request log knows. If events are left
    /// this ends the call, and the usage is what was known by then.
    ///
    /// # Errors
    /// Those of [`Logs::get`](crate::logs::Logs::get).
    pub async fn settle(self) -> Result<Receipt> {
        let Self { items, receipt, byok } = self;
        drop(items);
        byok.logs().settle(receipt).await
    }
}

impl<T: DeserializeOwned + Send + 'static> EventStream<T> {
    pub(crate) fn sse(
        byok: Byok,
        receipt: Receipt,
        answer: reqwest::Response,
        patience: Duration,
    ) -> Self {
        Self::new(byok, receipt, answer, patience, Decoder::Sse(sse::Decoder::default()))
    }

    pub(crate) fn frames(
        byok: Byok,
        receipt: Receipt,
        answer: reqwest::Response,
        patience: Duration,
    ) -> Self {
        Self::new(byok, receipt, answer, patience, Decoder::Frames(frames::Decoder::default()))
    }

    fn new(
        byok: Byok,
        receipt: Receipt,
        answer: reqwest::Response,
        patience: Duration,
        decoder: Decoder,
    ) -> Self {
        let reading = Reading { answer, decoder, patience, receipt: receipt.clone(), over: false };
        let items = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|event| (event, reading)))
        });
        Self { items: Items::new(items), receipt, byok }
    }
}

struct Reading {
    answer: reqwest::Response,
    decoder: Decoder,
    patience: Duration,
    receipt: Receipt,
    /// Whether the last event has come. The rest is read all the same: whoever leaves before the
    /// end of the body has broken the call off.
    over: bool,
}

impl Reading {
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Event<T>>> {
        let id = || self.receipt.request_id.clone();
        loop {
            if !self.over {
                match self.decoder.next().map_err(|why| self.garbled(why.0, Value::Null))? {
                    Some(raw) if raw.data == b"[DONE]" => self.over = true,
                    Some(raw) => return self.event(raw).map(Some),
                    None => {}
                }
            }
            let piece = tokio::time::timeout(self.patience, self.answer.chunk()).await;
            match piece {
                Ok(Ok(Some(bytes))) if self.over => drop(bytes),
                Ok(Ok(Some(bytes))) => self.decoder.push(&bytes),
                _ if self.over => return Ok(None),
                Ok(Ok(None)) if self.decoder.is_empty() => return Ok(None),
                Ok(Ok(None)) => return Err(Error::cut(id())),
                Ok(Err(error)) => return Err(Error::network(error, id())),
                Err(_) => return Err(Error::timeout(self.patience, id())),
            }
        }
    }

    fn event<T: DeserializeOwned>(&self, raw: RawEvent) -> Result<Event<T>> {
        let RawEvent { name, data, is_error } = raw;
        let data: Value = serde_json::from_slice(&data).map_err(|_| {
            let text = String::from_utf8_lossy(&data).into_owned();
            self.garbled("it sent an event that is no JSON", Value::String(text))
        })?;
        if is_error || name.as_deref() == Some("error") || holds_error(&data) {
            let error = ProviderError::new(self.receipt.clone(), None, None, data);
            return Err(Error::Provider(Box::new(ProviderError { kind: name, ..error })));
        }
        match T::deserialize(&data) {
            Ok(data) => Ok(Event { name, data }),
            Err(error) => {
                Err(self.garbled(&format!("an event is not of the type asked for: {error}"), data))
            }
        }
    }

    fn garbled(&self, why: &str, body: Value) -> Error {
        let error = ProviderError::new(self.receipt.clone(), None, None, body);
        Error::Provider(Box::new(ProviderError { message: why.to_owned(), ..error }))
    }
}

/// Whether an event without a name of that kind tells of an error.
fn holds_error(data: &Value) -> bool {
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
    matches!(data.get("error"), Some(Value::Object(_) | Value::String(_)))
        || matches!(
            text("/type"),
            Some("error" | "response.failed" | "conversation.response.error")
        )
        || text("/object") == Some("error")
        // Cohere's last event.
        || matches!(text("/delta/finish_reason"), Some("ERROR" | "TIMEOUT"))
}

impl<T> Stream for EventStream<T> {
    type Item = Result<Event<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.items).poll_next(cx)
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}
