//! The story of one call.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use byok_domain::{CallRecord, ErrorClass, Findings, KeySource, ProviderId, ProviderKeyId, Usage};
use byok_metering::meter::{CallContext, OpenCall};
use byok_net::{Base, SendBody, SendError};
use byok_providers::{
    AnswerShape, HideUsageChunk, MediaType, NextAddress, ObjectRef, OutgoingRequest, Provider,
    Unread,
};
use byok_vault::{Binding, ProviderSecret, Purpose};
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body::Body;

use crate::answer::Answer;
use crate::answering::{Answering, close};
use crate::error::CallError;
use crate::gateway::{Gateway, Project, UsableKey};
use crate::headers;
use crate::multipart::{FieldScan, boundary};
use crate::named_objects::Named;
use crate::query;
use crate::readdressing::Readdressing;
use crate::request::{Call, CallBody};
use crate::upload::{Learned, Upload};

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
        let asks = project.settings.include_usage;
        let mut outgoing =
            self.prepare(call.provider, &call.route, call.body, &call.headers, asks)?;
        let (key, owned) = self
            .choose(
                &call.project,
                &provider_id,
                &call.ref_id,
                &keys,
                &call.route,
                &outgoing.objects,
            )
            .await?;
        let key = match &call.continues {
            None => key,
            Some(upload) => begun_with(&keys, &upload.key)
                .ok_or_else(|| CallError::KeyNotConnected(provider_id.clone()))?,
        };
        let base = key.base.as_ref().ok_or(CallError::Blocked)?;

        let customer_reported = base.is_customers() && !is_providers(base, call.provider);
        let secret = open(&project, key)?;
        let request = {
            let config = &key.stored.config;
            let path = call.provider.path(&call.route, outgoing.model.as_deref(), config)?;
            let query =
                call.query.as_deref().and_then(|query| query::upstream(call.provider, query));
            let path = match query {
                Some(query) if path.contains('?') => Cow::Owned(format!("{path}&{query}")),
                Some(query) => Cow::Owned(format!("{path}?{query}")),
                None => path,
            };
            let uri = base.uri(&path).map_err(|_| CallError::Path)?;
            let model = outgoing.model.as_deref();
            if let Some(member) = call.provider.added_member(&call.route, model, config) {
                outgoing.body.add_member(member);
            }
            let mut headers = headers::upstream(call.provider, &call.headers);
            if base.is_customers() {
                headers.insert(headers::HOP, HeaderValue::from_static("1"));
            }
            let mut unsigned = OutgoingRequest {
                method: &call.route.method,
                uri: &uri,
                headers: &mut headers,
                body: outgoing.body.pieces(),
                at: call.at,
            };
            // The address at which an upload goes on is all that the provider asks for: whoever came
            // by it alone gets no use of the key.
            if call.continues.is_none() {
                call.provider.authorize(config, &secret, &mut unsigned);
            }
            let mut request = Request::new(outgoing.body.into());
            *request.method_mut() = call.route.method.clone();
            *request.uri_mut() = uri;
            *request.headers_mut() = headers;
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
            customer_reported,
            cost: None,
            unit_prices: None,
            answered: None,
            latency_ms: 0,
            first_byte_ms: None,
            at: call.at,
            objects: Vec::new(),
            aftermath: byok_domain::Aftermath::default(),
        };
        let context = CallContext {
            overrides: Arc::clone(&project.overrides),
            presumed: outgoing.presumed,
            region: call.provider.host_region(base.origin()),
            request_bytes: outgoing.length,
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
        self.limits.note(&key.stored.project, &key.stored.id, response.headers(), call.at);
        let media = MediaType::of(response.headers());
        let next = call.provider.next_address(&call.route);
        let upload = match self.upload_address(
            next.as_ref(),
            call.here.as_ref(),
            &project,
            key,
            response.headers(),
        ) {
            Ok(upload) => upload,
            Err(error) => {
                close(&mut open_call, 502, ErrorClass::ProviderDown).await?;
                return Err(error);
            }
        };
        let answering = Answering {
            id: call.id,
            media,
            provider: call.provider,
            expects_json: call.route.operation.answer == AnswerShape::Json && call.route.known,
            secret,
            client_gone: project.settings.client_gone,
            readdressing: Readdressing::of(next.as_ref(), call.here.as_ref()),
            upload,
            may_be_empty: matches!(next, Some(NextAddress::Upload(_))),
        };
        if response.status().is_redirection() {
            close(&mut open_call, 502, ErrorClass::ProviderDown).await?;
            return Err(CallError::Redirect(call.provider.display_name()));
        }
        // Some compress although they are told not to: then nothing can be read, nor cut out.
        let coded = headers::is_coded(response.headers());
        let mut reader = if coded {
            Box::new(Unread)
        } else {
            call.provider.reader_beside(&call.route, media, response.headers())
        };
        if let (Some(named), Some(record)) =
            (Named::in_answer(&call.route, owned), open_call.record_mut())
        {
            reader = self.made.noting(reader, record, named);
        }
        let hide = (outgoing.hide_usage && !coded).then(HideUsageChunk::default);
        answering.answer(response, open_call, reader, hide).await
    }

    /// The key to use: the one that made the stored object that the call touches, else the first.
    /// And whether the object in the path is known to be the customer's.
    async fn choose<'k>(
        &self,
        project: &byok_domain::ProjectId,
        provider: &ProviderId,
        ref_id: &byok_domain::RefId,
        keys: &'k [UsableKey],
        route: &byok_providers::Route,
        named: &[ObjectRef],
    ) -> Result<(&'k UsableKey, bool), CallError> {
        let (mut chosen, mut owned) = (keys.first(), false);
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
            owned |= route.object.as_ref() == Some(object);
        }
        let key = chosen.ok_or_else(|| CallError::KeyNotConnected(provider.clone()))?;
        Ok((key, owned))
    }

    fn prepare<B>(
        &self,
        provider: &'static dyn Provider,
        route: &byok_providers::Route,
        body: CallBody<B>,
        headers: &HeaderMap,
        asks_usage: bool,
    ) -> Result<Outgoing, CallError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        match body {
            CallBody::Empty => Ok(Outgoing::default()),
            CallBody::Json(body) => {
                let length = body.len() as u64;
                let payload = provider.prepare(route, body, asks_usage)?;
                Ok(Outgoing {
                    body: OutgoingBody::Pieces(payload.pieces),
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
                    body: OutgoingBody::Stream(SendBody::stream(upload)),
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
    body: OutgoingBody,
    length: u64,
    model: Option<Arc<str>>,
    stream: bool,
    hide_usage: bool,
    presumed: Option<Usage>,
    objects: Vec<ObjectRef>,
    learned: Option<Arc<Learned>>,
}

/// A body that is there, or one that is streamed through.
enum OutgoingBody {
    Pieces(Vec<Bytes>),
    Stream(SendBody),
}

impl Default for OutgoingBody {
    fn default() -> Self {
        Self::Pieces(Vec::new())
    }
}

impl OutgoingBody {
    /// Puts a member before the others of the object that the pieces are.
    fn add_member(&mut self, mut member: String) {
        let Self::Pieces(pieces) = self else { return };
        let Some(first) = pieces.first().cloned() else { return };
        let Some(open) = first.iter().position(|byte| *byte == b'{') else { return };
        let rest = first.slice(open + 1..);
        if rest.trim_ascii_start().first() != Some(&b'}') {
            member.push(',');
        }
        pieces.splice(..1, [first.slice(..=open), Bytes::from(member), rest]);
    }

    /// What a signature covers.
    fn pieces(&self) -> Option<&[Bytes]> {
        match self {
            Self::Pieces(pieces) => Some(pieces),
            Self::Stream(_) => None,
        }
    }
}

impl From<OutgoingBody> for SendBody {
    fn from(body: OutgoingBody) -> Self {
        let mut pieces = match body {
            OutgoingBody::Pieces(pieces) => pieces,
            OutgoingBody::Stream(body) => return body,
        };
        match pieces.len() {
            0 => Self::Empty,
            1 => Self::from(pieces.remove(0)),
            // One short copy costs less than three writes.
            _ if pieces.iter().map(Bytes::len).sum::<usize>() <= 64 * 1024 => {
                Self::Full(pieces.concat().into())
            }
            _ => Self::stream(crate::prefixed::Pieces::new(pieces)),
        }
    }
}

pub(crate) fn open(project: &Project, key: &UsableKey) -> Result<ProviderSecret, CallError> {
    let stored = &key.stored;
    let binding = Binding {
        purpose: Purpose::ProviderKey,
        project: &stored.project,
        connection: &stored.id,
        ref_id: Some(&stored.ref_id),
        provider: &stored.provider,
        origin: key.bound_origin(),
        version: stored.version,
    };
    project.data_key.open(&binding, &stored.sealed).map_err(|error| {
        tracing::error!(key = %stored.id, %error, "a stored key does not open");
        CallError::Vault(error)
    })
}

/// Whether a customer's address is the provider's own host, and proves it by its certificate.
fn is_providers(base: &Base, provider: &dyn Provider) -> bool {
    let Ok(root) = base.uri("/") else { return false };
    root.scheme() == Some(&Scheme::HTTPS)
        && root.host().is_some_and(|host| provider.owns_host(host))
}

fn begun_with<'k>(keys: &'k [UsableKey], id: &ProviderKeyId) -> Option<&'k UsableKey> {
    keys.iter().find(|key| key.stored.id == *id)
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
            (413, ErrorClass::RequestRejected, CallError::BodyTooLarge)
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
    call.close(Some(class), &Findings::default());
    told
}

#[cfg(test)]
mod tests {
    use byok_net::TrustedUrl;

    use super::*;

    #[test]
    fn a_host_is_the_providers_own_over_tls_only() {
        let azure = byok_providers::find("azure-openai").expect("registered");
        let openai = byok_providers::find("openai").expect("registered");
        let compatible = azure.compatible().expect("an endpoint");
        for (url, expected) in [
            ("https://acme.openai.azure.com", true),
            ("https://acme.openai.azure.com/prefix", true),
            ("http://acme.openai.azure.com", false),
            ("https://gateway.example/acme.openai.azure.com", false),
        ] {
            let base = Base::Trusted(Arc::new(TrustedUrl::parse(url).expect("a URL")));
            assert_eq!(is_providers(&base, azure), expected, "{url}");
            assert_eq!(is_providers(&base, compatible), expected, "{url}");
            assert!(!is_providers(&base, openai), "{url}");
        }
    }

    #[test]
    fn a_member_is_put_before_the_others() {
        for (pieces, expected) in [
            (&[r#" {"input":"{"}"#][..], r#" {"model":"m","input":"{"}"#),
            (&["{ }"], r#"{"model":"m" }"#),
            (&[r#"{"a":1"#, ",\"b\":2", "}"], r#"{"model":"m","a":1,"b":2}"#),
        ] {
            let pieces = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes()));
            let mut body = OutgoingBody::Pieces(pieces.collect());
            body.add_member(r#""model":"m""#.to_owned());
            assert_eq!(body.pieces().map(<[Bytes]>::concat), Some(expected.as_bytes().to_vec()));
        }
    }
}
