//! From the head of the provider's answer to the answer on its way to the caller.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use byok_domain::{AnswerReader, ClientGone, ErrorClass, Findings, KeySource, RequestId};
use byok_metering::meter::{Closed, OpenCall};
use byok_metering::tap::{Tap, TapError};
use byok_net::{ReceiveBody, ReceiveError};
use byok_providers::{HideUsageChunk, MediaType, Provider};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::answer::{Answer, AnswerBody, Refusal};
use crate::error::CallError;
use crate::masking::Masking;
use crate::prefixed::Prefixed;
use crate::readdressing::{self, Readdressing};
use crate::request::{CollectError, collect};
use crate::{explain, headers};

/// The longest refusal that is read whole, in bytes; what is longer is cut there.
const REFUSAL_CAP: usize = 256 * 1024;

/// What the answer's half of a call needs of its first half.
pub(crate) struct Answering {
    pub(crate) id: RequestId,
    pub(crate) media: MediaType,
    pub(crate) provider: &'static dyn Provider,
    pub(crate) expects_json: bool,
    pub(crate) secret: ProviderSecret,
    pub(crate) client_gone: ClientGone,
    /// What is to be done with addresses in the body, on the few routes whose answers hold such.
    pub(crate) readdressing: Option<Readdressing>,
    /// The header that says where the upload goes on that the call began.
    pub(crate) upload: Option<(HeaderName, HeaderValue)>,
    /// Whether an answer may have no body where others have a document: in the middle of an upload.
    pub(crate) may_be_empty: bool,
}

impl Answering {
    /// The answer to the caller: a refusal read whole, or the body on its way.
    pub(crate) async fn answer(
        self,
        response: Response<ReceiveBody>,
        mut call: OpenCall,
        reader: Box<dyn AnswerReader>,
        hide: Option<HideUsageChunk>,
    ) -> Result<Answer, CallError> {
        let (head, mut body) = response.into_parts();
        let json = self.media == MediaType::Json;
        let events = self.media.is_events();
        if let Some(record) = call.record_mut() {
            record.status = head.status.as_u16();
            record.streamed = events;
        }
        // An HTML page where an API should answer is a proxy's or a host's error page.
        let page = self.expects_json && self.media == MediaType::Page;
        if !head.status.is_success() || page {
            return self.refuse(head.status, &head.headers, body, call, page).await;
        }
        let readable = json && !headers::is_coded(&head.headers);
        let judged = readable
            && self.expects_json
            && head.status == StatusCode::OK
            && !(self.may_be_empty && body.is_end_stream());
        if body.is_end_stream() && !judged {
            // Nothing will be polled of an empty body: it is recorded here.
            keep(call.close(None, &Findings { complete: true, ..Findings::default() })).await?;
            let headers = self.downstream(&head.headers);
            return Ok(
                self.finish(head.status, headers, json, None, |_| AnswerBody::whole(Bytes::new()))
            );
        }
        // The first piece of a document is there at once, and tells an error behind a 200; of any
        // other answer it is taken only if it is there already.
        let opened = match &self.readdressing {
            None => opening(&mut body, judged).await.map_err(|_| Unopened::Broken),
            Some(readdressing) if readable => readdressed(&mut body, readdressing).await,
            Some(_) => Err(Unopened::Elsewhere),
        };
        let (first, over) = match opened {
            Ok(opened) => opened,
            Err(Unopened::Broken) => {
                close(&mut call, 502, ErrorClass::Truncated).await?;
                return Err(CallError::Broken(self.provider.display_name()));
            }
            Err(Unopened::Elsewhere) => {
                close(&mut call, 502, ErrorClass::ProviderDown).await?;
                return Err(CallError::Elsewhere(self.provider.display_name()));
            }
        };
        if judged && begins_as_failure(first.as_deref().unwrap_or_default(), over) {
            let body = Prefixed::new(first, body);
            return self.refuse(head.status, &head.headers, body, call, false).await;
        }
        let mut passed = self.downstream(&head.headers);
        if hide.is_some() || self.readdressing.is_some() {
            passed.remove(header::CONTENT_LENGTH);
        }
        let tap = Tap::new(Prefixed::new(first, body), reader, call);
        let hide = hide.filter(|_| events);
        // Only these tell usage: of another answer nothing would be learnt by reading on.
        let drains = self.client_gone == ClientGone::Drain && (events || json);
        let provider = self.provider;
        let mut answer = self.finish(head.status, passed, json, None, |secret| {
            AnswerBody::relayed(tap, hide, Masking::new(secret), drains)
        });
        if over && judged {
            let settled = answer.body.settled().await;
            answer.body = settled.map_err(|error| unsettled(provider.display_name(), &*error))?;
        }
        Ok(answer)
    }

    /// Reads a refusal whole, masks the key in it, names its class and records it.
    async fn refuse<B>(
        self,
        status: StatusCode,
        from: &HeaderMap,
        body: B,
        mut call: OpenCall,
        page: bool,
    ) -> Result<Answer, CallError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let body = beginning(body, REFUSAL_CAP).await;
        let body = self.secret.mask_in(&body).map_or(body, Bytes::from);
        let class = if page {
            ErrorClass::ProviderDown
        } else {
            self.provider.classify(status, from, &body)
        };
        if let Some(record) = call.record_mut() {
            record.streamed = false;
        }
        call.first_byte();
        let shown = if page && status.is_success() { StatusCode::BAD_GATEWAY } else { status };
        close(&mut call, shown.as_u16(), class).await?;
        let mut headers = self.downstream(from);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let explanation = explain::refusal(self.provider.display_name(), class, &headers);
        let json = self.media == MediaType::Json
            && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        let refusal = Some(Refusal { class, explanation });
        Ok(self.finish(shown, headers, json, refusal, |_| AnswerBody::whole(body)))
    }

    /// The headers that are passed on, the key in them masked.
    fn downstream(&self, from: &HeaderMap) -> HeaderMap {
        let mut headers = headers::downstream(from);
        if let Some((name, address)) = &self.upload {
            headers.insert(name, address.clone());
        }
        for value in headers.values_mut() {
            if let Some(masked) = self.secret.mask_in(value.as_bytes())
                && let Ok(masked) = HeaderValue::from_bytes(&masked)
            {
                *value = masked;
            }
        }
        headers
    }

    fn finish(
        self,
        status: StatusCode,
        headers: HeaderMap,
        is_json: bool,
        refusal: Option<Refusal>,
        body: impl FnOnce(ProviderSecret) -> AnswerBody,
    ) -> Answer {
        Answer {
            id: self.id,
            provider: self.provider.id(),
            source: KeySource::Byok,
            status,
            headers,
            is_json,
            refusal,
            body: body(self.secret),
        }
    }
}

/// Why an answer that is there already is not passed on: only a missing record is our own failure.
fn unsettled(provider: &'static str, error: &(dyn Error + Send + Sync + 'static)) -> CallError {
    match error.downcast_ref::<TapError<ReceiveError>>() {
        Some(TapError::Upstream(_) | TapError::Incomplete) => CallError::Broken(provider),
        Some(TapError::Unrecorded) | None => CallError::Unavailable,
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

/// Records a call that failed; an answer may go out once this has succeeded.
pub(crate) async fn close(
    call: &mut OpenCall,
    status: u16,
    class: ErrorClass,
) -> Result<(), CallError> {
    if let Some(record) = call.record_mut() {
        record.status = status;
    }
    keep(call.close(Some(class), &Findings::default())).await
}

/// Waits until the record of a call that was just closed is durable.
async fn keep(closed: Option<Closed>) -> Result<(), CallError> {
    let Some(closed) = closed else { return Ok(()) };
    let receipt = closed.receipt.map_err(|_| CallError::Unavailable)?;
    receipt.await.map_err(|_| CallError::Unavailable)
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
