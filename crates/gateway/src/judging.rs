//! What came of an attempt: an answer that can be passed on, or a failure.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use byok_domain::circuit::Outcome;
use byok_domain::limits::Remaining;
use byok_domain::routing::FallbackReason;
use byok_domain::{ClientGone, ErrorClass, KeySource, Opening, RequestId};
use byok_net::{ReceiveBody, SendError};
use byok_providers::{AnswerShape, MediaType, Provider, Route};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;

use crate::error::CallError;
use crate::opening::{Begun, begin};
use crate::prefixed::Prefixed;
use crate::readdressing::{self, Readdressing};
use crate::request::{CollectError, collect};
use crate::upload::Learned;
use crate::{circuits, headers};

/// The longest refusal that is read whole, in bytes; what is longer is cut there.
const REFUSAL_CAP: usize = 256 * 1024;

/// What the answer's half of a call needs of its first half.
pub(crate) struct Answering {
    pub(crate) id: RequestId,
    pub(crate) provider: &'static dyn Provider,
    pub(crate) secret: ProviderSecret,
    pub(crate) source: KeySource,
    pub(crate) fallback: Option<FallbackReason>,
    /// What is left of the customer's limits, where they are ours.
    pub(crate) remaining: Remaining,
    pub(crate) client_gone: ClientGone,
    /// What is to be done with addresses in the body, on the few routes whose answers hold such.
    pub(crate) readdressing: Option<Readdressing>,
    /// The header that says where the upload goes on that the call began.
    pub(crate) upload: Option<(HeaderName, HeaderValue)>,
    /// Whether an answer may have no body where others have a document: in the middle of an upload.
    pub(crate) may_be_empty: bool,
}

/// An answer that can be passed on, as far as it was read.
pub(crate) struct Opened {
    pub(crate) answering: Box<Answering>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) media: MediaType,
    /// What was read of it already.
    pub(crate) first: Option<Bytes>,
    /// Whether it is a document that is here whole.
    pub(crate) whole: bool,
    /// Whether there is no body at all, and nothing of it would ever be read.
    pub(crate) empty: bool,
    pub(crate) body: ReceiveBody,
}

/// An attempt that failed before anything of it was passed on.
pub(crate) struct Failed {
    pub(crate) class: ErrorClass,
    /// The provider's status, or the one that its silence is told as.
    pub(crate) status: u16,
    /// What it says to the circuit of the key.
    pub(crate) outcome: Outcome,
    pub(crate) told: Told,
}

/// What a provider told of a failure.
pub(crate) enum Told {
    /// Nothing that is passed on.
    Nothing(CallError),
    /// A refusal, read whole.
    Refusal(Box<ReadRefusal>),
    /// A stream that begins with an error.
    Stream(Box<Opened>),
}

/// A refusal, the key in it masked.
pub(crate) struct ReadRefusal {
    pub(crate) answering: Box<Answering>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) is_json: bool,
}

impl Answering {
    /// Looks at the answer to `route` as far as it takes to tell whether it is one. `holds` has a
    /// stream's events held until its first content.
    pub(crate) async fn judge(
        self: Box<Self>,
        response: Response<ReceiveBody>,
        route: &Route,
        holds: bool,
    ) -> Result<Opened, Box<Failed>> {
        let name = self.provider.display_name();
        let (Parts { status, headers, .. }, body) = response.into_parts();
        if status.is_redirection() {
            let told = CallError::Redirect(name);
            return Err(Failed::silent(ErrorClass::ProviderDown, 502, told));
        }
        let media = MediaType::of(&headers);
        let expects_json = route.operation.answer == AnswerShape::Json && route.known;
        // An HTML page where an API should answer is a proxy's or a host's error page.
        let page = expects_json && media == MediaType::Page;
        if !status.is_success() || page {
            return Err(Box::pin(self.refused(status, headers, page, body)).await);
        }
        let coded = headers::is_coded(&headers);
        let readable = media == MediaType::Json && !coded;
        let judged = readable
            && expects_json
            && status == StatusCode::OK
            && !(self.may_be_empty && body.is_end_stream());
        let empty = body.is_end_stream() && !judged;
        let (answering, first, whole) = (self, None, false);
        let mut opened = Opened { answering, status, headers, media, first, whole, empty, body };
        if empty {
            return Ok(opened);
        }
        // The first piece of a document is there at once, and tells an error behind a 200; of any
        // other answer it is taken only if it is there already.
        let broken = || Failed::silent(ErrorClass::Truncated, 502, CallError::Broken(name));
        let beginning = match &opened.answering.readdressing {
            None => opening(&mut opened.body, judged).await.map_err(|_| Unopened::Broken),
            Some(readdressing) if readable => readdressed(&mut opened.body, readdressing).await,
            Some(_) => Err(Unopened::Elsewhere),
        };
        let (first, over) = match beginning {
            Ok(beginning) => beginning,
            Err(Unopened::Broken) => return Err(broken()),
            Err(Unopened::Elsewhere) => {
                let told = CallError::Elsewhere(name);
                return Err(Failed::silent(ErrorClass::ProviderDown, 502, told));
            }
        };
        if judged && begins_as_failure(first.as_deref().unwrap_or_default(), over) {
            let Opened { answering, headers, body, .. } = opened;
            let body = Prefixed::new(first, body);
            return Err(Box::pin(answering.refused(status, headers, false, body)).await);
        }
        opened.whole = over && judged;
        if !(holds && media.is_events()) || coded {
            opened.first = first;
            return Ok(opened);
        }
        let reader = opened.answering.provider.reader_beside(route, media, &opened.headers);
        let begun = begin(&mut opened.body, first, reader).await;
        let Ok(Begun { held, opening }) = begun else { return Err(broken()) };
        opened.first = Some(held);
        match opening {
            Opening::Preamble | Opening::Content => Ok(opened),
            Opening::Failed(class) => Err(Box::new(Failed {
                class,
                status: status.as_u16(),
                outcome: circuits::outcome(class, Some(&opened.headers)),
                told: Told::Stream(Box::new(opened)),
            })),
        }
    }

    /// Reads a refusal whole, masks the key in it and names its class.
    async fn refused<B>(
        self: Box<Self>,
        status: StatusCode,
        headers: HeaderMap,
        page: bool,
        body: B,
    ) -> Box<Failed>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let body = beginning(body, REFUSAL_CAP).await;
        let body = self.secret.mask_in(&body).map_or(body, Bytes::from);
        let class = if page && status.is_success() {
            ErrorClass::ProviderDown
        } else {
            self.provider.classify(status, &headers, &body)
        };
        let shown = if page && status.is_success() { StatusCode::BAD_GATEWAY } else { status };
        let is_json = MediaType::of(&headers) == MediaType::Json
            && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        let outcome = circuits::outcome(class, Some(&headers));
        let told = ReadRefusal { answering: self, status: shown, headers, body, is_json };
        let told = Told::Refusal(Box::new(told));
        Box::new(Failed { class, status: shown.as_u16(), outcome, told })
    }
}

impl Failed {
    /// A failure of which nothing of the provider's is passed on.
    pub(crate) fn silent(class: ErrorClass, status: u16, told: CallError) -> Box<Self> {
        let outcome = circuits::outcome(class, None);
        Box::new(Self { class, status, outcome, told: Told::Nothing(told) })
    }

    /// A request that got no answer.
    pub(crate) fn unanswered(
        provider: &'static dyn Provider,
        error: SendError,
        learned: Option<&Learned>,
    ) -> Box<Self> {
        let name = provider.display_name();
        let (status, class, told) = match error {
            SendError::RequestBody(_) if learned.is_some_and(Learned::too_large) => {
                (413, ErrorClass::RequestRejected, CallError::BodyTooLarge)
            }
            SendError::RequestBody(_) => (499, ErrorClass::ClientClosed, CallError::RequestBody),
            SendError::Blocked => (502, ErrorClass::ProviderDown, CallError::Blocked),
            SendError::Timeout { .. } => (504, ErrorClass::ProviderDown, CallError::Timeout(name)),
            source => {
                (502, ErrorClass::ProviderDown, CallError::Unreachable { provider: name, source })
            }
        };
        Self::silent(class, status, told)
    }
}

/// The first piece of a body, and whether it was the last; waits for it only if told to.
async fn opening<B>(body: &mut B, wait: bool) -> Result<(Option<Bytes>, bool), B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let frame = if wait {
        body.frame().await
    } else {
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
        match polled {
            Poll::Ready(frame) => frame,
            Poll::Pending => return Ok((None, false)),
        }
    };
    match frame {
        None => Ok((None, true)),
        Some(frame) => Ok((frame?.into_data().ok(), body.is_end_stream())),
    }
}

/// Why there is no beginning of an answer to hand on.
enum Unopened {
    /// It broke off.
    Broken,
    /// It may hold addresses, and cannot be read.
    Elsewhere,
}

/// The whole of a body, its addresses replaced: as its first piece, and the last.
async fn readdressed(
    body: &mut ReceiveBody,
    readdressing: &Readdressing,
) -> Result<(Option<Bytes>, bool), Unopened> {
    let document = match collect(body, readdressing::LONGEST).await {
        Ok(document) => document,
        Err(CollectError::TooLarge(_)) => return Err(Unopened::Elsewhere),
        Err(CollectError::Broken(_)) => return Err(Unopened::Broken),
    };
    let written = readdressing.apply(&document).ok_or(Unopened::Elsewhere)?;
    Ok((Some(written.into()), true))
}

/// Whether what should be a document begins as none, or as one that tells an error. Strings are
/// what some hosts answer to a transcription that was asked for as text.
fn begins_as_failure(document: &[u8], over: bool) -> bool {
    let text = document.trim_ascii_start();
    match text.first() {
        None => over,
        Some(b'{') => has_error_first(text),
        Some(b'[') => has_error_first(text[1..].trim_ascii_start()),
        Some(b'"') => false,
        Some(_) => true,
    }
}

/// Whether an object's first field is an error.
fn has_error_first(object: &[u8]) -> bool {
    let text = object.strip_prefix(b"{").unwrap_or(&[]).trim_ascii_start();
    let Some(rest) = text.strip_prefix(b"\"error\"") else { return false };
    let value = rest.trim_ascii_start().strip_prefix(b":").unwrap_or(&[]).trim_ascii_start();
    !value.is_empty() && !value.starts_with(b"null")
}

async fn beginning<B>(mut body: B, cap: usize) -> Bytes
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut read = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            let room = cap - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
        }
        if read.len() >= cap {
            break;
        }
    }
    read.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documents_first_bytes_tell_whether_it_is_a_failure() {
        for (document, over, failure) in [
            (&b"{\"error\":{\"message\":\"no\"}}"[..], true, true),
            (b" { \"error\" : \"loading\" }", false, true),
            (b"[{\"error\":{\"code\":429}}]", true, true),
            (b"{\"error\":null,\"id\":1}", false, false),
            (b"{\"id\":1,\"error\":1}", false, false),
            (b"{", false, false),
            (b"[{\"id\":\"m1\"}]", true, false),
            (b"\"Hello there.\"", true, false),
            (b"", false, false),
            (b" \r\n", false, false),
            (b" \r\n", true, true),
            (b"", true, true),
            (b"null", true, true),
            (b"<html>", false, true),
            (b"2\r\n{}\r\n", false, true),
        ] {
            let text = String::from_utf8_lossy(document);
            assert_eq!(begins_as_failure(document, over), failure, "{text} {over}");
        }
    }
}
