//! The story of one call.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use byok_domain::{CallRecord, ErrorClass, Findings, KeySource, ProviderId, Usage};
use byok_metering::meter::{CallContext, Closed, OpenCall};
use byok_metering::tap::Tap;
use byok_net::{ReceiveBody, SendBody, SendError};
use byok_providers::{AnswerShape, HideUsageChunk, ObjectRef, Provider};
use byok_vault::{Binding, ProviderSecret, Purpose};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::answer::{Answer, AnswerBody, Refusal};
use crate::error::CallError;
use crate::gateway::{Gateway, Project, UsableKey};
use crate::masking::Masking;
use crate::multipart::{FieldScan, boundary};
use crate::prefixed::Prefixed;
use crate::request::{Call, CallBody};
use crate::upload::{Learned, Upload};
use crate::{explain, headers};

/// The longest refusal that is read whole, in bytes; what is longer is cut there.
const REFUSAL_CAP: usize = 256 * 1024;

impl Gateway {
    /// Makes one call: finds the customer's key, opens it, sends the payload to the provider and
    /// answers with what comes back, metered as it passes.
    ///
    /// From the moment the provider is dialled the call leaves exactly one record, however it
    /// ends; dropping the returned future or the answer's body cancels the call upstream.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer of the provider's to hand on. A provider's refusal is
    /// an [`Answer`].
    pub async fn call<B>(&self, call: Call<B>) -> Result<Answer, CallError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if call.headers.contains_key(headers::HOP) {
            return Err(CallError::Loop);
        }
        if !self.meter.has_room() {
            return Err(CallError::Unavailable);
        }
        let provider_id = self.provider_id(call.provider);
        let project = self.project(&call.project).await?.ok_or(CallError::NoProject)?;
        let keys = self.keys(&call.project, call.provider, &provider_id, &call.ref_id).await?;
        let outgoing = self.prepare(call.provider, &call.route, call.body, &call.headers)?;
        let key = self
            .choose(
                &call.project,
                &provider_id,
                &call.ref_id,
                &keys,
                &call.route,
                &outgoing.objects,
            )
            .await?;
        let base = key.base.as_ref().ok_or(CallError::Blocked)?;

        let secret = open(&project, key)?;
        let request = {
            let path = match &call.query {
                Some(query) => format!("{}?{query}", call.route.path),
                None => call.route.path.to_string(),
            };
            let uri = base.uri(&path).map_err(|_| CallError::Path)?;
            let mut request = Request::new(outgoing.body);
            *request.method_mut() = call.route.method.clone();
            *request.uri_mut() = uri;
            *request.headers_mut() = headers::upstream(call.provider, &call.headers);
            if base.is_customers() {
                request.headers_mut().insert(headers::HOP, HeaderValue::from_static("1"));
            }
            call.provider.authorize(&key.stored.config, &secret, request.headers_mut());
            request
        };
        let record = CallRecord {
            id: call.id,
            project: call.project,
            ref_id: call.ref_id,
            provider: provider_id,
            model: outgoing.model,
            operation: call.route.operation.name.into(),
            key: Some(key.stored.id.clone()),
            source: KeySource::Byok,
            status: 0,
            error: None,
            streamed: outgoing.stream,
            usage: None,
            usage_estimated: false,
            customer_reported: base.is_customers(),
            cost: None,
            latency_ms: 0,
            first_byte_ms: None,
            at: call.at,
            object: None,
        };
        let context = CallContext {
            overrides: Arc::clone(&project.overrides),
            presumed: outgoing.presumed,
            request_bytes: outgoing.length,
            makes: call.route.makes,
            started: call.started,
        };
        let mut open_call = self.meter.open(record, context);
        let sent = self.upstream.send(base, request).await;
        if let (Some(learned), Some(record)) = (&outgoing.learned, open_call.record_mut())
            && let Some(model) = learned.model()
        {
            record.model = Some(model);
        }
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                return Err(unanswered(call.provider, error, outgoing.learned, open_call));
            }
        };
        let answering = Answering {
            id: call.id,
            provider: call.provider,
            expects_json: call.route.operation.answer == AnswerShape::Json && call.route.known,
            secret,
        };
        if response.status().is_redirection() {
            close(&mut open_call, 502, ErrorClass::ProviderDown).await?;
            return Err(CallError::Redirect(call.provider.display_name()));
        }
        let mut reader = call.provider.reader(&call.route, is_events(response.headers()));
        if let (Some(kind), Some(record)) = (call.route.makes, open_call.record_mut()) {
            reader = self.made.noting(reader, record, kind);
        }
        let hide = outgoing.hide_usage.then(HideUsageChunk::default);
        answering.answer(response, open_call, reader, hide).await
    }

    /// The key to use: the one that made the stored object that the call touches, else the first.
    async fn choose<'k>(
        &self,
        project: &byok_domain::ProjectId,
        provider: &ProviderId,
        ref_id: &byok_domain::RefId,
        keys: &'k [UsableKey],
        route: &byok_providers::Route,
        named: &[ObjectRef],
    ) -> Result<&'k UsableKey, CallError> {
        let mut chosen = keys.first();
        for object in route.object.iter().chain(named) {
            let ObjectRef { kind, id } = object;
            let owner = match self.made.owner(project, provider, object) {
                Some(owner) => Some(owner),
                None => self.directory.object_owner(project, provider, kind, id).await?,
            };
            // An object made elsewhere with the customer's own key is the customer's affair; one
            // that another customer made through here does not exist.
            let Some(owner) = owner else { continue };
            if owner.ref_id != *ref_id {
                return Err(CallError::NoObject(kind));
            }
            let made_with = keys.iter().find(|key| Some(&key.stored.id) == owner.key.as_ref());
            chosen = made_with.or(chosen);
        }
        chosen.ok_or_else(|| CallError::KeyNotConnected(provider.clone()))
    }

    fn prepare<B>(
        &self,
        provider: &'static dyn Provider,
        route: &byok_providers::Route,
        body: CallBody<B>,
        headers: &HeaderMap,
    ) -> Result<Outgoing, CallError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        match body {
            CallBody::Empty => Ok(Outgoing::default()),
            CallBody::Json(body) => {
                let length = body.len() as u64;
                let payload = provider.prepare(route, body, true)?;
                Ok(Outgoing {
                    body: pieces(payload.pieces),
                    length,
                    model: payload.model,
                    stream: payload.stream,
                    hide_usage: payload.hide_usage,
                    presumed: payload.presumed,
                    objects: payload.objects,
                    learned: None,
                })
            }
            CallBody::Stream(body) => {
                let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
                let scan = content_type.and_then(boundary).map(|b| FieldScan::new("model", &b));
                let (upload, learned) = Upload::new(body, self.max_body, scan);
                let length = upload.size_hint().lower();
                Ok(Outgoing {
                    body: SendBody::stream(upload),
                    length,
                    learned: Some(learned),
                    ..Outgoing::default()
                })
            }
        }
    }
}

/// A request as it goes out, and what was read of it.
#[derive(Default)]
struct Outgoing {
    body: SendBody,
    length: u64,
    model: Option<Arc<str>>,
    stream: bool,
    hide_usage: bool,
    presumed: Option<Usage>,
    objects: Vec<ObjectRef>,
    learned: Option<Arc<Learned>>,
}

fn pieces(mut pieces: Vec<Bytes>) -> SendBody {
    match pieces.len() {
        1 => SendBody::from(pieces.remove(0)),
        _ => {
            let length: usize = pieces.iter().map(Bytes::len).sum();
            if length <= 64 * 1024 {
                // One short copy costs less than three writes.
                return SendBody::Full(pieces.concat().into());
            }
            SendBody::stream(crate::prefixed::Pieces::new(pieces))
        }
    }
}

fn open(project: &Project, key: &UsableKey) -> Result<ProviderSecret, CallError> {
    let stored = &key.stored;
    let origin = match &key.base {
        Some(base) if base.is_customers() => base.origin(),
        _ => "",
    };
    let binding = Binding {
        purpose: Purpose::ProviderKey,
        project: &stored.project,
        connection: &stored.id,
        ref_id: &stored.ref_id,
        provider: &stored.provider,
        origin,
        version: stored.version,
    };
    project.data_key.open(&binding, &stored.sealed).map_err(|error| {
        tracing::error!(key = %stored.id, %error, "a stored key does not open");
        CallError::Vault(error)
    })
}

/// Records a call that got no answer, and says why.
fn unanswered(
    provider: &'static dyn Provider,
    error: SendError,
    learned: Option<Arc<Learned>>,
    mut call: OpenCall,
) -> CallError {
    let name = provider.display_name();
    let (status, class, told) = match error {
        SendError::RequestBody(_) if learned.is_some_and(|learned| learned.too_large()) => {
            (413, ErrorClass::RequestRejected, CallError::BodyTooLarge(0))
        }
        SendError::RequestBody(_) => (499, ErrorClass::ClientClosed, CallError::RequestBody),
        SendError::Blocked => (502, ErrorClass::ProviderDown, CallError::Blocked),
        SendError::Timeout { .. } => (504, ErrorClass::ProviderDown, CallError::Timeout(name)),
        source => {
            (502, ErrorClass::ProviderDown, CallError::Unreachable { provider: name, source })
        }
    };
    if let Some(record) = call.record_mut() {
        record.status = status;
    }
    call.close(Some(class), Findings::default());
    told
}

/// Records a call that failed; an answer may go out once this has succeeded.
async fn close(call: &mut OpenCall, status: u16, class: ErrorClass) -> Result<(), CallError> {
    if let Some(record) = call.record_mut() {
        record.status = status;
    }
    keep(call.close(Some(class), Findings::default())).await
}

/// Waits until the record of a call that was just closed is durable.
async fn keep(closed: Option<Closed>) -> Result<(), CallError> {
    let Some(closed) = closed else { return Ok(()) };
    let receipt = closed.receipt.map_err(|_| CallError::Unavailable)?;
    receipt.durable().await.map_err(|_| CallError::Unavailable)
}

fn is_events(headers: &HeaderMap) -> bool {
    essence_is(headers, |essence| essence == "text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    essence_is(headers, |essence| essence == "application/json" || essence.ends_with("+json"))
}

fn essence_is(headers: &HeaderMap, matches: impl Fn(&str) -> bool) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    matches(&value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// What the answer's half of a call needs of its first half.
struct Answering {
    id: byok_domain::RequestId,
    provider: &'static dyn Provider,
    expects_json: bool,
    secret: ProviderSecret,
}

impl Answering {
    async fn answer(
        self,
        response: Response<ReceiveBody>,
        mut call: OpenCall,
        reader: Box<dyn byok_domain::AnswerReader>,
        hide: Option<HideUsageChunk>,
    ) -> Result<Answer, CallError> {
        let (head, mut body) = response.into_parts();
        let json = is_json(&head.headers);
        let events = is_events(&head.headers);
        if let Some(record) = call.record_mut() {
            record.status = head.status.as_u16();
            record.streamed = events;
        }
        // An HTML page where an API should answer is a proxy's or a host's error page.
        let page = self.expects_json && essence_is(&head.headers, |e| e == "text/html");
        if !head.status.is_success() || page {
            return self.refuse(head.status, &head.headers, body, call, page).await;
        }
        let readable = json && !head.headers.contains_key(header::CONTENT_ENCODING);
        let judged = readable && self.expects_json && head.status == StatusCode::OK;
        if body.is_end_stream() && !judged {
            // Nothing will be polled of an empty body: it is recorded here.
            keep(call.close(None, Findings { complete: true, ..Findings::default() })).await?;
            let headers = self.downstream(&head.headers);
            return Ok(
                self.finish(head.status, headers, json, None, |_| AnswerBody::whole(Bytes::new()))
            );
        }
        // The first piece of a document is there at once, and tells an error behind a 200; of any
        // other answer it is taken only if it is there already.
        let Ok((first, over)) = opening(&mut body, judged).await else {
            close(&mut call, 502, ErrorClass::Truncated).await?;
            return Err(CallError::Broken(self.provider.display_name()));
        };
        if judged && begins_as_failure(first.as_deref().unwrap_or_default(), over) {
            let body = Prefixed::new(first, body);
            return self.refuse(head.status, &head.headers, body, call, false).await;
        }
        let mut passed = self.downstream(&head.headers);
        if hide.is_some() {
            passed.remove(header::CONTENT_LENGTH);
        }
        let tap = Tap::new(Prefixed::new(first, body), reader, call);
        let hide = hide.filter(|_| events);
        let mut answer = self.finish(head.status, passed, json, None, |secret| {
            AnswerBody::relayed(tap, hide, Masking::new(secret))
        });
        if over {
            answer.body = answer.body.settled().await.map_err(|_| CallError::Unavailable)?;
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
        let class =
            if page { ErrorClass::ProviderDown } else { self.provider.classify(status, &body) };
        if let Some(record) = call.record_mut() {
            record.streamed = false;
        }
        call.first_byte();
        let shown = if page && status.is_success() { StatusCode::BAD_GATEWAY } else { status };
        close(&mut call, shown.as_u16(), class).await?;
        let mut headers = self.downstream(from);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let explanation = explain::refusal(self.provider.display_name(), class, &headers);
        let json = is_json(from) && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        let refusal = Some(Refusal { class, explanation });
        Ok(self.finish(shown, headers, json, refusal, |_| AnswerBody::whole(body)))
    }

    /// The headers that are passed on, the key in them masked.
    fn downstream(&self, from: &HeaderMap) -> HeaderMap {
        let mut headers = headers::downstream(from);
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
