//! A call to a provider: `create` for an answer, `stream` for its events.

mod envelope;
mod form;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use form::Audio;

use crate::ask::{Ask, Whole};
use crate::client::Byok;
use crate::error::{Error, Result, content_type};
use crate::receipt::Receipt;
use crate::response::Response;
use crate::stream::EventStream;

/// The provider and the customer of a call.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) byok: Byok,
    pub(crate) provider: String,
    pub(crate) ref_id: String,
}

impl Target {
    pub(crate) fn new(byok: &Byok, provider: &str, ref_id: impl Into<String>) -> Self {
        Self { byok: byok.clone(), provider: provider.to_owned(), ref_id: ref_id.into() }
    }

    pub(crate) fn operation(&self, name: &'static str) -> Operation {
        Operation { target: self.clone(), name }
    }

    pub(crate) fn streaming(&self, name: &'static str, how: Streaming) -> StreamingOperation {
        StreamingOperation { operation: self.operation(name), how }
    }

    fn post(&self, operation: &str) -> Ask {
        let path: Vec<&str> =
            ["proxy", &self.provider].into_iter().chain(operation.split('/')).collect();
        Ask::new(&self.byok, Method::POST, &path).for_provider()
    }

    /// The payload in its envelope.
    fn ask(&self, operation: &str, payload: &impl Serialize, streamed: bool) -> Ask {
        let ask = self.post(operation);
        match envelope::seal(&self.ref_id, payload, streamed) {
            Ok(body) => ask.json(body),
            Err(why) => ask.refuse(why),
        }
    }
}

/// An operation of a provider that answers in one piece.
///
/// The payload is the provider's own request: anything that serializes to a JSON object.
#[derive(Clone, Debug)]
pub struct Operation {
    target: Target,
    name: &'static str,
}

impl Operation {
    /// Makes the call.
    ///
    /// # Errors
    /// [`Error::Provider`] when the provider refuses, and all the others.
    pub async fn create(&self, payload: impl Serialize) -> Result<Response> {
        self.create_as(payload).await
    }

    /// Makes the call and reads the answer as a type of yours.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`Error::Provider`] too when the answer does not fit the type.
    pub async fn create_as<T: DeserializeOwned>(
        &self,
        payload: impl Serialize,
    ) -> Result<Response<T>> {
        let whole = self.target.ask(self.name, &payload, false).whole().await?;
        envelope::open(&self.target.provider, &whole)
    }
}

/// How an operation is asked for events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Streaming {
    /// By `"stream": true` in the payload.
    Flag,
    /// By an operation of its own.
    Operation(&'static str),
}

/// An operation of a provider that answers in one piece or event by event.
///
/// The payload is the provider's own request: anything that serializes to a JSON object.
#[derive(Clone, Debug)]
pub struct StreamingOperation {
    operation: Operation,
    how: Streaming,
}

impl StreamingOperation {
    /// Makes the call and waits for the whole answer.
    ///
    /// # Errors
    /// [`Error::Provider`] when the provider refuses, and all the others.
    pub async fn create(&self, payload: impl Serialize) -> Result<Response> {
        self.operation.create(payload).await
    }

    /// Makes the call and reads the answer as a type of yours.
    ///
    /// # Errors
    /// As [`Operation::create_as`].
    pub async fn create_as<T: DeserializeOwned>(
        &self,
        payload: impl Serialize,
    ) -> Result<Response<T>> {
        self.operation.create_as(payload).await
    }

    /// Makes the call and hands out the events as they come. The payload need not ask for a stream;
    /// this does.
    ///
    /// # Errors
    /// What keeps the stream from beginning; later errors are in the stream.
    pub async fn stream(&self, payload: impl Serialize) -> Result<EventStream> {
        self.stream_as(payload).await
    }

    /// As [`stream`](Self::stream), each event's data read as a type of yours.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn stream_as<T>(&self, payload: impl Serialize) -> Result<EventStream<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let Operation { target, name } = &self.operation;
        let (name, flag) = match self.how {
            Streaming::Flag => (*name, true),
            Streaming::Operation(name) => (name, false),
        };
        let ask = target.ask(name, &payload, flag);
        let patience = ask.limit();
        let answer = ask.open().await?;
        let receipt = Receipt::of(&target.provider, answer.headers());
        let content_type = content_type(answer.headers());
        match content_type.split(';').next().map(str::trim) {
            Some("text/event-stream") => {
                Ok(EventStream::sse(target.byok.clone(), receipt, answer, patience))
            }
            Some("application/vnd.amazon.eventstream") => {
                Ok(EventStream::frames(target.byok.clone(), receipt, answer, patience))
            }
            _ => Err(self.no_stream(answer, &content_type, patience).await),
        }
    }

    /// What an answer says that is no stream: most often why the provider refused.
    async fn no_stream(
        &self,
        mut answer: reqwest::Response,
        content_type: &str,
        patience: Duration,
    ) -> Error {
        let headers = std::mem::take(answer.headers_mut());
        let receipt = Receipt::of(&self.operation.target.provider, &headers);
        let body = match tokio::time::timeout(patience, answer.bytes()).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return Error::network(error, receipt.request_id),
            Err(_) => return Error::timeout(patience, receipt.request_id),
        };
        let provider = &self.operation.target.provider;
        match envelope::open::<Value>(provider, &Whole { headers, body }) {
            Err(error) => error,
            Ok(_) => Error::unexpected(
                format!("The answer is no stream of events but {content_type}; use create."),
                receipt.request_id,
            ),
        }
    }
}

/// Texts into speech.
#[derive(Clone, Debug)]
pub struct Speech(pub(crate) Operation);

impl Speech {
    /// Makes the call; the answer is the sound, in the format that the payload asks for.
    ///
    /// # Errors
    /// [`Error::Provider`] when the provider refuses, and all the others.
    pub async fn create(&self, payload: impl Serialize) -> Result<Response<Bytes>> {
        let Operation { target, name } = &self.0;
        let whole = target.ask(name, &payload, false).whole().await?;
        if content_type(&whole.headers).starts_with("application/json") {
            // The sound in JSON, as some providers have it, or a refusal.
            let Response { data, receipt } = envelope::open::<Value>(&target.provider, &whole)?;
            return Ok(Response { data: data.to_string().into(), receipt });
        }
        envelope::relayed(&target.provider, &whole.headers)
            .map(|receipt| Response { data: whole.body, receipt })
    }
}

/// Speech into texts.
#[derive(Clone, Debug)]
pub struct Transcriptions(pub(crate) Operation);

impl Transcriptions {
    /// Sends the recording with the provider's own fields (`{"model": …}`). A format that is no JSON
    /// (`text`, `srt`, `vtt`) comes as a JSON string.
    ///
    /// # Errors
    /// [`Error::Provider`] when the provider refuses, and all the others.
    pub async fn create(&self, audio: Audio, fields: impl Serialize) -> Result<Response> {
        let Operation { target, name } = &self.0;
        let ask = target.post(name);
        let ask = match form::fields(&fields) {
            Ok(fields) => {
                let ref_id = target.ref_id.clone();
                ask.form(move || form::form(&ref_id, &fields, &audio))
            }
            Err(why) => ask.refuse(why),
        };
        envelope::open(&target.provider, &ask.whole().await?)
    }
}
